"""What the driver does for nodes that do not see the output; whole clusters are in tests/end_to_end/test_hosts.py."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.builders import make_config, make_jobs

from hpmkd.audit.sweep_dir import Sweep
from hpmkd.errors import MirrorProblem
from hpmkd.plan.job import Job
from hpmkd.store.inspection import Finding, State
from hpmkd.store.output_dir import OutputDir
from hpmkd.sweep import stop_sign
from hpmkd.sweep.far_nodes import FarNodes
from hpmkd.sweep.stop_sign import StopSign, following_sign


class FakeMirror:
    """Has no files, some, or no network."""

    uri = "/mirror"

    def __init__(self) -> None:
        self.there: dict[str, State] = {}
        self.works = True
        self.download = self

    def made_elsewhere(self, job: Job) -> Finding:
        if not self.works:
            raise MirrorProblem("/mirror: cannot read", found="no network")
        return Finding(job.file_name, self.there.get(job.key, "missing"), "hash")


@pytest.fixture
def jobs() -> list[Job]:
    return list(make_jobs(make_config(baselines=["Direct"])).values())


def far_nodes(folder: Path, jobs: list[Job], mirror: FakeMirror | None, **overrides: Any) -> FarNodes:
    config = make_config(baselines=["Direct"], **overrides)
    (folder / "sweep.yaml").write_text("runs: 1\n")
    return FarNodes(Sweep(config, OutputDir(folder), jobs), mirror)  # type: ignore[arg-type]


@pytest.mark.parametrize("mirror", [None, FakeMirror()])
@pytest.mark.parametrize("address", [None, "10.0.0.1:6379"])
def test_only_a_cluster_with_a_mirror_has_any(
    mirror: FakeMirror | None, address: str | None, jobs: list[Job], tmp_path: Path
) -> None:
    some = mirror is not None and address is not None
    with far_nodes(tmp_path, jobs, mirror, resources__address=address) as far:
        assert (far.exchange is not None, far.reach is not None) == (some, some)
        assert OutputDir(tmp_path).home_file.exists() == some
        if far.exchange is not None:
            assert OutputDir(tmp_path).home_file.read_text() == far.exchange.home
            assert list(far.exchange.plan) == ["sweep.yaml"]
        if not some:
            far.begin()
            far.tell(True)
            assert not far.fetch(jobs[0])
    assert not OutputDir(tmp_path).home_file.exists()


def test_what_cannot_be_fetched_now_is_fetched_later(
    jobs: list[Job], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mirror = FakeMirror()
    far = far_nodes(tmp_path, jobs, mirror, resources__address="10.0.0.1:6379")
    asked: list[str] = []
    assert not far.fetch(jobs[0]), "no file, and nothing is owed"
    mirror.works = False
    assert not far.fetch(jobs[1])
    assert "cannot be fetched now: no network" in caplog.text
    mirror.works = True
    made = mirror.made_elsewhere
    mirror.made_elsewhere = lambda job: asked.append(job.key) or made(job)  # type: ignore[method-assign,func-returns-value]
    far.fetch_owed()
    far.fetch_owed()
    assert asked == [jobs[1].key]
    mirror.there = {jobs[0].key: "good", jobs[1].key: "damaged"}
    assert far.fetch(jobs[0])
    assert not far.fetch(jobs[1])
    assert f"{jobs[1].file_name} is damaged there (hash); it is trained again" in caplog.text


def test_a_sign_is_seen_elsewhere(small_ray: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stop_sign, "_LOOK_SECONDS", 0.05)
    output = OutputDir(tmp_path)
    output.stop_file.touch()  # of a worker that was killed
    sign = StopSign("here")
    with following_sign(output, "here"):
        assert not output.stop_file.exists()
        for up in (True, False, True):
            sign.show(up)
            end = time.monotonic() + 20
            while output.stop_file.exists() != up:
                assert time.monotonic() < end
                time.sleep(0.02)
    with following_sign(output, "nobody's"):
        time.sleep(0.3)
        assert not output.stop_file.exists()


def test_a_trial_that_lost_its_node_has_not_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    from hpmkd.sweep import node_losses

    lost = ray.exceptions.ActorUnavailableError("RPC error: Socket closed", b"1" * 16)
    trial: Any = SimpleNamespace(trial_id="a", run_metadata=SimpleNamespace(num_failures=0))
    errors: dict[str, BaseException] = {"a": lost}
    monkeypatch.setattr(node_losses, "error_of", lambda trial: errors[trial.trial_id])
    callback = node_losses.NodeLosses()
    for _ in range(15):
        trial.run_metadata.num_failures += 1  # as Tune does
        callback.on_trial_recover(1, [trial], trial)
    assert trial.run_metadata.num_failures == 5, "ten times at most"
    errors["b"] = ValueError("mine")
    other: Any = SimpleNamespace(trial_id="b", run_metadata=SimpleNamespace(num_failures=1))
    callback.on_trial_recover(1, [other], other)
    assert other.run_metadata.num_failures == 1
    died = ray.exceptions.ActorDiedError()  # type: ignore[no-untyped-call]
    assert not node_losses.is_loss(died)
    died.error_msg = "The actor died because its node has died. Node Id: 1"
    assert node_losses.is_loss(died)
