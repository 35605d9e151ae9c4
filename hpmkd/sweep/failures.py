"""Failed jobs: why they failed, and when they are tried again (at the end, with more memory each, finally alone)."""

from __future__ import annotations

import contextlib
import errno
import re
import shutil
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import ray
from ray import cloudpickle

from hpmkd.errors import EXIT_ENVIRONMENT, EXIT_SOME_FAILED, Diverged, EnvironmentProblem, HpmkdError
from hpmkd.plan.job import Job
from hpmkd.sweep.gpu_errors import NEIGHBOUR, neighbour_may_be_why, retry_with_more

# `machine`: a full disk, no permission; `waits`: the job was not tried, because a parent of it has no file.
Kind = Literal["killed", "error", "machine", "diverged", "waits"]
# How many rounds may try a job. More memory helps against a lack of it alone; a loss that is not finite stays so.
TRIES: dict[Kind, int] = {"killed": 3, "error": 2, "machine": 2, "diverged": 1}
_MACHINE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EACCES, errno.EPERM, errno.ESTALE, errno.ENOTCONN)
# Ray's own words, in an error of fifty lines.
_LOW_MEMORY, _MEMORY_USED = (
    "running low on memory",
    re.compile(r"Memory on the node .*? was ([\d.]+.?B) used / ([\d.]+.?B)"),
)


@dataclass(frozen=True)
class Failure:
    """Why a job has no file: what kind of failure, the reason for people, and the file that holds the whole error."""

    kind: Kind
    reason: str
    log: str | None = None

    def __str__(self) -> str:
        return self.reason if self.log is None else f"{self.reason}\n    full error: {self.log}"


def exit_code(failures: Iterable[Failure]) -> int:
    """The exit code of a sweep with these failures: 3 if one of them is the machine's, else 1."""
    return EXIT_ENVIRONMENT if any(one.kind == "machine" for one in failures) else EXIT_SOME_FAILED


def kind_of(error: BaseException) -> Kind:
    """`killed`: the process died, memory (the machine's or the GPU's) ran out, or the GPU was taken or in a fault that
    may be a neighbour's; `machine`: its disk is full, or it gives no permission; `diverged`: it would again; `error`:
    anything else."""
    if isinstance(error, Diverged):
        return "diverged"
    if isinstance(error, MemoryError) or any(one.__name__ == "OutOfMemoryError" for one in type(error).__mro__):
        return "killed"
    if isinstance(error, ray.exceptions.RayError) and not isinstance(error, ray.exceptions.RayTaskError):
        return "killed"
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        return "killed"
    if retry_with_more(error):
        return "killed"
    # Tune copies checkpoints itself, and meets a full disk as often as we do.
    if isinstance(error, EnvironmentProblem) or (isinstance(error, OSError) and error.errno in _MACHINE):
        return "machine"
    if _no_addresses(error):
        return "machine"
    return "error"


