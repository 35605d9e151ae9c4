"""The commit rule, proven: after every prefix of its calls, whatever a power cut leaves is the old or the new."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from support.builders import make_config, make_jobs
from support.disk_model import every_cut, record

from hpmkd.audit.findings import archive, quarantine
from hpmkd.plan.job import Job
from hpmkd.store import inspection
from hpmkd.store.epoch_checkpoint import EPOCH_FILE, resume, save_epoch
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.result_file import commit, load_weights
from hpmkd.store.search_file import SearchResult
from hpmkd.store.sidecar import sidecar_path

KEY, CHOICE = "teacher_Digits", "search_Digits"


@pytest.fixture(scope="module")
def jobs() -> dict[str, Job]:
    return make_jobs(make_config(baselines=["TraditionalKD-adaptive"]))


def meta_of(job: Job) -> dict[str, Any]:
    return {"key": job.key, "recipe": job.recipe(), "fingerprint": job.fingerprint, "parents": {}}


def save(job: Job, output: OutputDir, number: int) -> None:
    """The model or choice number `number`: its accuracy and its weights or values say which one it is."""
    path = output.model_file(job)
    if job.role == "search":
        commit(path, SearchResult({"kd.alpha": number / 10}), float(number), 1.0, meta_of(job))
    else:
        commit(path, {"w": torch.full((50,), float(number))}, float(number), 1.0, meta_of(job))


def number_of(job: Job, output: OutputDir) -> int | None:
    """Which model lies there, by its content alone; None for none."""
    path = output.model_file(job)
    if not path.exists():
        return None
    header = inspection.inspect_job(job, output, repair=False).header
    assert header is not None, "neither the old nor the new content"
    return int(header.accuracy)


@pytest.mark.parametrize("key", [KEY, CHOICE])
@pytest.mark.parametrize("before", ["nothing", "old", "old without sidecar", "another's sidecar", "sidecar alone"])
def test_a_model_is_the_old_or_the_new_one(jobs: dict[str, Job], tmp_path: Path, key: str, before: str) -> None:
    job, root = jobs[key], tmp_path / "out"
    output = OutputDir(root)
    root.mkdir()
    old = None if before in ("nothing", "sidecar alone") else 1
    if before != "nothing":
        save(job, output, 1)
    side = sidecar_path(output.model_file(job))
    if before == "old without sidecar":
        side.unlink(missing_ok=True)
    if before == "sidecar alone":
        output.model_file(job).unlink()
    if before == "another's sidecar":
        save(job, OutputDir(tmp_path / "other"), 3)
        if key == KEY:
            shutil.copy(sidecar_path(OutputDir(tmp_path / "other").model_file(job)), side)
    disk, ops = record(root, lambda: save(job, output, 2))

    def check(there: OutputDir, made: int, done: bool) -> None:
        number = number_of(job, there)
        assert number in (old, 2), f"after {made} calls"
        assert number == 2 or not done, "saved, said so, and lost"
        finding = inspection.inspect_job(job, there, repair=False)
        assert finding.state == ("missing" if number is None else "good")
        assert inspection.inspect(there.model_file(job), "content").state == ("missing" if number is None else "good")
        if number is not None and key == KEY:
            assert torch.equal(load_weights(there.model_file(job))[1]["w"], torch.full((50,), float(number)))

    assert every_cut(root, tmp_path / "cuts", disk, ops, check) >= 10


@pytest.mark.parametrize("before", ["nothing", "old"])
def test_a_table_is_never_without_its_description(before: str, tmp_path: Path) -> None:
    """It can be made again, so the old one goes first; a power cut may bring that back: then it is called damaged."""
    job = make_jobs(make_config(baselines=["TraditionalKD"], kd__logits="cached"))["logits_teacher_Digits"]
    output = OutputDir(tmp_path / "out")
    output.models.mkdir(parents=True)

    def write(number: int) -> None:
        commit(output.model_file(job), torch.full((99,), number), float(number), 1.0, meta_of(job))

    if before == "old":
        write(1)
    disk, ops = record(output.root, lambda: write(2))

    def check(there: OutputDir, made: int, done: bool) -> None:
        finding = inspection.inspect_job(job, there, repair=False)
        assert finding.state in ("missing", "good") or (before, finding.state) == ("old", "damaged"), finding.reason
        assert finding.header is None or finding.header.accuracy in (1, 2)
        assert not done or (finding.header is not None and finding.header.accuracy == 2)

    assert every_cut(output.root, tmp_path / "cuts", disk, ops, check) >= 10


def test_without_fsync_what_is_torn_is_called_damaged(
    jobs: dict[str, Job], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file system that cannot sync may lose what it said was written; that is found, and never taken for a model."""

    def unknown(descriptor: int) -> None:
        raise OSError(errno.EINVAL, "Invalid argument")

    job, output = jobs[KEY], OutputDir(tmp_path / "out")
    save(job, output, 1)
    monkeypatch.setattr(os, "fsync", unknown)
    disk, ops = record(output.root, lambda: save(job, output, 2))
    monkeypatch.undo()
    seen = set()

    def check(there: OutputDir, made: int, done: bool) -> None:
        finding = inspection.inspect_job(job, there, repair=False)
        seen.add(finding.state)
        assert finding.state != "missing", "the old name never goes away"
        if finding.header is not None:
            number = finding.header.accuracy
            assert number in (1, 2)
            assert torch.equal(load_weights(there.model_file(job))[1]["w"], torch.full((50,), number))

    every_cut(output.root, tmp_path / "cuts", disk, ops, check)
    assert seen == {"good", "damaged"}


