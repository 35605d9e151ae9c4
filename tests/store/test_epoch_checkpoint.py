"""Epoch checkpoints: whatever is wrong with one, an older one or the seed takes its place."""

from __future__ import annotations

import json
import os
import pickle
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from support.plans import plan

from hpmkd.store.epoch_checkpoint import EPOCH_FILE, EPOCH_META, resume, save_epoch

JOB = plan(1, ["Direct"], 1)[1]
PARENTS = {"teacher_D0": "its weights"}


class Work:
    """Something that trains: its weight says how far it is."""

    def __init__(self) -> None:
        self.epoch, self.total, self.device, self.weight = 0, 10, torch.device("cpu"), torch.zeros(3)
        self.steps = 0

    def state_dict(self) -> dict[str, Any]:
        return {"epoch": self.epoch, "weight": self.weight}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.weight = state["weight"]
        self.epoch = state["epoch"]


def at(epoch: int) -> Work:
    work = Work()
    work.epoch, work.weight = epoch, torch.full((3,), float(epoch))
    return work


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    """Checkpoints of epochs 2, 5 and 7; listed in no order, and the newest epoch has the oldest file."""
    made = []
    for epoch in (7, 2, 5):
        folder = tmp_path / f"checkpoint_{epoch}"
        folder.mkdir()
        save_epoch(at(epoch), JOB, PARENTS, folder)
        for path in folder.iterdir():
            os.utime(path, (1e9 - epoch * 3e7, 1e9 - epoch * 3e7))
        made.append(folder)
    return made


def resumed(folders: list[Path]) -> int:
    work = Work()
    resume(work, JOB, PARENTS, folders)
    assert torch.equal(work.weight, torch.full((3,), float(work.epoch)))
    return work.epoch


def test_the_furthest_one_wins_whatever_the_clock_says(folders: list[Path]) -> None:
    assert resumed(folders) == 7
    assert resumed([]) == 0


@pytest.mark.parametrize("name", [EPOCH_FILE, EPOCH_META])
def test_a_torn_one_gives_way_to_an_older_one(folders: list[Path], name: str, tmp_path: Path) -> None:
    chance, path = random.Random(name), tmp_path / "checkpoint_7" / name
    whole = path.read_bytes()
    torn = [whole[: chance.randrange(len(whole) - 1)] for _ in range(10)]
    for content in [None, b"", b"[]", b"null", b"7", chance.randbytes(200), pickle.dumps({"epoch": 7}), *torn]:
        path.unlink() if content is None else path.write_bytes(content)
        assert resumed(folders) == 5, content
    for epoch in (2, 5):
        (tmp_path / f"checkpoint_{epoch}" / name).write_bytes(b"")
    assert resumed(folders) == 0, "the seed"


def test_of_other_settings_or_parents_none_is_taken(folders: list[Path]) -> None:
    work = Work()
    resume(work, plan(1, ["Direct"], 2)[2], PARENTS, folders)
    resume(work, JOB, {"teacher_D0": "other weights"}, folders)
    assert work.epoch == 0


def test_one_of_another_version_leaves_nothing_of_itself(folders: list[Path], tmp_path: Path) -> None:
    """It is whole, and ours by its description, but a part of it is missing: what was read of it must go again."""
    from hpmkd.store.sidecar import file_hash

    for folder in folders:
        torch.save({"weight": torch.full((3,), 99.0)}, folder / EPOCH_FILE)
        meta = json.loads((folder / EPOCH_META).read_text())
        meta["sha256"] = file_hash(folder / EPOCH_FILE)
        (folder / EPOCH_META).write_text(json.dumps(meta))
    assert resumed(folders) == 0


def test_a_pickle_that_runs_code_is_not_run(folders: list[Path], tmp_path: Path) -> None:
    from support.plans import Raises

    from hpmkd.store.sidecar import file_hash

    witness = tmp_path / "executed"
    for folder in folders:
        torch.save(Raises(witness), folder / EPOCH_FILE)
        meta = json.loads((folder / EPOCH_META).read_text())
        meta["sha256"] = file_hash(folder / EPOCH_FILE)
        (folder / EPOCH_META).write_text(json.dumps(meta))
    assert resumed(folders) == 0
    assert not witness.exists()
