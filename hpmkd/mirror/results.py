"""Fetches one finished file from a mirror: it gets its name only if it is whole, and that job's."""

from __future__ import annotations

import contextlib
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from hpmkd.errors import NotInMirror
from hpmkd.files import TEMP_PREFIX, move
from hpmkd.plan.job import Job
from hpmkd.store.inspection import Finding, inspect_job
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.sidecar import sidecar_path

Get = Callable[[str, Path], object]  # a file there, by its name, to a path here


def fetch_result(get: Get, job: Job, output: OutputDir) -> Finding:
    """Fetches it; what it is worth. Where it is not there, or damaged, nothing is changed here."""
    target = output.model_file(job)
    with aside(output) as place:
        found = judged(get, job, place)
        if found.state not in ("good", "stale"):
            return found
        file = place.model_file(job)
        for path in (sidecar_path(file), file):
            if path.exists():
                move(path, target.with_name(path.name))
    return found


def judged(get: Get, job: Job, place: OutputDir) -> Finding:
    """What lies there of a job is worth, after a copy was put into a place of its own."""
    file = place.model_file(job)
    for path in (sidecar_path(file), file):
        with contextlib.suppress(NotInMirror):
            get(f"models/{path.name}", path)
    return inspect_job(job, place)


@contextlib.contextmanager
def aside(output: OutputDir) -> Iterator[OutputDir]:
    """A place of its own in an output, for as long as the body lasts."""
    place = OutputDir(output.root / f"{TEMP_PREFIX}mirror-{uuid.uuid4().hex[:8]}")
    try:
        yield place
    finally:
        shutil.rmtree(place.root, ignore_errors=True)
