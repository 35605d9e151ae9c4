"""What does a sweep cost beside its training? Models that train in no time, beside as many bare Tune trials.

    python tests/benchmarks/sweep_cost.py                        # 100 models
    python tests/benchmarks/sweep_cost.py --models 100 1000 5000 # is it linear?

Ours: a whole `run_sweep.py` of that many students without a teacher, one epoch on a few images each; start to finish
of every trial, its records, Tune's checkpoint, the commit and the audit of each model of 0.25 MB, the results table.
Bare: as many trials of the same Tuner settings that report one number and end. Each in a process of its own, on a Ray
that was started before the clock, in turns; printed are seconds per model, their ratio, the driver's memory at
its highest, and what Tune's state takes, which is written as a whole again and again.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from PIL import Image

CONFIG = {
    "baselines": ["Direct"],
    "fit": {"teacher_epochs": 1, "student_epochs": 1, "batch_size": 32},
    # 60,942 parameters: a file of 0.25 MB.
    "student": {"arch": "lenet5", "channels": [10, 20, 2420]},
    "hpmkd": {"shared_memory": False},
}


def make_images(folder: Path) -> Path:
    """A data set of 30 and 10 small grey images, so that training and the look at the test set take no time."""
    for part, count in (("train", 30), ("test", 10)):
        for number in range(count):
            place = folder / "Tiny" / part / str(number % 2)
            place.mkdir(parents=True, exist_ok=True)
            pixels = random.Random(f"{part}{number}").randbytes(16 * 16)
            Image.frombytes("L", (16, 16), pixels).save(place / f"{number}.png")
    return folder / "Tiny"


def start_ray() -> None:
    """As a sweep starts it."""
    import ray

    from hpmkd.cluster.resources import prepare_environment
    from hpmkd.hardware import cores

    prepare_environment()
    logging.getLogger("ray").setLevel(logging.CRITICAL)
    ray.init(address="local", num_cpus=cores(), include_dashboard=False, log_to_driver=False)


def ours(models: int, folder: Path) -> None:
    """A whole sweep."""
    from hpmkd.cli.main import run_command

    config = folder / "trivial.yaml"
    config.write_text(json.dumps(CONFIG | {"datasets": [str(make_images(folder))], "runs": models}))
    code = run_command(["--mode", str(config), "-o", str(folder / "out"), "-q"], "sweep_cost.py")
    made = len(list((folder / "out" / "models").glob("student*.pt")))
    assert (code, made) == (0, models), f"exit code {code}, {made} models"


def bare_trial(config: dict[str, Any]) -> None:
    """Nothing but one report."""
    from ray import tune

    tune.report({"number": config["number"]})


def bare(models: int, folder: Path) -> None:
    """As many trials, with the Tuner settings of a sweep."""
    from ray import tune

    from hpmkd.hardware import cores

    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(cores())
    tuner = tune.Tuner(
        tune.with_resources(bare_trial, {"cpu": 1}),
        param_space={"number": tune.grid_search(list(range(models)))},
        tune_config=tune.TuneConfig(reuse_actors=True),
        run_config=tune.RunConfig(name="bare", storage_path=str(folder), verbose=0),
    )
    assert len(tuner.fit()) == models


def child(kind: str, models: int) -> None:
    """Prints seconds, highest memory (MB), bytes of Tune's state; both kinds are run once before the clock."""
    work = {"ours": ours, "bare": bare}[kind]
    with tempfile.TemporaryDirectory(prefix="sweep-cost-") as folder, contextlib.redirect_stdout(sys.stderr):
        start_ray()
        for name, count in (("before", 4), ("timed", models)):
            place = Path(folder) / name
            place.mkdir()
            start = time.perf_counter()
            work(count, place)
            seconds = time.perf_counter() - start
        state = sum(path.stat().st_size for path in place.rglob("experiment_state-*.json"))
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "driver_megabytes": megabytes, "state_bytes": state}))


def measure(kind: str, models: int) -> dict[str, float]:
    """Runs a child and reads what it prints."""
    words = [sys.executable, __file__, "--child", kind, "--models", str(models)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{kind}, {models} models: exit code {done.returncode}\n{done.stderr[-3000:]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main(words: list[str]) -> int:
    """Prints one JSON line per size."""
    parser = argparse.ArgumentParser(prog="sweep_cost.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--models", type=int, nargs="+", default=[100], help="how many")
    parser.add_argument("--child", choices=["ours", "bare"], help=argparse.SUPPRESS)
    values = parser.parse_args(words)
    if values.child:
        child(values.child, values.models[0])
        return 0
    for models in values.models:
        plain, whole = measure("bare", models), measure("ours", models)
        line = {
            "models": models,
            "bare_seconds_per_trial": round(plain["seconds"] / models, 4),
            "seconds_per_model": round(whole["seconds"] / models, 4),
            "ratio": round(whole["seconds"] / plain["seconds"], 2),
            "bare_driver_megabytes": round(plain["driver_megabytes"]),
            "driver_megabytes": round(whole["driver_megabytes"]),
            "state_kilobytes_per_model": round(whole["state_bytes"] / 1000 / models, 1),
        }
        print(json.dumps(line), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
