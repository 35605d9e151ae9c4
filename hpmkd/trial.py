"""One job -> one model file. Knows nothing of Ray: it yields what happened, and the caller reports it."""

from __future__ import annotations

import functools
import io
import json
import platform
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from hpmkd.atomic import commit_bytes, commit_json
from hpmkd.audit import inspect
from hpmkd.config import DataConfig
from hpmkd.data.augment import Normalise
from hpmkd.data.cache import load, prepare
from hpmkd.data.images import Splits
from hpmkd.errors import Diverged, HpmkdError
from hpmkd.job import Job
from hpmkd.methods import build_distiller
from hpmkd.models import build
from hpmkd.output import Output
from hpmkd.store.header import file_hash
from hpmkd.store.model_file import load_weights, save_model
from hpmkd.train import EpochResult, Training, evaluate
from hpmkd.version import __version__

EPOCH_FILE, EPOCH_META = "epoch.pt", "epoch.json"


@dataclass(frozen=True)
class Progress:
    """A finished epoch. `save(folder)` writes its checkpoint; call it before the next epoch or not at all."""

    result: EpochResult
    save: Callable[[Path], None]


@dataclass(frozen=True)
class Resumed:
    """The job goes on after `epoch` epochs of an earlier attempt."""

    epoch: int


@dataclass(frozen=True)
class Outcome:
    """The end of a job. `found`: the file was there already; `diverged`: the reason is in `message`."""

    status: Literal["trained", "found", "diverged"]
    accuracy: float = float("nan")
    train_time: float = float("nan")
    message: str = ""


def run_job(
    job: Job, output: Output, data: DataConfig, device: torch.device, candidates: tuple[Path, ...] = ()
) -> Iterator[Resumed | Progress | Outcome]:
    """Trains a job's model unless its file is there, and commits it under its canonical name.

    Args:
        job: what to train.
        output: the sweep's folder; parents are loaded from there, epoch checkpoints found there.
        data: where images lie.
        device: where to train.
        candidates: further folders that may hold an epoch checkpoint.

    Raises:
        HpmkdError: a parent is missing or not the planned one; the model cannot be written.
    """
    finding = inspect(job, output)
    if finding.state == "done" and finding.header:
        yield Outcome("found", finding.header.accuracy, finding.header.train_time)
        return
    torch.set_num_threads(job.fit.threads)
    parents = [_load_parent(parent, output) for parent in job.teachers]
    splits = load(job.data, data.model_dump_json())
    training = _training(job, [model for model, _ in parents], splits, device)
    weights = {parent.key: known for parent, (_, known) in zip(job.teachers, parents, strict=True)}
    _resume(training, job, weights, [*candidates, *output.checkpoint_folders(job)])
    if training.epoch:
        yield Resumed(training.epoch)
    accuracy = float("nan")
    try:
        for result in training.epochs():
            accuracy = result.validation_accuracy_pct
            yield Progress(result, functools.partial(save_epoch, training, job, weights))
    except Diverged as error:
        yield Outcome("diverged", message=str(error))
        return
    model = training.model
    test_pct = evaluate(model, splits.test.to(device), training.normalise, job.fit.precision)
    metadata = _metadata(job, data, device) | {"val_accuracy": accuracy, "parents": weights}
    save_model(model.state_dict(), output.model_file(job), test_pct, training.train_seconds, metadata)
    yield Outcome("trained", test_pct, training.train_seconds)


def evaluate_file(job: Job, path: Path, data: DataConfig, device: torch.device) -> float:
    """Test accuracy (percent) of a model file, measured anew: what its `accuracy` field must say."""
    torch.set_num_threads(job.fit.threads)
    _, state = load_weights(path)
    model = build(job.model, seed=0)
    model.load_state_dict(state)
    splits = load(job.data, data.model_dump_json())
    normalise = Normalise(splits.mean, splits.std, device)
    return evaluate(model.to(device), splits.test.to(device), normalise, job.fit.precision)


