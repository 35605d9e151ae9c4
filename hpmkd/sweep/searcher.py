"""Expands Tune's grid in dependency order: a student is suggested when its teacher's file verifies."""

from __future__ import annotations

import contextlib
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
from hpmkd.plan.schedule import Places, heights, may_run_beside
from hpmkd.plan.waiting import Waiting
from hpmkd.store.output_dir import trial_folder
from hpmkd.sweep.reports import spoiled

_OVER = (Trial.TERMINATED, Trial.ERROR)


class JobQueue:
    """What the driver knows of the running round: which jobs there are, which are done, which run.

    Args:
        jobs: the whole plan, parents first.
        done: keys of those whose files are there.
        check: whether a job's file is there; asked when its trial has ended.
        places: how many run side by side.
        held: keys of those that this round does not make.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        done: set[str],
        check: Callable[[Job], bool],
        places: Places,
        held: Collection[str] = (),
    ) -> None:
        self.jobs = {job.key: job for job in jobs}
        self.done, self.check, self.places = set(done), check, places
        self._takes = {job.key: places.taken_by(job) for job in jobs}
        self.given: set[str] = set(held)
        self.stopping = False
        self.live: dict[str, str] = {}
        self.not_begun: set[str] = set()  # of the live trials: those for which Ray has not yet found room
        self.waiting: Waiting | None = None

    def resize(self, places: Places) -> None:
        """There is more room, or less."""
        self.places = places
        self._takes = {key: places.taken_by(job) for key, job in self.jobs.items()}

    @property
    def left(self) -> int:
        """How many jobs are still to be given."""
        return len(self.jobs.keys() - self.given - self.done)

    def choose(self, grid: Mapping[str, Sequence[Any]]) -> Waiting:
        """What is still to be given, longest path first: the grid's jobs, their ancestors, and each data set's
        teacher, which retention is measured against. Made once."""
        if self.waiting is None:
            keys: set[str] = set()
            values = {axis: set(given) for axis, given in grid.items()}
            for job in reversed(list(self.jobs.values())):
                there = all(value in values.get(axis, [value]) for axis, value in job.axes.items())
                in_grid = job.baseline in values["baseline"] and job.run in values["run"]
                if (there and in_grid) or (job.role is Role.TEACHER and _near(job, values)) or job.key in keys:
                    keys |= {job.key, *(parent.key for parent in job.parents)}
            height = heights(list(self.jobs.values()))
            wanted = [job for job in self.jobs.values() if job.key in keys]
            self.waiting = Waiting(sorted(wanted, key=lambda job: -height[job.key]), self.done)
        return self.waiting

    def next_ready(self, grid: Mapping[str, Sequence[Any]]) -> Job | None:
        """The first of them that may start; None where none may yet."""
        return self.choose(grid).first(self._is_over, self._nothing_before)

    def all_given(self, grid: Mapping[str, Sequence[Any]]) -> bool:
        """Whether all of them were given, or are there."""
        return self.choose(grid).is_empty(self._is_over)

    def _is_over(self, job: Job) -> bool:
        return job.key in self.done or job.key in self.given

    def _nothing_before(self, job: Job) -> bool:
        return may_run_beside(job, (self.jobs[key] for key in self.live.values()))

    def ready(self, job: Job) -> bool:
        """Whether its parents are there, and nothing runs that it must wait for."""
        return all(parent.key in self.done for parent in job.parents) and self._nothing_before(job)

    @property
    def full(self) -> bool:
        """Whether all places are taken."""
        return self._taken() >= self.places.total

    def fits(self, job: Job) -> bool:
        """Whether places are left for it, and nothing larger waits for room.

        There may be places and no room: a share of a GPU lies on one GPU, and what is free may lie on several. Small
        jobs would then take each bit that becomes free, and the large one would wait for the last of them.
        """
        own = self._takes[job.key]
        begins = (self.live[trial] for trial in self.not_begun if trial in self.live)
        larger = any(self._takes[key] > own for key in begins)
        return not larger and self._taken() + own <= self.places.total

    def _taken(self) -> int:
        return sum(map(self._takes.__getitem__, self.live.values()))  # of a thousand, at each step of Tune

    def finished(self, trial_id: str) -> None:
        """A trial ended: its place is free; its file, not its result, decides whether the job is done."""
        key = self.live.pop(trial_id, None)
        if key in self.jobs and self.check(self.jobs[key]):
            self.done.add(key)
            if self.waiting is not None:
                self.waiting.made(key)


class QueueSync(Callback):
    """Keeps the queue true to Tune's trials, which after a restore need not be those that the searcher had given."""

    def __init__(self, queue: JobQueue) -> None:
        self.queue, self.seen = queue, 0
        self.open: list[Any] = []

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Before Tune asks for more trials. Tune only ever appends to its list: thousands are not read at each step."""
        new, self.seen = trials[self.seen :], len(trials)
        self.queue.given |= {trial.config["job"] for trial in new}
        self.open = [trial for trial in [*self.open, *new] if trial.status not in _OVER]
        self.queue.live = {trial.trial_id: trial.config["job"] for trial in self.open}
        self.queue.not_begun = {trial.trial_id for trial in self.open if trial.status == Trial.PENDING}


class DependencySearcher(Searcher):
    """Turns the grid `dataset x condition x pair x baseline x run` into jobs with parents, and hands out ready ones.

    Tune pickles it into the output, with the grid alone: a queue with its paths would break an output that was moved.
    So a restored one gets its `queue` anew, before `fit`; without one it has nothing to give.
    """

    def __init__(self, queue: JobQueue | None = None) -> None:
        super().__init__()
        self.queue = queue
        self.grid: dict[str, list[Any]] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "queue": None}

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
        queue = self.queue
        if queue is None:
            return str(Searcher.FINISHED)
        if queue.stopping or queue.full:
            return None
        job = queue.next_ready(self.grid)
        if job is None:
            # None with nothing running would wait for ever; what is left descends from a failed job.
            return None if queue.live and not queue.all_given(self.grid) else str(Searcher.FINISHED)
        if not queue.fits(job):
            return None  # and nothing overtakes it: the longest path goes first
        queue.given.add(job.key)
        queue.live[trial_id] = job.key
        return _config_of(job)

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Tells the queue."""
        if self.queue is not None:
            self.queue.finished(trial_id)

    def save(self, checkpoint_path: str) -> None:
        """State for `Tuner.restore`: the grid. What runs is Tune's own knowledge, see `QueueSync`."""
        commit_json(Path(checkpoint_path), {"grid": self.grid})

    def restore(self, checkpoint_path: str) -> None:
        """Reads what `save` wrote."""
        self.grid = json.loads(Path(checkpoint_path).read_text())["grid"]


