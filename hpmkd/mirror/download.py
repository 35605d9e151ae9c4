"""Fetches from a mirror what an output lacks: on an empty machine everything that is of use there."""

from __future__ import annotations

import contextlib
import functools
import shutil
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from hpmkd.config.from_python import flattened
from hpmkd.config.load import read_config_file
from hpmkd.errors import NotInMirror
from hpmkd.files import TEMP_PREFIX, move
from hpmkd.mirror.claim import NAME as CLAIM
from hpmkd.mirror.contents import is_for_all, is_of_plan, trial_of
from hpmkd.mirror.known import Known
from hpmkd.mirror.remote import SIDE_BY_SIDE, Remote
from hpmkd.mirror.retries import patiently
from hpmkd.plan.job import Job
from hpmkd.store.inspection import Finding, inspect_job
from hpmkd.store.output_dir import EPOCH_FILE, EPOCH_META, OutputDir, trial_folder
from hpmkd.store.sidecar import sidecar_path

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
    _fetch_all(remote, output, [name for name in wanted if name not in (last, programme_file)])
    _fetch_all(remote, output, [name for name in wanted if name in (last, programme_file)])  # with it the plan is there
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
        """Fetches files of jobs that are not here, where the mirror has whole ones; what they are worth.

        One of other settings is fetched, too: it is judged here like any that was here before.
        """
        wanted = [job for job in jobs if f"models/{job.file_name}" in self.there]
        return [found for found in _side_by_side(self._result, wanted) if found is not None]

    def strangers(self, jobs: Sequence[Job]) -> list[Finding]:
        """Of jobs whose files are here: those of other settings that lie there, and did not come from here."""
        names = {job.key: f"models/{job.file_name}" for job in jobs}
        unknown = [job for job in jobs if names[job.key] in self.there and names[job.key] not in self.known.versions]
        return [found for found in _side_by_side(self._judged, unknown) if found.state == "stale"]

    def plan(self) -> dict[str, Any] | None:
        """The settings in the plan there, by their keys; None: there is none, or it came from here."""
        name = self.output.config_file.name
        if name not in self.there or name in self.known.versions:
            return None
        with self._aside() as aside:
            patiently(lambda: self.remote.get(name, aside.config_file), PATIENCE_SECONDS)
            return flattened(read_config_file(aside.config_file))

    def epochs(self, jobs: Iterable[Job]) -> int:
        """Saved epochs of jobs that are not finished; how many were fetched."""
        mine = {trial_folder(job) for job in jobs}
        folders = {
            str(PurePosixPath(name).parent)
            for name in self.there
            if PurePosixPath(name).name == EPOCH_META and trial_of(name) in mine
        }
        lacking = [folder for folder in sorted(folders) if not (self.output.root / folder / EPOCH_META).exists()]
        return sum(_side_by_side(self._epoch, lacking))

    def _result(self, job: Job) -> Finding | None:
        """Fetches it to a place of its own, and gives it its name only if it is whole, and that job's."""
        target = self.output.model_file(job)
        with self._aside() as aside:
            found = self._fetched(job, aside)
            if found.state not in ("good", "stale"):
                return None
            file = aside.model_file(job)
            for path in (sidecar_path(file), file):
                if path.exists():
                    move(path, target.with_name(path.name))
        self._noted([f"models/{path.name}" for path in (target, sidecar_path(target))])
        return found

    def _judged(self, job: Job) -> Finding:
        with self._aside() as aside:
            return self._fetched(job, aside)

    def _fetched(self, job: Job, aside: OutputDir) -> Finding:
        file = aside.model_file(job)
        for path in (sidecar_path(file), file):
            with contextlib.suppress(NotInMirror):
                patiently(functools.partial(self.remote.get, f"models/{path.name}", path), PATIENCE_SECONDS)
        return inspect_job(job, aside)

    @contextlib.contextmanager
    def _aside(self) -> Iterator[OutputDir]:
        aside = OutputDir(self.output.root / f"{TEMP_PREFIX}mirror-{uuid.uuid4().hex[:8]}")
        try:
            yield aside
        finally:
            shutil.rmtree(aside.root, ignore_errors=True)

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
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        return list(pool.map(work, things))
