"""How the loss of a cluster that was joined is noticed; whole clusters are in tests/end_to_end/test_hosts.py."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from types import SimpleNamespace

import psutil
import pytest

from hpmkd.cluster import lifeline
from hpmkd.cluster.stop_signals import StopSignals


class Cluster:
    """Stands in for Ray's: a head that listens, and a process for this machine's raylet."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.head = socket.create_server(("127.0.0.1", 0))
        self.raylet = subprocess.Popen(["sleep", "60"])
        context = SimpleNamespace(gcs_address=f"127.0.0.1:{self.head.getsockname()[1]}", get_node_id=lambda: "1")
        nodes = [{"NodeID": "1", "RayletSocketName": "/tmp/raylet"}, {"NodeID": "2", "RayletSocketName": "/tmp/other"}]
        monkeypatch.setattr(lifeline.ray, "get_runtime_context", lambda: context)
        monkeypatch.setattr(lifeline.ray, "nodes", lambda: nodes)
        monkeypatch.setattr(lifeline.psutil, "process_iter", self._processes)
        self.called = "raylet"

    def _processes(self) -> list[object]:
        """Two raylets, as on a machine where another cluster runs, too."""
        other = SimpleNamespace(name=lambda: "raylet", cmdline=lambda: ["raylet", "--raylet_socket_name=/tmp/other"])
        process = psutil.Process(self.raylet.pid)
        process.name = lambda: self.called  # type: ignore[method-assign]
        process.cmdline = lambda: ["raylet", "--raylet_socket_name=/tmp/raylet"]  # type: ignore[method-assign]
        return [other, process]

    def close(self) -> None:
        self.head.close()
        self.raylet.kill()
        self.raylet.wait()


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    made = Cluster(monkeypatch)
    yield made
    made.close()


def test_all_is_well(cluster: Cluster) -> None:
    lost = lifeline.joined()
    assert [lost() for _ in range(10)] == [""] * 10


def test_this_machines_raylet_is_dead(cluster: Cluster) -> None:
    lost = lifeline.joined()
    cluster.raylet.kill()
    cluster.raylet.wait()
    assert lost() == f"Ray's raylet on this machine (process {cluster.raylet.pid}) died"


def test_the_head_is_gone(cluster: Cluster) -> None:
    lost = lifeline.joined()
    cluster.head.close()
    assert [lost() for _ in range(5)] == [""] * 5, "a moment without a network"
    assert lost().startswith("the head of the Ray cluster, 127.0.0.1:")


def test_a_head_that_comes_back_in_time(cluster: Cluster) -> None:
    lost, address = lifeline.joined(), cluster.head.getsockname()
    cluster.head.close()
    assert [lost() for _ in range(5)] == [""] * 5
    cluster.head = socket.create_server(address)
    assert lost() == ""
    cluster.head.close()
    assert [lost() for _ in range(5)] == [""] * 5


def test_a_raylet_that_cannot_be_seen(cluster: Cluster) -> None:
    """In another container: the head alone tells."""
    cluster.called = "something"
    lost = lifeline.joined()
    cluster.raylet.kill()
    cluster.raylet.wait()
    assert lost() == ""


def test_the_body_hears_of_it() -> None:
    with StopSignals() as stop:
        with pytest.raises(lifeline.RayLost, match="it is gone"), lifeline.watched(lambda: "it is gone", stop):
            time.sleep(30)
        assert stop.caught is None