def _near(teacher: Job, grid: Mapping[str, Collection[Any]]) -> bool:
    """Whether it is a teacher of the grid's data and runs: several pairs may share one, and all runs may."""
    axes = ("dataset", "condition")
    mine = teacher.run is None or teacher.run in grid["run"]
    return mine and all(teacher.axes[axis] in grid.get(axis, [teacher.axes[axis]]) for axis in axes)


def _config_of(job: Job) -> dict[str, Any]:
    """A trial's config: its job, the role (which says what it gets), the name of its folder, and what people look for
    in Tune's records."""
    about = {**job.axes, "baseline": job.baseline or "Teacher", "run": job.run or 0}
    return {"job": job.key, "role": job.role.value, "folder": trial_folder(job), **about}


class FifoScheduler(FIFOScheduler):
    """Runs trials in the order in which they came, as its base class does, which reads all trials at each step.

    It is also asked last before Tune keeps the process of a finished trial for the next one.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._open: list[Trial] = []

    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:
        """A new trial, one of a restored round, or, once more, one that starts again after a failure."""
        if trial not in self._open:
            self._open.append(trial)

    def choose_trial_to_run(self, tune_controller: Any) -> Trial | None:
        """The oldest that waits for a worker, else the oldest that was paused."""
        self._open = [trial for trial in self._open if trial.status not in _OVER]
        for status in (Trial.PENDING, Trial.PAUSED):
            for trial in self._open:
                if trial.status == status:
                    return trial
        return None

    def on_trial_complete(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> None:
        """A process that is spoiled is ended with its trial. Tune keeps those for the next one that it knows to have
        been started, and has no other way to be told; without it, the next trial does without recorded steps."""
        if spoiled(result):
            with contextlib.suppress(AttributeError, KeyError):
                tune_controller._started_actors.discard(tune_controller._trial_to_actor[trial])
