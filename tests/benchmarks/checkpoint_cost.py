"""What do checkpoints cost? Trains the same model with and without them, in turns, in one process.

    python tests/benchmarks/checkpoint_cost.py                               # Digits, quick settings
    python tests/benchmarks/checkpoint_cost.py --mode full --datasets MNIST --data-dir ~/data --student-epochs 5
    python tests/benchmarks/checkpoint_cost.py --within 2 --student-epochs 1   # within epochs, every 2 s

takes every flag of run_sweep.py, and `--within SECONDS` first: within epochs, too, but not more often than that (a
sweep does so once a minute). The teacher of the first data set is trained once; then, `PAIRS` times, the first
student with a teacher is trained with checkpoints (saved, then copied as Ray Tune copies them, whenever the schedule
of a sweep says that one is due) and without. Printed: seconds per run, saves, the part of the time spent on them, and
the ratio of the two times.
"""

from __future__ import annotations

import json
import math
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from hpmkd.cli.parser import parse
from hpmkd.config.sweep import SweepConfig
from hpmkd.data.cache import describe
from hpmkd.plan.catalog import baselines_of
from hpmkd.plan.job import Job
from hpmkd.plan.planner import expand
from hpmkd.store.epoch_checkpoint import SaveSchedule
from hpmkd.store.output_dir import OutputDir
from hpmkd.sweep.pauses import Pauses
from hpmkd.sweep.resolution import resolve
from hpmkd.training.trial import SavableEpoch, SavableSteps, run_job

PAIRS = 5


def train(
    job: Job, config: SweepConfig, output: OutputDir, checkpoints: bool, within: float = math.inf
) -> dict[str, float]:
    """Trains a job from its seed; seconds in all and in saves, and how many saves there were."""
    output.model_file(job).unlink(missing_ok=True)
    shutil.rmtree(output.tune, ignore_errors=True)
    schedule = SaveSchedule(config.record.checkpoint_overhead)
    pauses, spent = Pauses(schedule, output.stop_file, within), list[float]()

    def keep(save: Callable[[Path], None]) -> None:
        before = time.perf_counter()
        with tempfile.TemporaryDirectory(prefix="checkpoint-") as folder:
            save(Path(folder))
            shutil.copytree(folder, output.tune / f"checkpoint_{len(spent):06d}")
        spent.append(time.perf_counter() - before)
        schedule.saved(spent[-1])

    def pause(paused: Callable[[], SavableSteps]) -> None:
        if pauses.due():
            keep(paused().save)

    start, asked = time.perf_counter(), pause if checkpoints and within < math.inf else None
    for event in run_job(job, output, config.data, torch.device("cpu"), pause=asked):
        if checkpoints and isinstance(event, SavableEpoch):
            result = event.event.result
            if result.epoch < result.of and schedule.due():
                keep(event.save)
    return {"seconds": time.perf_counter() - start, "save_seconds": sum(spent), "saves": len(spent)}


def main(words: list[str]) -> int:
    """Prints one JSON line per run, and one at the end."""
    within = math.inf
    if words[:1] == ["--within"]:
        within, words = float(words[1]), words[2:]
    config, _ = resolve(parse(words, "checkpoint_cost.py"))
    jobs = expand(config, describe(config), baselines_of(config))
    student = next(job for job in jobs if job.role == "student" and len(job.parents) == 1)
    with tempfile.TemporaryDirectory(prefix="checkpoint-cost-") as folder:
        output = OutputDir(Path(folder))
        for job in student.ancestors():
            list(run_job(job, output, config.data, torch.device("cpu")))
        train(student, config, output, False)  # caches of images and of the allocator
        runs: dict[bool, list[dict[str, float]]] = {True: [], False: []}
        for pair in range(PAIRS):
            for checkpoints in (True, False) if pair % 2 else (False, True):
                run = train(student, config, output, checkpoints, within)
                runs[checkpoints].append(run)
                print(json.dumps({"checkpoints": checkpoints, **run}), flush=True)
    part = [run["save_seconds"] / run["seconds"] for run in runs[True]]
    ratio = [one["seconds"] / other["seconds"] for one, other in zip(runs[True], runs[False], strict=True)]
    summary = {"model": student.key, "allowed_part": config.record.checkpoint_overhead, "saves": runs[True][0]["saves"]}
    summary |= {"part_of_time": round(statistics.median(part), 4), "time_ratio": round(statistics.median(ratio), 4)}
    print(json.dumps(summary))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
