"""How long does a sweep think about its grid before it begins? A plan, beside the arithmetic that no plan can avoid.

    python tests/benchmarks/plan_cost.py                 # 10,000 students
    python tests/benchmarks/plan_cost.py --models 1000 10000

The grid: CIFAR-10 under five conditions and MNIST, four pairs of networks, five runs, and as many baselines as it
takes: a grid over alpha, chain lengths with numbers of teachers, numbers of assistants. Timed are the plan (config to
jobs), the look for their files in an empty folder, and the columns of the results. Beside it, in the same process: the
recipe of each student as JSON and its SHA-256, which is what a fingerprint is. `ratio` is plan / that.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hpmkd.audit.findings import audit
from hpmkd.audit.grid_columns import columns_of
from hpmkd.config.load import validate
from hpmkd.config.sweep import SweepConfig
from hpmkd.data.cache import describe
from hpmkd.plan.catalog import baselines_of
from hpmkd.plan.job import Job
from hpmkd.plan.planner import expand
from hpmkd.store.output_dir import OutputDir

DATASETS = ["CIFAR10", *(f"CIFAR10@n{count}" for count in (1000, 2500, 5000, 10000)), "MNIST"]
PAIRS = {
    f"{teacher}-{student}": {"teacher": {"arch": teacher}, "student": {"arch": student}}
    for teacher, student in itertools.product(("resnet56", "resnet20"), ("resnet8", "resnet14"))
}
RUNS = 5


def make_config(models: int) -> SweepConfig:
    """A grid of at least so many students."""
    wanted = -(-models // (len(DATASETS) * len(PAIRS) * RUNS))
    names = [
        *(f"HPM-KD-chain{length}-M{count}" for length, count in itertools.product((1, 2, 3, 4, 5), (1, 3, 4, 6, 8))),
        *(f"TAKD-steps{count}" for count in (2, 3, 4, 5)),
    ]
    cells = max(1, wanted - len(names))
    alphas = [round(0.001 * (1 + place), 3) for place in range(cells)]
    raw = {
        "datasets": DATASETS, "pairs": PAIRS, "runs": RUNS, "baselines": names[:wanted], "kd": {"logits": "cached"},
        "vary": [{"baselines": ["TraditionalKD"], "kd.alpha": alphas}] if wanted > len(names) else [],
    }  # fmt: skip
    return validate(raw, "plan_cost.py")


def plan(config: SweepConfig) -> tuple[Job, ...]:
    """What a start of the sweep does before it looks at files."""
    return expand(config, describe(config), baselines_of(config))


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds, and what the work gave."""
    start = time.perf_counter()
    made = work()
    return time.perf_counter() - start, made


def measure(models: int, folder: Path) -> dict[str, float]:
    """One grid; seconds."""
    config = make_config(models)
    seconds, jobs = timed(lambda: plan(config))
    looked, findings = timed(lambda: audit(jobs, OutputDir(folder), repair=False))
    columns, _ = timed(lambda: columns_of(config, jobs))
    recipes = [job.recipe() for job in jobs if job.role == "student"]
    bare, _ = timed(
        lambda: [hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest() for recipe in recipes]
    )
    assert len(findings) <= len(jobs)
    made = {"students": len(recipes), "jobs": len(jobs), "plan_seconds": seconds, "look_seconds": looked}
    return made | {"columns_seconds": columns, "bare_seconds": bare, "ratio": seconds / bare}


def main(words: list[str]) -> int:
    """Prints one JSON line per grid."""
    parser = argparse.ArgumentParser(prog="plan_cost.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--models", type=int, nargs="+", default=[10_000], help="students (default: 10,000)")
    for models in parser.parse_args(words).models:
        with tempfile.TemporaryDirectory(prefix="plan-cost-") as folder:
            print(
                json.dumps({name: round(value, 3) for name, value in measure(models, Path(folder)).items()}), flush=True
            )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
