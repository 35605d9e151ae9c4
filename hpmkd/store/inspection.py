"""What a file is worth."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hpmkd.errors import DamagedModel
from hpmkd.plan.job import Job, differences
from hpmkd.store.model_file import check, verify
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.search_file import verify_search
from hpmkd.store.sidecar import Header, read_sidecar, sidecar_path

State = Literal["done", "missing", "damaged", "stale"]


class MissingSidecar(DamagedModel):
    """There is a file, but no sidecar that can be read; only a full verification can tell what it is."""


def quick_check(path: Path) -> Header:
    """The header of a model file that looks whole; `verify` is what makes sure.

    Raises:
        DamagedModel: it has another size than was written; MissingSidecar: there is none that can be read.
        FileNotFoundError: it is not there.
    """
    if path.suffix == ".json":
        return verify_search(path)
    size = path.stat().st_size
    header = read_sidecar(path)
    if header is None:
        raise MissingSidecar(
            str(path), expected=f"its sidecar {sidecar_path(path).name}", found="none that can be read"
        )
    if size != header.size:
        raise DamagedModel(str(path), expected=f"{header.size:,} bytes", found=f"{size:,} bytes (truncated?)")
    return header


@dataclass(frozen=True)
class Finding:
    """What lies under a job's file name. `header` is there for done and stale files."""

    job: Job
    state: State
    reason: str = ""
    header: Header | None = None


def inspect(job: Job, output: OutputDir, repair: bool = True) -> Finding:
    """Verifies one model file against its job; parents' files are not looked at.

    Args:
        job: what should lie there.
        output: where.
        repair: write a sidecar that is missing or wrong; if not, nothing on disk changes.

    Raises:
        EnvironmentProblem: the disk does not answer.
    """
    path = output.model_file(job)
    try:
        header = verify(path) if repair else check(path)
    except FileNotFoundError:
        return Finding(job, "missing")
    except DamagedModel as error:
        return Finding(job, "damaged", f"{error.found}, expected {error.expected}")
    return judge(job, header)


def judge(job: Job, header: Header) -> Finding:
    """Whether a whole model file is the one that `job` would make; parents' weights are not looked at."""
    meta = header.metadata
    if meta.get("key") != job.key:
        return Finding(job, "damaged", f"holds another model: {meta.get('key', 'not one of a sweep')}")
    if meta.get("fingerprint") != job.fingerprint:
        if job.role == "logits":
            return Finding(job, "missing")  # it is derived, so it is made again, whatever it was made of
        changed = differences(meta.get("recipe", {}), job.recipe())
        return Finding(job, "stale", "; ".join(changed) or "its teacher's settings changed", header)
    return Finding(job, "done", header=header)


def readers() -> ThreadPoolExecutor:
    """Threads that read and hash files; both leave Python's lock free, so they fill all cores."""
    return ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1))


def learnt_from_stale(name: str) -> str:
    """The reason of a model whose parent is stale: once that is trained again, it has other weights."""
    return f"learnt from {name}, which is stale"