@dataclass(frozen=True)
class Round:
    """The jobs of the next round; `attempt` counts from 0, `stopped` the rounds that were stopped."""

    keys: frozenset[str]
    attempt: int
    stopped: int = 0

    def concurrent(self, most: int) -> int:
        """Trials side by side: all that fit, then half as many, then one; and half as many after each stopped round."""
        return max(1, (most, most // 2, 1)[min(self.attempt, 2)] >> self.stopped)


class Attempts:
    """How often each job has failed, and how."""

    def __init__(self) -> None:
        self.failures: dict[str, list[Kind]] = {}
        self.stopped = 0

    def failed(self, key: str, kind: Kind) -> None:
        """Notes that a round tried the job and it failed."""
        self.failures.setdefault(key, []).append(kind)

    def round_stopped(self) -> None:
        """Notes that a whole round was stopped by an error: what runs side by side may be too much."""
        self.stopped += 1

    def given_up(self, key: str) -> bool:
        """Whether it has had all its tries: as many as its last failure allows."""
        kinds = self.failures.get(key)
        return bool(kinds) and len(kinds or ()) >= TRIES[(kinds or ["error"])[-1]]

    def next_round(self, jobs: Sequence[Job], done: Collection[str]) -> Round | None:
        """What to try now: all that never failed, at the end those that did; None where nothing is left to try.

        Args:
            jobs: the plan, parents first.
            done: keys of the jobs whose files are there.
        """
        attempt: dict[str, int] = {}
        lost: set[str] = set()
        for job in jobs:
            if job.key in done:
                continue
            if self.given_up(job.key) or any(parent.key in lost for parent in job.parents):
                lost.add(job.key)
                continue
            waits = [attempt[parent.key] for parent in job.parents if parent.key in attempt]
            attempt[job.key] = max([len(self.failures.get(job.key, ())), *waits])
        if not attempt:
            return None
        lowest = min(attempt.values())
        # What waits for a job that failed has its turn, with the full share again, when that one is there.
        chosen = {key for key, count in attempt.items() if count == lowest and self._own(key) == count}
        return Round(frozenset(chosen), lowest, self.stopped)

    def _own(self, key: str) -> int:
        return len(self.failures.get(key, ()))


def failure_of(trial: Any, before: Failure | None = None) -> Failure:
    """Why a trial failed. `before`: the last failure of the same job, if there was one."""
    error = error_of(trial)
    # A disk that is full tears the record of the second failure too; the first reason is then the best known.
    if isinstance(error, NoRecord) and before is not None and before.kind == "machine":
        return replace(before, log=_log(trial))
    return Failure(kind_of(error), first_line(error), _log(trial))


def failure_of_round(error: BaseException, log: Path | None) -> Failure:
    """Why a round was stopped, for all trials that ran in it: Ray's own error, where Tune has wrapped one.

    Which of them has caused it is unknown, and all of them were ended: they are tried again like killed ones.
    """
    cause = error.__cause__
    root = cause if isinstance(cause, ray.exceptions.RayError) else error
    kind: Kind = "machine" if kind_of(root) == "machine" else "killed"
    return Failure(kind, first_line(root), None if log is None else str(log))


def reason_of(trial: Any) -> str:
    """Why a trial failed, in words that a user can act on."""
    return first_line(error_of(trial))


def error_of(trial: Any) -> BaseException:
    """What the trial raised, or what Ray says of its death."""
    error: Any = None
    with contextlib.suppress(Exception):
        error = trial.get_pickled_error()
    if error is None:
        # On a full disk Tune's record in the output is torn; the one that it was copied from lies beside Ray's logs.
        with contextlib.suppress(Exception):
            error = cloudpickle.loads(Path(trial.pickled_error_file).read_bytes())
    return getattr(error, "cause", None) or error or _from_text(trial)


def _from_text(trial: Any) -> BaseException:
    """What Tune's text says of an error that it has not pickled: one of Ray that is neither a task's nor an actor's."""
    text = ""
    with contextlib.suppress(Exception):
        text = Path(trial.error_file).read_text().rpartition("(occurred at ")[2].partition("\n")[2]
    if _LOW_MEMORY in text:
        return ray.exceptions.OutOfMemoryError(text)
    return NoRecord(next(iter(text.splitlines()), "") or "it left no readable error")


class NoRecord(RuntimeError):
    """A trial failed, and Tune kept no readable error of it."""


def first_line(error: BaseException) -> str:
    """What a user can act on: our own errors as they are, of others the type and the first line, and who may be why."""
    if isinstance(error, HpmkdError):
        return str(error)
    lines = [line for line in str(error).splitlines() if line.strip()]
    if isinstance(error, ray.exceptions.OutOfMemoryError):
        used = _MEMORY_USED.search(str(error))
        numbers = f": {used[1]} of {used[2]} in use" if used else ""
        return f"Ray's memory monitor ended its process, because the machine ran low on memory{numbers}"
    if isinstance(error, ray.exceptions.ActorUnavailableError):
        return "its process does not answer any more: its node has died, or cannot be reached"
    if lines and lines[0].startswith("Traceback "):
        return lines[-1]  # Tune puts the text of another error into its own
    line = f"{type(error).__name__}: {next(iter(lines), '')}"
    if _no_addresses(error):
        line += " (too little address space: raise it with ulimit -v unlimited)"
    return f"{line} ({NEIGHBOUR})" if neighbour_may_be_why(error) else line


def _no_addresses(error: BaseException) -> bool:
    """A library could not be loaded, because of a limit on the address space (`ulimit -v`)."""
    return isinstance(error, ImportError) and "failed to map segment" in str(error)


def _log(trial: Any) -> str:
    """The trial's error log in the output, where Tune puts it at once or with its next state; else its folder."""
    name = Path(trial.error_file or "error.txt").name
    kept = Path(trial.path or "") / name
    if not kept.exists() and trial.error_file and Path(trial.error_file).exists():
        with contextlib.suppress(OSError):
            shutil.copyfile(trial.error_file, kept)
    return str(kept if kept.exists() else trial.error_file or trial.path)
