"""What a training step of every method costs on a CPU, beside a step of Direct.

    python tests/benchmarks/step_cost.py                               # the LeNet5 pair, batch 64
    python tests/benchmarks/step_cost.py --pair resnet20:resnet8       # a pair of the literature's kind
    python tests/benchmarks/step_cost.py --methods AT CRD --json x.json

One process, one thread, as a trial has them; teachers run live, with weights at random, which are as fast as any. For
each method steps of it and of Direct take turns, and what is printed is the median over the turns of the quotient of
their processor times, with the smallest and the largest: on a busy machine both are slower alike. Also the parameters
that a method trains beside the student's.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Iterator, Mapping
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import torch
from gpu_methods import SEVERAL
from gpu_trainings import RESNET, SPEC, STUDENT, TEACHER, Case, made_up, training

from hpmkd.config.methods import HPMKDConfig
from hpmkd.config.specs import ModelSpec
from hpmkd.config.sweep import SweepConfig
from hpmkd.data.images import Splits, split
from hpmkd.methods.build import DISTILLERS
from hpmkd.plan.catalog import BASELINES, baselines_of
from hpmkd.training.train import Training

PAIRS = {
    "lenet5": (TEACHER, STUDENT),
    "resnet20:resnet8": (RESNET, ModelSpec("resnet8", (16, 32, 64), 3, 32, 10)),
}
_IMAGES = 512


def settings() -> dict[str, Any]:
    """Of all methods, as they are by default, HPM-KD's weighting of two teachers among them."""
    several = HPMKDConfig(teachers=SEVERAL["HPM-KD"])
    config = SweepConfig(datasets=["Digits"], baselines=list(BASELINES), hpmkd=several)
    return {key: value for one in baselines_of(config) for key, value in one.hparams}


def seconds(one: Training, steps: int) -> float:
    """Processor time of so many steps of whole batches."""
    size = one.fit.batch_size
    batches = [batch for batch in one.batches.draws(one.seed, 0) if len(batch[0]) == size]
    start = time.process_time()
    for number, (index, view) in enumerate(islice(cycle(batches), steps)):
        one.step(index, view, 1.0, number / steps)
    return time.process_time() - start


def extra_parameters(one: Training, direct: Training) -> int:
    """Trained beside the student's: of the method's modules, and of what it adds to the student."""
    modules = (one.model, direct.model, one.distiller)
    mine, plain, own = (sum(p.numel() for p in each.parameters() if p.requires_grad) for each in modules)
    return mine - plain + own


def made(method: str, options: argparse.Namespace, splits: Splits) -> Training:
    """Ready for its first step."""
    teacher, student = PAIRS[options.pair]
    case = Case(method, student, SEVERAL.get(method, 1), teacher=teacher)
    own = argparse.Namespace(batch=options.batch, precision="fp32", device="cpu")
    one = training(case, splits, 10, own, graph=False, hparams=settings())
    one.model.train()
    one.distiller.train()
    one.step.begin()
    return one


def measure(options: argparse.Namespace) -> Iterator[Mapping[str, Any]]:
    """A row for each method."""
    torch.set_num_threads(1)
    splits = split(made_up(_IMAGES), SPEC)
    for method in options.methods:
        one, direct = made(method, options, splits), made("Direct", options, splits)
        for each in (one, direct):
            seconds(each, 3)
        turns = [seconds(one, options.steps) / seconds(direct, options.steps) for _ in range(options.turns)]
        yield {
            "method": method, "times_direct": round(statistics.median(turns), 2), "smallest": round(min(turns), 2),
            "largest": round(max(turns), 2), "parameters": extra_parameters(one, direct),
        }  # fmt: skip


def main(argv: list[str] | None = None) -> list[Mapping[str, Any]]:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pair", choices=PAIRS, default="lenet5")
    parser.add_argument("--methods", nargs="+", default=list(DISTILLERS))
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(argv)
    print("| method | times Direct | smallest | largest | parameters of its own |\n| --- | ---: | ---: | ---: | ---: |")
    rows = []
    for row in measure(options):
        rows.append(row)
        cells = (row["method"], row["times_direct"], row["smallest"], row["largest"], f"{row['parameters']:,}")
        print("| " + " | ".join(map(str, cells)) + " |", flush=True)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))
    return rows


if __name__ == "__main__":
    main()