def _training(job: Job, teachers: list[nn.Module], splits: Splits, device: torch.device) -> Training:
    model = build(job.model, job.seed)
    specs = tuple(parent.model for parent in job.teachers)
    distiller = build_distiller(job.method, dict(job.hparams), job.model, specs, job.seed)
    return Training(model, distiller, teachers, splits, job.data.augment, job.fit, job.seed, device)


def _load_parent(parent: Job, output: Output) -> tuple[nn.Module, str]:
    """A parent's network and the hash of its weights; it is verified here again, just before it is used."""
    finding = inspect(parent, output)
    if finding.state != "done":
        raise HpmkdError(
            f"{output.model_file(parent)}: the teacher cannot be used",
            expected="the planned model, finished and undamaged",
            found=f"{finding.state} {finding.reason}".strip(),
            todo="start the sweep again: it trains what is missing",
        )
    header, state = load_weights(output.model_file(parent))
    model = build(parent.model, seed=0)
    model.load_state_dict(state)
    return model, str(header.metadata["weights_sha256"])


def save_epoch(training: Training, job: Job, parents: Mapping[str, str], folder: Path) -> None:
    """Commits an epoch checkpoint: the state, then its description with hash, fingerprint and parents' weights."""
    buffer = io.BytesIO()
    torch.save(training.state_dict(), buffer)
    commit_bytes(folder / EPOCH_FILE, buffer.getbuffer())
    digest = file_hash(folder / EPOCH_FILE)
    about = {"fingerprint": job.fingerprint, "parents": dict(parents)}
    commit_json(folder / EPOCH_META, {"epoch": training.epoch, "sha256": digest, **about})


def _resume(training: Training, job: Job, parents: Mapping[str, str], folders: list[Path]) -> None:
    """Goes on from the furthest checkpoint that is whole and of this job and these parents; else from the seed."""
    about = {"fingerprint": job.fingerprint, "parents": dict(parents)}
    found = []
    for folder in dict.fromkeys(folders):
        try:
            meta = json.loads((folder / EPOCH_META).read_text())
            ours = all(meta[name] == value for name, value in about.items())
            if ours and int(meta["epoch"]) < job.fit.epochs:
                found.append((int(meta["epoch"]), str(folder), meta["sha256"]))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    for _, name, digest in sorted(found, reverse=True):
        path = Path(name) / EPOCH_FILE
        try:
            if file_hash(path) == digest:
                training.load_state_dict(torch.load(path, map_location=training.device, weights_only=True))
                return
        except Exception:
            # Whatever is wrong with a checkpoint, an older one or the seed gives the same weights.
            continue


def _metadata(job: Job, data: DataConfig, device: torch.device) -> dict[str, Any]:
    return {
        "key": job.key,
        "role": job.role,
        "dataset": job.data.name,
        "baseline": job.baseline,
        "run": job.run,
        "epochs": job.fit.epochs,
        "seed": job.seed,
        "architecture": asdict(job.model),
        "recipe": job.recipe(),
        "fingerprint": job.fingerprint,
        "data_sha256": prepare(job.data, data),
        "versions": {
            "hpmkd": __version__,
            "torch": str(torch.__version__),
            "python": platform.python_version(),
        },
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "git_revision": _git_revision(),
    }


@functools.cache
def _git_revision() -> str | None:
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


class SaveSchedule:
    """Says when an epoch checkpoint is due: as soon as saving has cost at most a given part of the time.

    Epochs of minutes are saved one by one; of epochs of milliseconds, every so many. It measures the cost itself.
    """

    def __init__(self, overhead: float) -> None:
        self.overhead, self.cost_seconds, self.last = overhead, 0.0, time.monotonic()

    def due(self) -> bool:
        """Whether the time since the last save pays for one more."""
        return time.monotonic() - self.last >= max(self.cost_seconds / self.overhead, 0.5)

    def saved(self, seconds: float) -> None:
        """Takes note of a save that took `seconds`."""
        self.cost_seconds, self.last = seconds, time.monotonic()
