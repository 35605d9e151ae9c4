"""Expands Tune's grid in dependency order: a student is suggested when its teacher's file verifies."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from ray.tune import Callback
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler
from ray.tune.search import Searcher

from hpmkd.files import commit_json
from hpmkd.plan.job import Job
from hpmkd.plan.roles import Role
from hpmkd.plan.schedule import heights, may_run_beside

ACTIVE: JobQueue | None = None


class JobQueue:
    """What the driver knows of the running round. The searcher reaches it through `ACTIVE`, not as a field.

    Tune pickles the searcher into the output; a path inside it would break a moved output.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        done: set[str],
        check: Callable[[Job], bool],
        concurrent: int,
        held: Collection[str] = (),
    ) -> None:
        self.jobs = {job.key: job for job in jobs}
        self.done, self.check, self.concurrent = set(done), check, concurrent
        self.height = heights(jobs)
        self.given: set[str] = set(held)
        self.stopping = False
        self.live: dict[str, str] = {}
        self.waiting: list[Job] | None = None

    def choose(self, grid: Mapping[str, Sequence[Any]]) -> list[Job]:
        """What is still to be given, longest path first: the grid's jobs, their ancestors, and each data set's
        teacher, which retention is measured against. Made once; the callers take out what they meet that is over."""
        if self.waiting is None:
            keys: set[str] = set()
            for job in reversed(list(self.jobs.values())):
                in_grid = job.baseline in grid["baseline"] and job.run in grid["run"]
                if (job.data.name in grid["dataset"] and (in_grid or job.role is Role.TEACHER)) or job.key in keys:
                    keys |= {job.key, *(parent.key for parent in job.parents)}
            wanted = [job for job in self.jobs.values() if job.key in keys]
            self.waiting = sorted(wanted, key=lambda job: -self.height[job.key])
        return self.waiting

    def ready(self, job: Job) -> bool:
        """Whether its parents are there, and nothing runs that it must wait for."""
        live = (self.jobs[key] for key in self.live.values())
        return all(parent.key in self.done for parent in job.parents) and may_run_beside(job, live)

    def finished(self, trial_id: str) -> None:
        """A trial ended: its place is free; its file, not its result, decides whether the job is done."""
        key = self.live.pop(trial_id, None)
        if key in self.jobs and self.check(self.jobs[key]):
            self.done.add(key)


class QueueSync(Callback):
    """Keeps the board true to Tune's trials, which after a restore need not be those that the searcher had given."""

    def __init__(self) -> None:
        self.seen = 0
        self.open: list[Any] = []

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Before Tune asks for more trials. Tune only ever appends to its list: thousands are not read at each step."""
        if ACTIVE is not None:
            new, self.seen = trials[self.seen :], len(trials)
            ACTIVE.given |= {trial.config["job"] for trial in new}
            self.open = [trial for trial in [*self.open, *new] if not trial.is_finished()]
            ACTIVE.live = {trial.trial_id: trial.config["job"] for trial in self.open}


class DependencySearcher(Searcher):
    """Turns the grid `dataset x baseline x run` into jobs, parents included, and hands out those that are ready."""

    def __init__(self) -> None:
        super().__init__()
        self.grid: dict[str, list[Any]] = {}

    def set_search_properties(
        self, metric: str | None, mode: str | None, config: Mapping[str, Any], **spec: Any
    ) -> bool:
        """Takes the grid from Tune, which would copy it for each trial: a thousand runs, a thousand times."""
        self.grid = {name: value["grid_search"] for name, value in config.items()}
        for value in config.values():
            value["grid_search"] = []
        return True

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # type: ignore[override]
        """The next ready job; None while it must wait and something runs; FINISHED otherwise."""
        board = ACTIVE
        if board is None:
            return str(Searcher.FINISHED)
        if board.stopping or len(board.live) >= board.concurrent:
            return None
        waiting = board.choose(self.grid)
        place = 0
        while place < len(waiting):
            job = waiting[place]
            if job.key in board.done or job.key in board.given:
                del waiting[place]
            elif board.ready(job):
                del waiting[place]
                board.given.add(job.key)
                board.live[trial_id] = job.key
                return {
                    "job": job.key, "dataset": job.data.name, "baseline": job.baseline or "Teacher", "run": job.run or 0
                }  # fmt: skip
            else:
                place += 1
        # None with nothing running would wait for ever; what is left descends from a failed job.
        return None if waiting and board.live else str(Searcher.FINISHED)

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Tells the board."""
        if ACTIVE is not None:
            ACTIVE.finished(trial_id)

    def save(self, checkpoint_path: str) -> None:
        """State for `Tuner.restore`: the grid. What runs is Tune's own knowledge, see `QueueSync`."""
        commit_json(Path(checkpoint_path), {"grid": self.grid})

    def restore(self, checkpoint_path: str) -> None:
        """Reads what `save` wrote."""
        self.grid = json.loads(Path(checkpoint_path).read_text())["grid"]


class FifoScheduler(FIFOScheduler):
    """Runs trials in the order in which they came, as its base class does, which reads all trials at each step."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._open: list[Trial] = []

    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:
        """A new trial, one of a restored round, or, once more, one that starts again after a failure."""
        if trial not in self._open:
            self._open.append(trial)

    def choose_trial_to_run(self, tune_controller: Any) -> Trial | None:
        """The oldest that waits for a worker, else the oldest that was paused."""
        self._open = [trial for trial in self._open if not trial.is_finished()]
        for status in (Trial.PENDING, Trial.PAUSED):
            for trial in self._open:
                if trial.status == status:
                    return trial
        return None
