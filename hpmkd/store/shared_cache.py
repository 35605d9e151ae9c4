"""Shared memory: finished teachers, assistants and searches, shared by all sweeps and found by fingerprint.

An entry's address is the job's fingerprint (recipe and parents) with the kind of device: the same recipe gives other
bits on a GPU than on a CPU. What is taken out is verified, and its parents must have
exactly the weights here that it was trained from.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hpmkd.errors import HpmkdError
from hpmkd.files import commit_bytes
from hpmkd.plan.job import Job
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.result_file import commit, read_whole, verify
from hpmkd.store.sidecar import Header


def entry(folder: Path, job: Job, device: str) -> Path:
    """Where a job's result is kept."""
    return folder / f"{job.fingerprint}-{device}{Path(job.file_name).suffix}"


def keep(folder: Path, job: Job, output: OutputDir, device: str) -> None:
    """Puts a finished job's file into the memory; one that is there already stays."""
    target = entry(folder, job, device)
    try:
        verify(target)
    except (OSError, HpmkdError):
        commit_bytes(target, output.model_file(job).read_bytes())
        verify(target)


def recall(folder: Path, job: Job, output: OutputDir, device: str, parents: Mapping[str, str]) -> Header | None:
    """Writes the job's file from the memory, under the name it has here; None where there is none that fits.

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
    return header