class Work:
    """Something resumable whose state says which epoch it is of."""

    total, steps, device = 10, 0, torch.device("cpu")

    def __init__(self, epoch: int) -> None:
        self.epoch, self.value = epoch, torch.full((20,), float(epoch))

    def state_dict(self) -> dict[str, Any]:
        return {"epoch": self.epoch, "value": self.value}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.epoch, self.value = state["epoch"], state["value"]


@pytest.mark.parametrize("folder", ["the same", "another"])
@pytest.mark.parametrize("older", [True, False])
def test_an_epoch_is_a_whole_one_or_none(jobs: dict[str, Job], tmp_path: Path, folder: str, older: bool) -> None:
    job, root = jobs[KEY], tmp_path / "out"
    output = OutputDir(root)
    places = [output.tune / "round000" / "trial" / f"checkpoint_{number}" for number in (0, 1)]
    root.mkdir()
    new = places[0] if folder == "the same" else places[1]
    if older:
        save_epoch(Work(3), job, {}, places[0])
    disk, ops = record(root, lambda: save_epoch(Work(7), job, {}, new))

    def check(there: OutputDir, made: int, done: bool) -> None:
        work = Work(0)
        resume(work, job, {}, [there.root / place.relative_to(root) for place in places])
        assert torch.equal(work.value, torch.full((20,), float(work.epoch)))
        assert work.epoch in ({0, 3, 7} if older else {0, 7})
        assert work.epoch == 7 or not done
        assert work.epoch or not older or folder == "the same", "an older one in another folder is never lost"

    assert every_cut(root, tmp_path / "cuts", disk, ops, check) >= 20


@pytest.mark.parametrize("damaged", [True, False])
def test_moved_aside_means_moved_not_lost(jobs: dict[str, Job], tmp_path: Path, damaged: bool) -> None:
    """Quarantine and archive: the bytes are always in one of the two places."""
    job, output = jobs[KEY], OutputDir(tmp_path / "out")
    save(job, output, 1)
    path = output.model_file(job)
    if damaged:
        path.write_bytes(path.read_bytes()[:-1])
    content = path.read_bytes()
    finding = inspection.inspect_job(job, output)
    assert (finding.state == "damaged") == damaged
    move = quarantine if damaged else lambda one, there: archive([one], there)
    disk, ops = record(output.root, lambda: move(finding, output))

    def check(there: OutputDir, made: int, done: bool) -> None:
        aside = list((there.quarantine if damaged else there.archive).glob("*.pt"))
        here = there.model_file(job)
        found = [one.read_bytes() for one in [here, *aside] if one.exists()]
        assert found == [content]
        assert not here.exists() or not done

    assert every_cut(output.root, tmp_path / "cuts", disk, ops, check) >= 5


def test_epoch_file_is_what_the_recorder_sees(jobs: dict[str, Job], tmp_path: Path) -> None:
    """Each file of a checkpoint is synced before its name appears, and its folder after."""
    _, ops = record(tmp_path, lambda: save_epoch(Work(7), jobs[KEY], {}, tmp_path))
    assert [op[0] for op in ops] == ["create", "write", "sync", "rename", "sync folder"] * 2
    assert ops[3][2] == tmp_path / EPOCH_FILE
