"""What does it cost to keep each model's answers to the test images, and to measure it?

    python tests/benchmarks/predictions_cost.py                               # Digits, quick settings
    python tests/benchmarks/predictions_cost.py --mode full --datasets MNIST --data-dir ~/data --student-epochs 5

takes every flag of run_sweep.py. The teacher of the first data set is trained once; then, `PAIRS` times, the first
student with a teacher is trained with its answers kept and without, in turns, in one process. Printed per run: seconds
and CPU seconds.

The difference of two trainings is mostly noise, so the parts are timed by themselves, too: the look at the test images
with answers and without (`LOOKS` times, in turns; the least of each), the same for validation images, the fit of the
temperature, the commit of the file, and the measures of the student at the end of a sweep. `part_of_time` is their sum
in parts of the training's seconds; `cpu_part` the same of CPU seconds, which neighbours disturb less and in which
waiting for the disk does not count: meanwhile other models are trained.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hpmkd.audit.findings import headers
from hpmkd.audit.measured import measure_models
from hpmkd.cli.parser import parse
from hpmkd.config.sweep import SweepConfig
from hpmkd.data.augment import Normalise
from hpmkd.data.cache import describe, load
from hpmkd.data.source.images import Images
from hpmkd.models import build
from hpmkd.plan.catalog import baselines_of
from hpmkd.plan.job import Job
from hpmkd.plan.planner import expand
from hpmkd.store import predictions
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.result_file import load_weights
from hpmkd.store.sidecar import sidecar_path
from hpmkd.sweep.resolution import resolve
from hpmkd.training.evaluate import answer, evaluate, to_predictions
from hpmkd.training.trial import run_job

PAIRS, LOOKS = 5, 9


def train(job: Job, config: SweepConfig, output: OutputDir, keep: bool) -> dict[str, float]:
    """Trains a job from its seed; seconds, and CPU seconds of this process."""
    for path in (output.model_file(job), output.predictions_file(job.key)):
        path.unlink(missing_ok=True)
        sidecar_path(path).unlink(missing_ok=True)
    start, busy = time.perf_counter(), time.process_time()
    list(run_job(job, output, config.data, torch.device("cpu"), keep_predictions=keep))
    return {"seconds": time.perf_counter() - start, "cpu_seconds": time.process_time() - busy}


def least(*works: Callable[[], Any]) -> np.ndarray:
    """Seconds and CPU seconds of each, done in turns, `(works, 2)`: the least, which neighbours disturb least."""
    found = np.full((len(works), 2), np.inf)
    for _ in range(LOOKS):
        for place, work in enumerate(works):
            start, busy = time.perf_counter(), time.process_time()
            work()
            now = (time.perf_counter() - start, time.process_time() - busy)
            found[place] = np.minimum(found[place], now)
    return found


def parts(job: Job, config: SweepConfig, output: OutputDir) -> dict[str, np.ndarray]:
    """Seconds and CPU seconds that keeping and measuring one finished model takes, by part."""
    header, state = load_weights(output.model_file(job))
    model = build(job.model, seed=0)
    model.load_state_dict(state)
    splits = load(job.data, config.data.model_dump_json())
    normalise = Normalise(splits.mean, splits.std, torch.device("cpu"))

    def looks(images: Images) -> np.ndarray:
        given = (images, normalise, job.fit.precision)
        more, plain = least(lambda: answer(model, *given), lambda: evaluate(model, *given))
        return np.maximum(0, more - plain)

    test, validation = (answer(model, one, normalise, job.fit.precision) for one in (splits.test, splits.validation))
    made = to_predictions(test, validation)
    path, weights = output.predictions_file(job.key), str(header.weights)
    every = headers(output)
    others = {key: one for key, one in every.items() if key in header.metadata["parents"]}
    both, alone = least(
        lambda: measure_models(output, {**others, job.key: header}), lambda: measure_models(output, others)
    )
    return {
        "test": looks(splits.test),
        "validation": looks(splits.validation),
        "temperature": least(lambda: to_predictions(test, validation))[0],
        "commit": least(lambda: predictions.write(path, made, job.key, weights))[0],
        "measures": np.maximum(0, both - alone),
    }


def main(words: list[str]) -> int:
    """Prints one JSON line per run, and one at the end."""
    config, _ = resolve(parse(words, "predictions_cost.py"))
    jobs = expand(config, describe(config), baselines_of(config))
    student = next(job for job in jobs if job.role == "student" and len(job.parents) == 1)
    with tempfile.TemporaryDirectory(prefix="predictions-cost-") as folder:
        output = OutputDir(Path(folder))
        for job in student.ancestors():
            list(run_job(job, output, config.data, torch.device("cpu")))
        train(student, config, output, False)  # caches of images and of the allocator
        runs: dict[bool, list[dict[str, float]]] = {True: [], False: []}
        for pair in range(PAIRS):
            for keep in (True, False) if pair % 2 else (False, True):
                run = train(student, config, output, keep)
                runs[keep].append(run)
                print(json.dumps({"kept": keep, **run}), flush=True)
        spent = parts(student, config, output)
        size = output.predictions_file(student.key).stat().st_size
    whole = [statistics.median(run[name] for run in runs[False]) for name in ("seconds", "cpu_seconds")]
    wall_part, cpu_part = sum(spent.values()) / np.array(whole)
    ratio = [one["cpu_seconds"] / other["cpu_seconds"] for one, other in zip(runs[True], runs[False], strict=True)]
    summary: dict[str, Any] = {"model": student.key, "seconds": round(whole[0], 3), "bytes": size}
    summary |= {f"{name}_ms": round(1000 * value[0], 2) for name, value in spent.items()}
    summary |= {"part_of_time": round(wall_part, 5), "cpu_part": round(cpu_part, 5)}
    summary |= {"cpu_ratio": round(statistics.median(ratio), 4)}
    print(json.dumps(summary))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
