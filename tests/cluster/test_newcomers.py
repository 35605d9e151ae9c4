"""Nodes that leave a cluster and join it; whole clusters are in tests/end_to_end/test_hosts.py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest

from hpmkd.cluster import newcomers
from hpmkd.cluster.newcomers import _Watcher
from hpmkd.cluster.nodes import Node
from hpmkd.errors import EnvironmentProblem
from hpmkd.store.output_dir import OutputDir

A, B, C = Node("1", "10.0.0.1"), Node("2", "10.0.0.2"), Node("3", "10.0.0.3")


class World:
    """Stands in for Ray: what is wrong with which node, and which cores are reserved."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wrong: dict[Node, str] = {}
        self.reserved: list[str] = []
        self.now = 100.0
        monkeypatch.setattr(newcomers, "need_nodes", self._need)
        monkeypatch.setattr(newcomers, "placement_group", self._reserve)
        monkeypatch.setattr(newcomers, "remove_placement_group", self.reserved.remove)
        monkeypatch.setattr(newcomers.ray, "nodes", lambda: [{"NodeID": "2", "Resources": {"CPU": 3.0}}])
        monkeypatch.setattr(newcomers.time, "monotonic", lambda: self.now)

    def _need(self, nodes: list[Node], output: OutputDir, reach: None) -> None:
        for node in nodes:
            if node in self.wrong:
                raise EnvironmentProblem(self.wrong[node], expected="it", found="none", todo="mount it")

    def _reserve(self, bundles: list[dict[str, float]]) -> str:
        (place,) = bundles
        cores, name = place
        assert (cores, place[cores]) == ("CPU", 1)
        self.reserved.append(name)
        return name


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with monkeypatch.context() as patch:
        yield World(patch)


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    found = list(caplog.messages)
    caplog.clear()
    return found


def test_who_leaves_and_who_joins(world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "hpmkd")
    watcher = _Watcher(OutputDir(tmp_path), [A, C], Event())
    watcher.look([A, B])
    left, joined = lines(caplog)
    assert left == "node 10.0.0.3 left the cluster; what it was training goes on elsewhere"
    assert joined == "node 10.0.0.2 joined the cluster"
    watcher.look([A, B])
    assert lines(caplog) == []
    assert world.reserved == []


def test_one_that_lacks_something_gets_no_work_until_it_is_right(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "hpmkd")
    world.wrong[B] = "node 10.0.0.2 (b): does not share /out"
    watcher = _Watcher(OutputDir(tmp_path), [A], Event())
    watcher.look([A, B])
    (told,) = lines(caplog)
    assert told.startswith(
        "node 10.0.0.2 joined the cluster; nothing is trained there until it is right: node 10.0.0.2"
    )
    assert "mount it" in told
    assert world.reserved == ["node:10.0.0.2"] * 3
    world.wrong.clear()
    watcher.look([A, B])
    assert lines(caplog) == [], "it was looked at a moment ago"
    world.now += 31
    watcher.look([A, B])
    assert lines(caplog) == ["node 10.0.0.2 is right now, and trains"]
    assert world.reserved == []


def test_one_that_leaves_again_and_the_end(world: World, tmp_path: Path) -> None:
    """Nothing stays reserved for other programs of the cluster."""
    world.wrong[B] = "x"
    watcher = _Watcher(OutputDir(tmp_path), [A], Event())
    watcher.look([A, B])
    watcher.look([A])
    assert watcher._kept == {}
    world.reserved.clear()
    watcher.look([A, B])
    assert len(world.reserved) == 3
    watcher.let_go()
    assert world.reserved == []


def test_nothing_begins_after_the_end(world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A node may answer when the sweep is over; a call to Ray would then start another one."""
    over = Event()
    world.wrong[B] = "x"
    watcher = _Watcher(OutputDir(tmp_path), [A], over)
    over.set()
    watcher.look([A, B])
    assert (world.reserved, caplog.messages) == ([], [])
