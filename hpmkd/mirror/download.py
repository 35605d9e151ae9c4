"""Fetches from a mirror what an output lacks: on an empty machine everything that is of use there."""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from hpmkd.config.from_python import flattened
from hpmkd.config.load import read_config_file
from hpmkd.errors import NotInMirror
from hpmkd.mirror.contents import curves_folder, is_for_all, is_of_plan, is_ours, predictions_names, trial_of
from hpmkd.mirror.known import Known
from hpmkd.mirror.remote import SIDE_BY_SIDE, Remote
from hpmkd.mirror.results import Get, aside, fetch_result, judged
from hpmkd.mirror.retries import patiently
from hpmkd.plan.job import Job
from hpmkd.store.inspection import Finding, inspect
from hpmkd.store.output_dir import EPOCH_FILE, EPOCH_META, OutputDir, trial_folder
from hpmkd.store.sidecar import sidecar_path

PATIENCE_SECONDS = 120.0
T = TypeVar("T")
U = TypeVar("U")


def fetch_plan(remote: Remote, output: OutputDir) -> bool:
    """What a sweep cannot be continued without; whether there was any. An output that has its own keeps it."""
    last = output.config_file.name
    there = {} if output.config_file.exists() else ours_in(remote)
    if last not in there:
        return False
    _fetch_all(remote, output, [name for name in there if is_of_plan(name) and name != last])
    _fetch_all(remote, output, [last])  # with it the plan is there
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
        self.there = ours_in(remote)

    def records(self) -> int:
        """The plan, curves, predictions and their like, as far as they are missing here; how many were fetched."""
        lacking = [name for name in self.there if is_for_all(name) and not (self.output.root / name).exists()]
        self._noted(_fetch_all(self.remote, self.output, lacking))
        return len(lacking)

    def everything(self) -> tuple[int, list[str]]:
        """Whatever lies there and not here: how many files were fetched, and which are damaged there."""
        lacking = [name for name in self.there if not (self.output.root / name).exists()]
        self._noted(_fetch_all(self.remote, self.output, lacking))
        fetched = {self.output.root / name for name in lacking}
        damaged = [
            path for path in self.output.model_files() if path in fetched and inspect(path, "hash").state == "damaged"
        ]
        for path in damaged:
            path.unlink()
        return len(lacking) - len(damaged), [path.name for path in damaged]

    def results(self, jobs: Sequence[Job]) -> list[Finding]:
        """Fetches files of jobs that are not here, where the mirror has whole ones; what they are worth.

        One of other settings is fetched, too: it is judged here like any that was here before.
        """
        wanted = [job for job in jobs if f"models/{job.file_name}" in self.there]
        return [found for found in _side_by_side(self._result, wanted) if found.state in ("good", "stale")]

    def made_elsewhere(self, job: Job) -> Finding:
        """Fetches what a worker has made that does not see this output; what it is worth."""
        over = threading.Event()
        found = self._result(job, over)
        if found.good:
            names = [*predictions_names(job.key), *patiently(lambda: self._curves(job), PATIENCE_SECONDS)]
            for name in names:
                with contextlib.suppress(NotInMirror):  # answers that were not to be kept
                    _get(self.remote, name, self.output.root / name, over)
            self._noted(names)
        return found

    def _curves(self, job: Job) -> list[str]:
        return list(self.remote.names(curves_folder(job.key)))

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
        with aside(self.output) as place:
            _get(self.remote, name, place.config_file, threading.Event())
            return flattened(read_config_file(place.config_file))

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

    def _result(self, job: Job, over: threading.Event) -> Finding:
        found = fetch_result(self._get(over), job, self.output)
        if found.state in ("good", "stale"):
            target = self.output.model_file(job)
            self._noted([f"models/{path.name}" for path in (target, sidecar_path(target))])
        return found

    def _judged(self, job: Job, over: threading.Event) -> Finding:
        with aside(self.output) as place:
            return judged(self._get(over), job, place)

    def _get(self, over: threading.Event) -> Get:
        return functools.partial(_get, self.remote, over=over)

    def _epoch(self, folder: str, over: threading.Event) -> bool:
        names = [f"{folder}/{EPOCH_FILE}", f"{folder}/{EPOCH_META}"]
        try:
            for name in names:
                _get(self.remote, name, self.output.root / name, over)
        except NotInMirror:  # one that was being replaced when the machine was lost
            return False
        self._noted(names)
        return True

    def _noted(self, names: Collection[str]) -> None:
        for name in names:
            with contextlib.suppress(OSError):
                at = (self.output.root / name).stat()
                self.known.add(name, (at.st_size, at.st_mtime_ns))


def ours_in(remote: Remote) -> dict[str, int]:
    """What a sweep has copied there, with sizes."""
    found = patiently(remote.names, PATIENCE_SECONDS)
    return {name: size for name, size in found.items() if is_ours(name)}


def _fetch_all(remote: Remote, output: OutputDir, names: Sequence[str]) -> list[str]:
    _side_by_side(lambda name, over: _get(remote, name, Path(output.root, name), over), names)
    return list(names)


def _get(remote: Remote, name: str, path: Path, over: threading.Event) -> None:
    patiently(functools.partial(remote.get, name, path), PATIENCE_SECONDS, over)


def _side_by_side(work: Callable[[T, threading.Event], U], things: Sequence[T]) -> list[U]:
    """What `work` makes of each; its second argument is set when nothing more is to be tried, as after Ctrl-C."""
    over, pool = threading.Event(), ThreadPoolExecutor(SIDE_BY_SIDE)
    try:
        return [one.result() for one in [pool.submit(work, thing, over) for thing in things]]
    finally:
        over.set()
        pool.shutdown(wait=False, cancel_futures=True)
