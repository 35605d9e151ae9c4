"""Epoch checkpoints: incomplete ones are recognised, and each is found by the job that it belongs to."""

from __future__ import annotations

import copy
import io
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import torch

from hpmkd.files import commit_bytes, commit_json, parse_json
from hpmkd.plan.job import Job
from hpmkd.store.output_dir import EPOCH_FILE, EPOCH_META
from hpmkd.store.sidecar import file_hash


class Resumable(Protocol):
    """Something that can continue from a `state_dict`: a training or a search. `steps`: of the epoch after `epoch`."""

    epoch: int
    steps: int
    total: int
    device: torch.device

    def state_dict(self) -> dict[str, Any]:
        """Everything that the rest depends on."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from it."""


def save_epoch(work: Resumable, job: Job, parents: Mapping[str, str], folder: Path) -> None:
    """Commits an epoch checkpoint: the state, then its description with hash, fingerprint and parents' weights."""
    buffer = io.BytesIO()
    torch.save(work.state_dict(), buffer)
    commit_bytes(folder / EPOCH_FILE, buffer.getbuffer())
    digest = file_hash(folder / EPOCH_FILE)
    about = {"fingerprint": job.fingerprint, "parents": dict(parents)}
    commit_json(folder / EPOCH_META, {"epoch": work.epoch, "steps": work.steps, "sha256": digest, **about})


def resume(work: Resumable, job: Job, parents: Mapping[str, str], folders: list[Path]) -> None:
    """Continues from the latest intact checkpoint of this job with these parents; else starts from the seed."""
    about = {"fingerprint": job.fingerprint, "parents": dict(parents)}
    found = []
    for folder in dict.fromkeys(folders):
        try:
            meta = parse_json((folder / EPOCH_META).read_text())
            ours = all(meta[name] == value for name, value in about.items())
            if ours and int(meta["epoch"]) < work.total:
                found.append((int(meta["epoch"]), int(meta.get("steps", 0)), str(folder), meta["sha256"]))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    fresh = copy.deepcopy(work.state_dict()) if found else {}
    for epoch, steps, name, digest in sorted(found, reverse=True):
        path = Path(name) / EPOCH_FILE
        try:
            if file_hash(path) == digest:
                work.load_state_dict(torch.load(path, map_location=work.device, weights_only=True))
                if (work.epoch, work.steps) == (epoch, steps):
                    return
        except Exception:
            # Whatever is wrong with a checkpoint, an older one or the seed gives the same weights.
            pass
        # One that fits in part has been taken over in part.
        work.load_state_dict(fresh)


class SaveSchedule:
    """Says when an epoch checkpoint is due: as soon as saving has cost at most a given part of the time.

    If epochs take minutes, each is saved; if they take milliseconds, one in many is. It measures the cost itself.
    """

    def __init__(self, overhead: float) -> None:
        self.overhead, self.cost_seconds, self.last = overhead, 0.0, time.monotonic()

    def due(self, least: float = 0.5) -> bool:
        """Whether the time since the last save pays for one more, and is `least` seconds or more."""
        return time.monotonic() - self.last >= max(self.cost_seconds / self.overhead, least)

    def saved(self, seconds: float) -> None:
        """Takes note of a save that took `seconds`."""
        self.cost_seconds, self.last = seconds, time.monotonic()
