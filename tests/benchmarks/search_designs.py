"""How should temperature, alpha and learning rate be searched? Designs compared on images held out of the training set;
the test set is not read.

    python tests/benchmarks/search_designs.py digits
    python tests/benchmarks/search_designs.py digits_resnet --seeds 10
    python tests/benchmarks/search_designs.py mnist --data-dir FOLDER
    python tests/benchmarks/search_designs.py cifar --folder FOLDER

The conditions are those of `components.py`. Every candidate (4 learning rates x 3 T x 2 alpha) is trained once with
each seed; noted are its answers to the method's own validation images after a ninth, a third, half and all of the
epochs, and its accuracy on other held-out images at the end. A design sees what one seed, or some, show it of the
validation images, and chooses; what it chose is judged by the accuracy with the seeds that it did not see, minus that
of the default settings (T = 4, alpha = 0.9, the condition's learning rate) with the same seeds. Cost: epochs of the
search, in students' schedules. What was trained is kept in `--work`, a row per candidate and seed, and not trained
again. `--rates`: the learning rates alone are tried, and the designs that choose among more are left out.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from component_conditions import CPU, Known, Setting, setting, teachers
from component_variants import Mixed, Taught, Variant, parser_of

from hpmkd.errors import Diverged
from hpmkd.models import build
from hpmkd.plan.halving import candidate_epochs, rungs
from hpmkd.plan.job import seed_of
from hpmkd.training.evaluate import answer
from hpmkd.training.judging import likelihoods
from hpmkd.training.recipe import Recipe
from hpmkd.training.train import Training

Candidate = tuple[float, float, float]  # factor of the learning rate, T, alpha
RATES, TEMPERATURES, ALPHAS = (1.0, 2.0, 4.0, 8.0), (4.0, 2.0, 8.0), (0.9, 0.5)
ALL: list[Candidate] = list(itertools.product(RATES, TEMPERATURES, ALPHAS))
DEFAULT: Candidate = ALL[0]
MARKS = (1 / 9, 1 / 3, 1 / 2, 1.0)
Rows = dict[tuple[Candidate, int], dict[str, Any]]


def row(here: Setting, known: Known, candidate: Candidate, run: int) -> dict[str, Any]:
    """A candidate, trained: losses and errors on each validation image at each mark, accuracy on the others."""
    rate, temperature, alpha = candidate
    seed, total = seed_of(0, here.spec.name, run), here.student_fit.epochs
    recipe = Recipe(replace(here.student_fit, lr=here.student_fit.lr * rate), here.spec.augment, seed, CPU)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        loss = Mixed(Variant(temperature=temperature, alpha=alpha), here.small)
    taught = [Taught(known, len(here.splits.train), 1.0)]
    one, seen = Training(build(here.small, seed), loss, taught, here.splits, recipe), {}
    for mark in MARKS:
        try:
            for _ in one.epochs(max(1, round(mark * total))):
                pass
        except Diverged:
            count = len(one.validation)
            worst = {"losses": [1e6] * count, "wrong": [True] * count}
            rest = {f"{mark:.3f}": worst for mark in MARKS if f"{mark:.3f}" not in seen}
            return {"candidate": candidate, "run": run, "accuracy_pct": 100 / here.small.classes, "seen": seen | rest}
        found = answer(one.model, one.validation, one.normalise)
        losses, wrong = likelihoods(found), (found.predicted != found.labels).tolist()
        seen[f"{mark:.3f}"] = {"losses": [round(float(loss), 5) for loss in losses], "wrong": wrong}
    judged = one.product(here.splits.test).accuracy_pct
    return {"candidate": candidate, "run": run, "accuracy_pct": judged, "seen": seen}


@dataclass(frozen=True)
class Design:
    """How is chosen.

    Args:
        candidates: among what.
        metric: `losses` (-log p of the labels, calibrated) or `wrong`.
        part: of the schedule, at which the last are compared.
        keep: 1 of so many candidates goes on, at each rung; None: all are trained to the end.
        seeds: how many trainings of each candidate are averaged, in the last rung.
        errors: the default where what is best is not better by so many standard errors of their difference.
    """

    candidates: Sequence[Candidate]
    metric: str = "losses"
    part: float = 1.0
    keep: int | None = None
    seeds: int = 1
    errors: float = 0.0

    def plan(self, epochs: int) -> list[tuple[int, int]]:
        last = max(1, round(self.part * epochs))
        return rungs(len(self.candidates), self.keep, last) if self.keep else [(len(self.candidates), last)]

    def cost(self, epochs: int) -> float:
        plan = self.plan(epochs)
        return (candidate_epochs(plan) + (self.seeds - 1) * plan[-1][0] * plan[-1][1]) / epochs

    def choose(self, rows: Rows, seeds: Sequence[int], epochs: int) -> Candidate:
        field, plan = list(self.candidates), self.plan(epochs)
        for place, (count, end) in enumerate(plan):
            field = field[:count]
            mark = f"{min(MARKS, key=lambda part: abs(part - end / epochs)):.3f}"
            runs = seeds if place == len(plan) - 1 else seeds[:1]
            per = {
                one: np.mean([rows[one, run]["seen"][mark][self.metric] for run in runs], 0) for one in self.candidates
            }
            order = self.candidates.index
            field = sorted(field, key=lambda one: (float(per[one].mean()), order(one)))
        best = field[0]
        if self.errors and DEFAULT in field:
            apart = per[DEFAULT] - per[best]
            if apart.mean() <= self.errors * apart.std(ddof=1) / math.sqrt(len(apart)):
                return DEFAULT
        return best


_TA = [one for one in ALL if one[0] == 1]
_TA_OLD = sorted(_TA, key=lambda one: (one[1], one[2]))  # the order of version 0.1: a tie goes to the first
_LR = [one for one in ALL if one[1:] == DEFAULT[1:]]
_LR_A = [one for one in ALL if one[1] == DEFAULT[1]]
_LR_T = [one for one in ALL if one[2] == DEFAULT[2]]
DESIGNS: dict[str, Design] = {
    "T, alpha: accuracy, half the schedule, halving by 3 (0.1)": Design(_TA_OLD, "wrong", 0.5, 3),
    "T, alpha: likelihood, half the schedule, halving by 3": Design(_TA, "losses", 0.5, 3),
    "T, alpha: accuracy, whole": Design(_TA, "wrong"),
    "T, alpha: likelihood, whole": Design(_TA),
    "T, alpha: likelihood, whole, one standard error": Design(_TA, errors=1),
    "lr: accuracy, whole": Design(_LR, "wrong"),
    "lr: likelihood, whole": Design(_LR),
    "lr: likelihood, whole, one standard error": Design(_LR, errors=1),
    "lr: likelihood, whole, 2 seeds": Design(_LR, seeds=2),
    "lr: likelihood, halving by 2": Design(_LR, keep=2),
    "lr: likelihood, half the schedule": Design(_LR, part=0.5),
    "lr, alpha: likelihood, whole": Design(_LR_A),
    "lr, T: likelihood, whole": Design(_LR_T),
    "lr, T, alpha: accuracy, whole": Design(ALL, "wrong"),
    "lr, T, alpha: likelihood, whole": Design(ALL),
    "lr, T, alpha: likelihood, whole, one standard error": Design(ALL, errors=1),
    "lr, T, alpha: likelihood, halving by 3": Design(ALL, keep=3),
    "lr, T, alpha: likelihood, halving by 3, 2 seeds": Design(ALL, keep=3, seeds=2),
}


def gain(design: Design, rows: Rows, runs: Sequence[int], epochs: int) -> tuple[float, float, dict[Candidate, int]]:
    """Mean and standard error over the seeds seen, and how often each candidate was chosen."""
    gains, chosen = [], dict[Candidate, int]()
    for first in runs:
        seen = [runs[(runs.index(first) + step) % len(runs)] for step in range(design.seeds)]
        best = design.choose(rows, seen, epochs)
        chosen[best] = chosen.get(best, 0) + 1
        others = [run for run in runs if run not in seen]
        apart = [rows[best, run]["accuracy_pct"] - rows[DEFAULT, run]["accuracy_pct"] for run in others]
        gains.append(float(np.mean(apart)))
    return float(np.mean(gains)), float(np.std(gains, ddof=1) / math.sqrt(len(gains))), chosen


def table(rows: Rows, epochs: int) -> list[str]:
    runs = sorted(run for one, run in rows if one == DEFAULT)
    known = [one for one in ALL if all((one, run) in rows for run in runs)]
    lines = ["| search | cost | gain | standard error | most often |", "| --- | ---: | ---: | ---: | --- |"]
    means = {one: float(np.mean([rows[one, run]["accuracy_pct"] for run in runs])) for one in known}
    top = max(means, key=means.__getitem__)
    for name, design in DESIGNS.items():
        if len(runs) <= design.seeds or not set(design.candidates) <= set(known):
            continue
        mean, error, chosen = gain(design, rows, runs, epochs)
        often = max(chosen, key=chosen.__getitem__)
        lines.append(
            f"| {name} | {design.cost(epochs):.1f} | {mean:+.2f} | {error:.2f} | {_text(often)} ({chosen[often]}) |"
        )
    lines.append(
        f"| the best of all on the images that judge | | {means[top] - means[DEFAULT]:+.2f} | | {_text(top)} |"
    )
    return [f"{len(runs)} seeds; default {means[DEFAULT]:.2f} %", *lines]


def _text(one: Candidate) -> str:
    return f"lr x{one[0]:g}, T={one[1]:g}, alpha={one[2]:g}"


def trained(here: Setting, known: Known, file: Path, seeds: int, candidates: Sequence[Candidate]) -> Rows:
    """The rows, those that are missing trained now."""
    lines: Iterable[str] = file.read_text().splitlines() if file.exists() else ()
    rows: Rows = {(tuple(one["candidate"]), one["run"]): one for one in map(json.loads, lines)}
    for run, candidate in itertools.product(range(1, seeds + 1), candidates):
        if (candidate, run) not in rows:
            rows[candidate, run] = row(here, known, candidate, run)
            with file.open("a") as out:
                out.write(json.dumps(rows[candidate, run]) + "\n")
    return rows


def main(argv: list[str] | None = None, each: Callable[[str], None] = print) -> None:
    """Trains what is missing, and prints the table."""
    parser = parser_of(__doc__)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--rates", action="store_true", help="learning rates alone: a sixth of the candidates")
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    options.work.mkdir(parents=True, exist_ok=True)
    here = setting(options.condition, options)
    known = teachers(here, options.work / f"{options.condition}.pt")["first"]
    rows = trained(
        here, known, options.work / f"{options.condition}_search.jsonl", options.seeds, _LR if options.rates else ALL
    )
    for line in table(rows, here.student_fit.epochs):
        each(line)


if __name__ == "__main__":
    main()
