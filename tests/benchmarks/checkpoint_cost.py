"""What do epoch checkpoints cost? Trains the same model with and without them, in turns, in one process.

    python tests/benchmarks/checkpoint_cost.py                               # Digits, quick settings
    python tests/benchmarks/checkpoint_cost.py --mode full --datasets MNIST --data-dir ~/data --student-epochs 5

takes every flag of run_sweep.py. The teacher of the first data set is trained once; then, `PAIRS` times, the first
student with a teacher is trained with checkpoints (saved, then copied as Ray Tune copies them, whenever the schedule
of a sweep says that one is due) and without. Printed: seconds per run, saves, the part of the time spent on them, and
the ratio of the two times.
"""

from __future__ import annotations

import json
import shutil
import statistics
import sys
import tempfile
import time
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
from hpmkd.sweep.resolution import resolve
from hpmkd.training.trial import SavableEpoch, run_job

PAIRS = 5


def train(job: Job, config: SweepConfig, output: OutputDir, checkpoints: bool) -> dict[str, float]:
    """Trains a job from its seed; seconds in all and in saves, and how many saves there were."""
    output.model_file(job).unlink(missing_ok=True)
    shutil.rmtree(output.tune, ignore_errors=True)
    schedule = SaveSchedule(config.record.checkpoint_overhead)
    spent, saves, start = 0.0, 0, time.perf_counter()
    for event in run_job(job, output, config.data, torch.device("cpu")):
        if not checkpoints or not isinstance(event, SavableEpoch):
            continue
        result = event.event.result
        if result.epoch < result.of and schedule.due():
            before = time.perf_counter()
            with tempfile.TemporaryDirectory(prefix="checkpoint-") as folder:
                event.save(Path(folder))
                shutil.copytree(folder, output.tune / f"checkpoint_{saves:06d}")
            took = time.perf_counter() - before
            schedule.saved(took)
            spent, saves = spent + took, saves + 1
    return {"seconds": time.perf_counter() - start, "save_seconds": spent, "saves": saves}


def main(words: list[str]) -> int:
    """Prints one JSON line per run, and one at the end."""
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
                run = train(student, config, output, checkpoints)
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
