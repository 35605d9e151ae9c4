"""Where the shared memory keeps a job's result. Apart from `shared_cache`, so that a look at it loads no numpy."""

from __future__ import annotations

from pathlib import Path

from hpmkd.plan.job import Job


def entry(folder: Path, job: Job, device: str) -> Path:
    """Where a job's result is kept, by the kind of device on which it was made: `cpu` or `cuda`."""
    return folder / f"{job.fingerprint}-{device}{Path(job.file_name).suffix}"
