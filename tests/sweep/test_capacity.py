"""A cluster that grows or shrinks while a round runs."""

from __future__ import annotations

from typing import Any

import pytest
from support.builders import make_config, make_jobs

from hpmkd.cluster import nodes
from hpmkd.cluster.resources import Shares, TrialResources
from hpmkd.plan.roles import Role
from hpmkd.sweep import capacity
from hpmkd.sweep.capacity import Capacity
from hpmkd.sweep.searcher import JobQueue


class Cluster:
    """Stands in for Ray."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cores, self.gpus, self.now = {"a": 2.0}, {"a": 0.0}, 100.0
        monkeypatch.setattr(nodes.ray, "cluster_resources", self._all)
        monkeypatch.setattr(nodes.ray, "nodes", self._each)
        monkeypatch.setattr(capacity.time, "monotonic", lambda: self.now)

    def _all(self) -> dict[str, float]:
        return {"CPU": sum(self.cores.values()), "GPU": sum(self.gpus.values())}

    def _each(self) -> list[dict[str, Any]]:
        return [
            {"NodeID": name, "Alive": True, "Resources": {"CPU": cores, "GPU": self.gpus.get(name, 0.0)}}
            for name, cores in self.cores.items()
        ]


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    return Cluster(monkeypatch)


def followed(shares: Shares, limit: int | None = None) -> tuple[Capacity, JobQueue, list[str]]:
    jobs = list(make_jobs(make_config()).values())
    queue, told = JobQueue(jobs, set(), check=lambda job: True, places=shares.places), list[str]()
    return Capacity(queue, shares, limit, lambda now: told.append(now.side_by_side)), queue, told


def test_more_and_less(cluster: Cluster, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "hpmkd")
    one, queue, told = followed(Shares(TrialResources(1.0, 0.0, "cpu", 2)))
    cluster.cores["b"] = 6.0
    one.on_step_begin(1, [])
    assert queue.places.total == 2, "it looks every few seconds"
    for cores, total in ((6.0, 8), (0.0, 2), (0.0, 2)):
        cluster.cores["b"] = cores
        cluster.now += 6
        one.on_step_begin(1, [])
        assert queue.places.total == total
    assert told == ["8", "2"]
    assert caplog.messages == ["8 side by side from now on", "2 side by side from now on"]


def test_no_more_than_the_limit(cluster: Cluster) -> None:
    one, queue, told = followed(Shares(TrialResources(1.0, 0.0, "cpu", 2)), limit=3)
    cluster.cores["b"] = 60.0
    cluster.now += 6
    one.on_step_begin(1, [])
    assert (queue.places.total, told) == (3, ["3"])


def test_shares_of_gpus_stay_as_they_were_measured(cluster: Cluster) -> None:
    cluster.gpus["a"], cluster.cores["a"] = 1.0, 16.0
    student, teacher = TrialResources(1.0, 0.125, "cuda", 8), TrialResources(1.0, 0.25, "cuda", 4)
    one, queue, _ = followed(Shares(teacher, {Role.STUDENT: student, Role.TEACHER: teacher}))
    cluster.gpus["b"], cluster.cores["b"] = 2.0, 32.0
    cluster.now += 6
    one.on_step_begin(1, [])
    assert (queue.places.side_by_side[Role.STUDENT], queue.places.side_by_side[Role.TEACHER]) == (24, 12)


def test_a_node_that_is_kept_from_work_counts_for_nothing(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    one, queue, _ = followed(Shares(TrialResources(1.0, 0.0, "cpu", 2)))
    cluster.cores["b"] = 6.0
    monkeypatch.setattr(nodes, "LEFT_OUT", {"b"})
    cluster.now += 6
    one.on_step_begin(1, [])
    assert queue.places.total == 2


def test_a_cluster_that_does_not_answer(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here may raise: Tune would stop the sweep."""
    one, queue, told = followed(Shares(TrialResources(1.0, 0.0, "cpu", 2)))

    def silent() -> dict[str, float]:
        raise RuntimeError("GCS is gone")

    monkeypatch.setattr(nodes.ray, "cluster_resources", silent)
    cluster.now += 6
    one.on_step_begin(1, [])
    assert (queue.places.total, told) == (2, [])
