"""Which kinds of GPUs there are, on machines that are not here, and how one of several in a machine is chosen."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from support.cuda_driver import PART, WHOLE, built, variables

from hpmkd.cluster import gpu_kinds
from hpmkd.cluster.gpu_kinds import Place, choose, places, visible_to_ray
from hpmkd.cluster.mps_control import VISIBLE
from hpmkd.cluster.nodes import Node
from hpmkd.errors import EnvironmentProblem
from hpmkd.plan.gpu_share import GpuKind

SMALL, LARGE = GpuKind("T4", 16 * 2**30), GpuKind("H100", 80 * 2**30)
A, B, C = (Node(name, f"10.0.0.{number}") for number, name in enumerate("abc", 1))


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Place]]:
    """The places of a cluster: of each node, in order, how many GPUs its Ray has, and what CUDA says of them (None:
    the node does not answer)."""

    def have(*nodes: tuple[float, Sequence[GpuKind] | None], private: bool = False) -> list[Place]:
        here = dict(zip((A, B, C), nodes, strict=False))

        def answered(node: Node, answer: object) -> list[GpuKind]:
            seen = here[node][1]
            if seen is None:
                raise EnvironmentProblem("silent")
            return list(seen)

        rows = [{"NodeID": node.id, "Resources": {"CPU": 8.0, "accelerator_type:X": 1.0, "GPU": gpus}}
                for node, (gpus, _) in here.items()]  # fmt: skip
        for row in rows:
            if not row["Resources"]["GPU"]:
                del row["Resources"]["GPU"]
        monkeypatch.setattr(gpu_kinds.ray, "nodes", lambda: rows)
        monkeypatch.setattr(gpu_kinds, "living_nodes", lambda: list(here))
        monkeypatch.setattr(Node, "call", lambda self, function: function)
        monkeypatch.setattr(gpu_kinds, "answered", answered)
        return places(private)

    return have


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        ([(1, [LARGE])], [Place(LARGE)]),
        ([(8, [LARGE] * 8)], [Place(LARGE)]),
        ([(4, [LARGE] * 4), (0, []), (2, [LARGE] * 2)], [Place(LARGE)]),
        # Two kinds in one machine: whoever needs one of them holds all.
        ([(3, [LARGE, SMALL, LARGE])], [Place(LARGE, A, 3), Place(SMALL, A, 3)]),
        # A kind each: one GPU there is enough.
        ([(4, [LARGE] * 4), (2, [SMALL] * 2)], [Place(LARGE, A, 1), Place(SMALL, B, 1)]),
        # The same kind is where it is alone.
        ([(2, [LARGE, SMALL]), (2, [SMALL] * 2)], [Place(LARGE, A, 2), Place(SMALL, B, 1)]),
        # Ray hands out the first ones alone.
        ([(1, [LARGE, SMALL])], [Place(LARGE)]),
        # More memory makes another kind.
        ([(2, [GpuKind("A100", 40), GpuKind("A100", 80)])],
         [Place(GpuKind("A100", 40), A, 2), Place(GpuKind("A100", 80), A, 2)]),
        # CUDA says nothing, or the node does not answer: it is called as Ray calls it.
        ([(2, [])], [Place(GpuKind("X"))]),
        ([(4, [LARGE] * 4), (2, None)], [Place(LARGE, A, 1), Place(GpuKind("X"), B, 1)]),
        ([(0, [])], []),
    ],
)  # fmt: skip
def test_a_place_for_each_kind(cluster: Callable[..., list[Place]], nodes: list[Any], expected: list[Place]) -> None:
    assert cluster(*nodes) == expected


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three GPUs of two kinds, which this process and those that it starts see."""
    monkeypatch.delenv(VISIBLE, raising=False)
    for name, value in variables(built(tmp_path), tmp_path / "calls", count=3).items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("driver")
@pytest.mark.parametrize(
    ("visible", "gpus", "expected"),
    [
        (None, 3, [Place(WHOLE, A, 3), Place(PART, A, 3)]),
        ("0,1", 2, [Place(WHOLE, A, 2), Place(PART, A, 2)]),
        ("2,0", 2, [Place(WHOLE)]),
        ("1", 1, [Place(PART)]),
    ],
)
def test_those_that_the_user_has_chosen(
    cluster: Callable[..., list[Place]],
    monkeypatch: pytest.MonkeyPatch,
    visible: str | None,
    gpus: int,
    expected: list[Place],
) -> None:
    """A private Ray hands out what this process sees."""
    if visible is not None:
        monkeypatch.setenv(VISIBLE, visible)
    assert cluster((gpus, None), private=True) == expected


@pytest.mark.usefixtures("driver")
def test_a_worker_asks_for_those_of_its_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray hides all GPUs from a worker that asked for none; the process that started it sees them."""

    class Parent:
        def __init__(self, pid: int) -> None:
            assert pid == os.getppid()

        def environ(self) -> dict[str, str]:
            return raylet

    monkeypatch.setattr(gpu_kinds.psutil, "Process", Parent)
    monkeypatch.setenv(VISIBLE, "")
    raylet: dict[str, str] = {}
    assert visible_to_ray() == [WHOLE, PART, WHOLE]
    raylet[VISIBLE] = "1,2"
    assert visible_to_ray() == [PART, WHOLE]
    raylet[VISIBLE] = ""
    assert visible_to_ray() == []


@pytest.mark.usefixtures("driver")
@pytest.mark.parametrize(
    ("held", "kind", "left"), [("0,1,2", PART, "1"), ("1,2", WHOLE, "2"), ("2", PART, "2"), ("0,2", WHOLE, "0")]
)
def test_one_of_those_that_are_held(monkeypatch: pytest.MonkeyPatch, held: str, kind: GpuKind, left: str) -> None:
    """One alone is what Ray gave; that it is of the kind is known."""
    monkeypatch.setenv(VISIBLE, held)
    choose(kind)
    assert os.environ[VISIBLE] == left


@pytest.mark.usefixtures("driver")
def test_a_kind_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VISIBLE, "0,2")
    with pytest.raises(LookupError, match=r"no NVIDIA H100 MIG 1g.10gb, 10 GiB among the GPUs"):
        choose(PART)
