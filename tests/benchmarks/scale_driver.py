"""The driver of a sweep without Ray: its own searcher, scheduler and callbacks, and trials that end at once."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import time
from collections import deque
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ray.tune.experiment import Trial

from hpmkd.monitor.tracker import Tracker
from hpmkd.plan.events import Finished
from hpmkd.plan.grid import grid_of
from hpmkd.plan.job import Job
from hpmkd.plan.schedule import Places
from hpmkd.store.output_dir import OutputDir
from hpmkd.sweep.callbacks import EventLog, Records, TrackerCallback, TrimMetrics
from hpmkd.sweep.reports import to_report
from hpmkd.sweep.searcher import DependencySearcher, FifoScheduler, JobQueue, QueueSync


class Stub(SimpleNamespace):
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    """As much of Tune's trial as the driver looks at."""

    def is_finished(self) -> bool:
        """As Tune's own."""
        return Trial.is_finished(self)  # type: ignore[arg-type]


def searcher_of(queue: JobQueue) -> DependencySearcher:
    """With the grid of the queue's jobs, as Tune hands it over."""
    grid = {axis: {"grid_search": values} for axis, values in grid_of(queue.jobs.values()).items()}
    searcher = DependencySearcher(queue)
    searcher.set_search_properties(None, None, grid)
    return searcher


class Driver:
    """Tune's loop, step by step as `TuneController` does it: callbacks, new trials, one event.

    Args:
        jobs: the plan.
        places: how many trials run side by side.
        folder: for the records of what was trained.
    """

    def __init__(self, jobs: tuple[Job, ...], places: int, folder: Path) -> None:
        by_key = {job.key: job for job in jobs}
        self.queue = JobQueue(jobs, set(), check=lambda job: True, places=Places.alike(places))
        self.searcher, self.scheduler = searcher_of(self.queue), FifoScheduler()
        watch = TrackerCallback(Tracker(jobs, {}), show=lambda: None)
        watch.round(
            by_key, SimpleNamespace(places=Places.alike(places), of=lambda role: SimpleNamespace(description=""))
        )  # type: ignore[arg-type]
        records = Records(by_key, OutputDir(folder))
        self.callbacks = [QueueSync(self.queue), EventLog(by_key, 1), records, TrimMetrics(), watch]
        self.places, self.trials, self.running = places, list[Any](), deque[Any]()
        self.names, self.chance = itertools.count(), random.Random(1)

    def tell(self, hook: str, **about: Any) -> None:
        """All callbacks."""
        for callback in self.callbacks:
            getattr(callback, hook)(iteration=0, trials=self.trials, **about)

    def run(self) -> int:
        """Until nothing is left; how many trials there were."""
        over = False
        while not over or self.running:
            self.tell("on_step_begin")
            over = self.fill()
            while (trial := self.scheduler.choose_trial_to_run(self)) is not None:
                trial.status = Trial.RUNNING
                self.tell("on_trial_start", trial=trial)
                self.running.append(trial)
            if self.running:
                self.end(self.running.popleft())
        return len(self.trials)

    def fill(self) -> bool:
        """Asks for trials until there is no place or nothing to give; whether there will never be more."""
        while True:
            name = f"t{next(self.names)}"
            config = self.searcher.suggest(name)
            if not isinstance(config, dict):
                return config is not None
            kept = SimpleNamespace(metric_n_steps={}, metric_analysis={})
            trial = Stub(trial_id=name, config=config, status=Trial.PENDING, run_metadata=kept)
            self.trials.append(trial)
            self.scheduler.on_trial_add(self, trial)

    def end(self, trial: Any) -> None:
        """Its one report, and its end; a step of Tune lies between both."""
        report = to_report(Finished(trial.config["job"], "trained", accuracy_pct=90.0, train_seconds=1.0))
        self.tell("on_trial_result", trial=trial, result=report)
        self.tell("on_step_begin")
        self.fill()
        trial.status = Trial.TERMINATED
        self.searcher.on_trial_complete(trial.trial_id, result=report)
        self.scheduler.on_trial_complete(self, trial, report)
        self.tell("on_trial_complete", trial=trial)


def drive(jobs: tuple[Job, ...], places: int, folder: Path) -> dict[str, float]:
    """Processor seconds of a whole sweep of trivial jobs; its lines are thrown away."""
    driver = Driver(jobs, places, folder)
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        start = time.process_time()
        given = driver.run()
        seconds = time.process_time() - start
    assert given == len(jobs), f"{given} trials of {len(jobs)} jobs"
    return {"seconds": seconds, "ms_per_trial": 1000 * seconds / given}
