"""Fetches from a mirror what an output lacks: on an empty machine everything that is of use there."""

from __future__ import annotations

import contextlib
import shutil
import uuid
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import TypeVar

from hpmkd.errors import NotInMirror
from hpmkd.files import TEMP_PREFIX, move
from hpmkd.mirror.claim import NAME as CLAIM
from hpmkd.mirror.contents import is_for_all, is_of_plan
from hpmkd.mirror.known import Known
from hpmkd.mirror.remote import Remote
from hpmkd.mirror.retries import patiently
from hpmkd.plan.job import Job
from hpmkd.store.inspection import Finding, inspect_job
from hpmkd.store.output_dir import EPOCH_FILE, EPOCH_META, OutputDir, trial_folder
from hpmkd.store.sidecar import sidecar_path

_SIDE_BY_SIDE = 8
PATIENCE_SECONDS = 120.0
T = TypeVar("T")
U = TypeVar("U")


def fetch_plan(remote: Remote, output: OutputDir, programme_file: str) -> bool:
    """What a sweep, or a programme of several, cannot be continued without; whether there was any.

    Only where the output has no plan of its own.
    """
    if output.config_file.exists() or (output.root / programme_file).exists():
        return False
    there = _names(remote)
    wanted = [name for name in there if is_of_plan(name) or name == programme_file]
    last = output.config_file.name
    if not {last, programme_file} & set(wanted):
        return False
    # With it the plan counts as there; so it comes last.
    _fetch_all(remote, output, sorted(wanted, key=lambda name: name in (last, programme_file)))
    return True


class Download:
    """What is fetched for one output.

    Args:
        output: the sweep's folder.
        remote: its mirror.
        known: notes what is the same on both sides.
    """

    def __init__(self, output: OutputDir, remote: Remote, known: Known) -> None:
        self.output, self.remote, self.known = output, remote, known
        self.there = _names(remote)

    def records(self) -> int:
        """The plan, curves, predictions and their like, as far as they are missing here; how many were fetched."""
        lacking = [name for name in self.there if is_for_all(name) and not (self.output.root / name).exists()]
        self._noted(_fetch_all(self.remote, self.output, lacking))
        return len(lacking)

    def everything(self) -> int:
        """Whatever lies there and not here; how many files were fetched."""
        lacking = [name for name in self.there if name != CLAIM and not (self.output.root / name).exists()]
        self._noted(_fetch_all(self.remote, self.output, lacking))
        return len(lacking)

    def results(self, jobs: Sequence[Job]) -> list[Finding]:
        """Files of jobs that are not here, where the mirror has good ones; what they are worth."""
        wanted = [job for job in jobs if f"models/{job.file_name}" in self.there]
        return [found for found in _side_by_side(self._result, wanted) if found is not None]

    def epochs(self, jobs: Iterable[Job]) -> int:
        """Saved epochs of jobs that are not finished; how many were fetched."""
        mine = {trial_folder(job) for job in jobs}
        folders = {
            str(PurePosixPath(name).parent)
            for name in self.there
            if PurePosixPath(name).name == EPOCH_META and _trial(name) in mine
        }
        lacking = [folder for folder in sorted(folders) if not (self.output.root / folder / EPOCH_META).exists()]
        return sum(_side_by_side(self._epoch, lacking))

    def _result(self, job: Job) -> Finding | None:
        """Fetches it to a place of its own, and gives it its name only if it is what the job would make."""
        aside = OutputDir(self.output.root / f"{TEMP_PREFIX}mirror-{uuid.uuid4().hex[:8]}")
        file, target = aside.model_file(job), self.output.model_file(job)
        try:
            for path in (sidecar_path(file), file):
                with contextlib.suppress(NotInMirror):
                    patiently(lambda path=path: self.remote.get(f"models/{path.name}", path), PATIENCE_SECONDS)  # type: ignore[misc]
            found = inspect_job(job, aside)
            if not found.good:
                return None
            for path in (sidecar_path(file), file):
                if path.exists():
                    sidecar_path(target).unlink(missing_ok=True) if path != file else None
                    move(path, target.with_name(path.name))
        finally:
            shutil.rmtree(aside.root, ignore_errors=True)
        self._noted([f"models/{path.name}" for path in (target, sidecar_path(target))])
        return found

    def _epoch(self, folder: str) -> bool:
        names = [f"{folder}/{EPOCH_FILE}", f"{folder}/{EPOCH_META}"]
        try:
            fetched = [_fetch(self.remote, self.output, name) for name in names]
        except NotInMirror:  # one that was being replaced when the machine was lost
            return False
        self._noted(fetched)
        return True

    def _noted(self, names: Collection[str]) -> None:
        for name in names:
            with contextlib.suppress(OSError):
                at = (self.output.root / name).stat()
                self.known.add(name, (at.st_size, at.st_mtime_ns))


def _trial(name: str) -> str:
    """`tune/round000/TRIAL/checkpoint_000000/epoch.json`"""
    parts = PurePosixPath(name).parts
    return parts[2] if len(parts) == 5 else ""


def _names(remote: Remote) -> dict[str, int]:
    """Of what lies there, with sizes; nothing whose name leads out of the output."""
    found = patiently(remote.names, PATIENCE_SECONDS)
    return {name: size for name, size in found.items() if ".." not in PurePosixPath(name).parts}


def _fetch(remote: Remote, output: OutputDir, name: str) -> str:
    patiently(lambda: remote.get(name, Path(output.root, name)), PATIENCE_SECONDS)
    return name


def _fetch_all(remote: Remote, output: OutputDir, names: Sequence[str]) -> list[str]:
    return _side_by_side(lambda name: _fetch(remote, output, name), names)


def _side_by_side(work: Callable[[T], U], things: Sequence[T]) -> list[U]:
    with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        return list(pool.map(work, things))
