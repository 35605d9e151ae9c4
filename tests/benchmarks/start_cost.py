"""What does the command itself cost? A finished sweep started again beside `--help`, a quick sweep beside its training.

    python tests/benchmarks/start_cost.py                       # finished sweeps of 31, 1,000 and 10,000 models
    python tests/benchmarks/start_cost.py --models 31 --quick   # and a whole `--mode quick` from nothing

A finished sweep is checked, said to be done, and its tables are written again; nothing is trained and Ray not started.
Both commands run in turns as a user's shell starts them, and the median difference is printed. The quick sweep has a
cache folder of its own, empty at first; its wall time is compared with its training seconds divided by the cores.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from resume import build, make_config, plan

from hpmkd.config.load import to_yaml
from hpmkd.files import commit_bytes
from hpmkd.hardware import cores
from hpmkd.store.output_dir import OutputDir

COMMAND = Path(__file__).resolve().parents[2] / "run_sweep.py"


def seconds(*words: str, cache: Path | None = None) -> float:
    """How long the command takes, as a shell sees it."""
    environment = dict(os.environ) | ({"XDG_CACHE_HOME": str(cache)} if cache else {})
    start = time.perf_counter()
    done = subprocess.run([sys.executable, str(COMMAND), *words], capture_output=True, text=True, env=environment)
    took = time.perf_counter() - start
    if done.returncode:
        sys.exit(f"{' '.join(words)}: exit code {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return took


def finished(models: int, pairs: int, folder: Path) -> dict[str, float]:
    """A start on a finished sweep, and `--help`, in turns; medians."""
    output = OutputDir(folder / str(models))
    config = make_config(models)
    build(plan(config), output, 0.25)
    commit_bytes(output.config_file, to_yaml(config).encode())
    words = ("--restore", str(output.root), "-q")
    seconds(*words)  # reads every file once
    rows = [(seconds("--help"), seconds(*words)) for _ in range(pairs)]
    assert not output.tune.exists(), "something was trained"
    helps, starts = (statistics.median(column) for column in zip(*rows, strict=True))
    more = statistics.median(start - help_ for help_, start in rows)
    return {"models": models, "help_seconds": helps, "start_seconds": starts, "more_seconds": more}


def quick(folder: Path) -> dict[str, float]:
    """A quick sweep from nothing."""
    wall = seconds("--mode", "quick", "-o", str(folder / "quick"), "-q", cache=folder / "cache")
    with (folder / "quick" / "results.csv").open() as file:
        trained = sum(float(row["train_seconds"]) for row in csv.DictReader(file))
    each = trained / cores()
    return {"quick_seconds": wall, "training_seconds": trained, "cores": cores(), "ratio": wall / each}


def main(words: list[str]) -> int:
    """Prints one JSON line per size, and one for the quick sweep."""
    parser = argparse.ArgumentParser(prog="start_cost.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--models", type=int, nargs="+", default=[31, 1000, 10_000], help="how many")
    parser.add_argument("--pairs", type=int, default=3, help="of starts and --help")
    parser.add_argument("--quick", action="store_true", help="also a quick sweep from nothing")
    values = parser.parse_args(words)
    with tempfile.TemporaryDirectory(prefix="start-cost-") as folder:
        for models in values.models:
            result = finished(models, values.pairs, Path(folder))
            print(json.dumps({name: round(value, 2) for name, value in result.items()}), flush=True)
        if values.quick:
            print(json.dumps({name: round(value, 2) for name, value in quick(Path(folder)).items()}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
