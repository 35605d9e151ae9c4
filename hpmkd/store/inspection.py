"""Checks whether a file is valid, for all callers, at one of three depths.

`size`: the sidecar and the file's size (`hpmkd status`, fast for thousands of files). `hash`: every byte, against the
sidecar (each start of a sweep, each trial). `content`: the file read from within (`hpmkd verify`, `hpmkd show`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

from hpmkd.errors import DamagedModel, EnvironmentProblem
from hpmkd.files import system_words
from hpmkd.plan.job import Job, differences
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.result_file import check, examine, handler_of, load, verify
from hpmkd.store.sidecar import Header, read_sidecar

State = Literal["good", "missing", "unchecked", "damaged", "stale", "unreadable"]
Depth = Literal["size", "hash", "content"]
T = TypeVar("T")
U = TypeVar("U")
_LARGE = 2**20
NO_SIDECAR = "no sidecar of its own; the next start of the sweep writes it"


@dataclass(frozen=True)
class Finding:
    """What one file is worth.

    Args:
        file: its name.
        state: `good`; `missing`; `unchecked` (no sidecar: only its bytes could tell, and they were not asked for);
            `damaged`; `stale` (intact, but trained with other settings or from other parent weights); `unreadable`
            (the disk does not answer).
        reason: why it is not good.
        header: of a whole file, and of one that is another model's.
        job: the planned one of that name, where there is one.
        notes: worth knowing, and no fault.
        measured_pct: its test accuracy measured again, if that was asked for.
    """

    file: str
    state: State
    reason: str = ""
    header: Header | None = None
    job: Job | None = None
    notes: tuple[str, ...] = ()
    measured_pct: float | None = None

    @property
    def good(self) -> bool:
        """Whether it needs not to be made again."""
        return self.state == "good"

    @property
    def key(self) -> str:
        """The key of the job that the file is named after."""
        return self.file.rpartition(".")[0]

    def note(self, *texts: str) -> Finding:
        """The same with more notes."""
        return replace(self, notes=(*self.notes, *texts))


def inspect(path: Path, depth: Depth, repair: bool = False) -> Finding:
    """One file by itself: whether it is whole, and what its name says.

    Args:
        path: of the file.
        depth: how closely to look.
        repair: at depth `hash`, write a sidecar that is missing or wrong; else nothing on disk changes.

    Raises:
        EnvironmentProblem: at depth `hash`, the disk does not answer.
    """
    try:
        if depth == "size":
            return _by_size(path)
        if depth == "hash":
            return _named(path, verify(path) if repair else check(path))
        header, _, known = examine(path)
        finding = _named(path, header)
        return finding if known or not finding.good else finding.note(NO_SIDECAR)
    except (DamagedModel, FileNotFoundError) as error:
        return _not_good(path, error)
    except EnvironmentProblem as error:
        if depth == "hash":
            raise
        return Finding(path.name, "unreadable", str(error.found))
    except OSError as error:
        if depth == "hash":
            raise
        return Finding(path.name, "unreadable", system_words(error))


def _not_good(path: Path, error: DamagedModel | FileNotFoundError) -> Finding:
    if isinstance(error, DamagedModel):
        return Finding(path.name, "damaged", f"{error.found}, expected {error.expected}")
    return Finding(path.name, "missing")


def _by_size(path: Path) -> Finding:
    if not handler_of(path).has_sidecar:
        return _named(path, check(path))
    size = path.stat().st_size
    header = read_sidecar(path)
    if header is None:
        return Finding(path.name, "unchecked", "no sidecar that can be read")
    if size != header.size:
        return Finding(path.name, "damaged", f"{size:,} bytes (truncated?), expected {header.size:,} bytes")
    return _named(path, header)


def _named(path: Path, header: Header) -> Finding:
    """A whole file: whether it is the one that its name says."""
    key = header.metadata.get("key")
    if key is None:
        return Finding(path.name, "good", header=header, notes=("was not saved by a sweep",))
    if key != path.stem:
        return Finding(path.name, "damaged", f"holds another model: {key}", header)
    return Finding(path.name, "good", header=header)


def judge(finding: Finding, job: Job) -> Finding:
    """A file by itself -> against its job: whether it is what the job would make; parents' files are not looked at."""
    header = finding.header
    finding = replace(finding, job=job)
    if not finding.good or header is None:
        return finding
    meta = header.metadata
    if meta.get("key") != job.key:
        return replace(finding, state="damaged", reason="holds another model: not one of a sweep", notes=())
    if meta.get("fingerprint") == job.fingerprint:
        return finding
    if job.role.is_rebuildable:
        return Finding(finding.file, "missing", job=job)  # it is made again, whatever it was made of
    changed = differences(meta.get("recipe", {}), job.recipe())
    return replace(finding, state="stale", reason="; ".join(changed) or "its teacher's settings changed")


def inspect_job(job: Job, output: OutputDir, repair: bool = True, depth: Depth = "hash") -> Finding:
    """`inspect` and `judge`: the file of a job, against that job."""
    return judge(inspect(output.model_file(job), depth, repair), job)


def open_job(job: Job, output: OutputDir) -> tuple[Finding, Any]:
    """The file of a job against that job, and what it holds (see `result_file.load`): the file is read once.

    Raises:
        EnvironmentProblem: the disk does not answer.
    """
    path = output.model_file(job)
    try:
        header, content = load(path)
    except (DamagedModel, FileNotFoundError) as error:
        return judge(_not_good(path, error), job), None
    return judge(_named(path, header), job), content


def side_by_side(look: Callable[[T], U], things: Iterable[T], file: Callable[[T], Path]) -> list[U]:
    """`look` at the file of each, in their order; at large ones by threads, since reading and hashing leave Python's
    lock free. What is done for a small one hardly does: threads would wait for each other."""
    found: list[U | Future[U]] = []
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        for one in things:
            found.append(pool.submit(look, one) if _size(file(one)) >= _LARGE else look(one))
        return [one.result() if isinstance(one, Future) else one for one in found]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
