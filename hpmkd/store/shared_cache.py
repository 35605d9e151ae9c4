"""Shared memory: finished teachers, assistants and searches, shared by all sweeps and found by fingerprint.

An entry's address is the job's fingerprint (recipe and parents) with the kind of device: the same recipe gives other
bits on a GPU than on a CPU. What is taken out is verified, and its parents must have
exactly the weights here that it was trained from.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path

from hpmkd.errors import EnvironmentProblem, HpmkdError
from hpmkd.files import commit_bytes
from hpmkd.plan.job import Job
from hpmkd.store import predictions
from hpmkd.store.memory_entry import entry
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.result_file import commit, read_whole, verify
from hpmkd.store.sidecar import Header


def _predictions(model: Path) -> Path:
    """Where the answers of a network in the memory are kept."""
    return model.with_name(f"{model.stem}.predictions.npy")


def keep(folder: Path, job: Job, output: OutputDir, device: str) -> None:
    """Puts a finished job's file into the memory, and a network's answers; what is there already stays."""
    target = entry(folder, job, device)
    try:
        header = verify(target)
    except (OSError, HpmkdError):
        commit_bytes(target, output.model_file(job).read_bytes())
        header = verify(target)
    if job.role.is_network and predictions.read(_predictions(target), header.weights) is None:
        predictions.copy(output.predictions_file(job.key), _predictions(target), job.key, str(header.weights))


def recall(folder: Path, job: Job, output: OutputDir, device: str, parents: Mapping[str, str]) -> Header | None:
    """Writes the job's file from the memory, under the name it has here, and a network's answers if they are known;
    None where there is none that fits.

    Args:
        folder: of the memory.
        job: what is wanted.
        output: where it is wanted.
        device: `cpu` or `cuda`.
        parents: identity of the weights of each parent here, in the order of `job.parents`.
    """
    source = entry(folder, job, device)
    try:
        header = verify(source)
    except (OSError, HpmkdError):
        return None
    meta = header.metadata
    if list(meta.get("parents", {}).values()) != list(parents.values()):
        return None
    names = {"key": job.key, **job.axes, "baseline": job.baseline, "run": job.run}
    meta = {**meta, **names, "parents": dict(parents), "recalled": True}
    path = output.model_file(job)
    commit(path, read_whole(source)[1], accuracy=header.accuracy, train_time=header.train_time, metadata=meta)
    if job.role.is_network:
        with contextlib.suppress(EnvironmentProblem):  # they can be made again
            predictions.copy(_predictions(source), output.predictions_file(job.key), job.key, str(header.weights))
    return header
