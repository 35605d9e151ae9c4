"""What logit methods cost where a run's students share their teacher's answers, beside living teachers and Direct.

    python tests/benchmarks/shared_answers.py                           # the LeNet5 pair, 10,000 images, batch 64
    python tests/benchmarks/shared_answers.py --pair resnet20:resnet8 --images 2000

One process, one thread, as a trial has them; images and weights are made up, and as fast as any. In each round an epoch
of Direct, one of a method that looks the answers up, one with the living teacher, and one of the making of the answers
take turns: processor time. Printed: the last three as multiples of Direct's (median of the rounds, smallest and
largest), and what `--methods` methods in any number of runs cost together, as multiples of as many Direct students, the
making of the answers included; both for the method named by `--method`.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from gpu_trainings import SPEC, Case, made_up, training
from step_cost import PAIRS, settings

from hpmkd.config.specs import no_training
from hpmkd.data.images import split
from hpmkd.models import build
from hpmkd.plan.job import SHOWN, Job
from hpmkd.plan.roles import Role
from hpmkd.training.shown_answers import ShownAnswersBuilder
from hpmkd.training.teachers import ShownTeacher
from hpmkd.training.train import Training
from hpmkd.training.work import Work

_ROUNDS = 5


def epoch(one: Training | Work) -> float:
    """Processor time of its next epoch, in seconds."""
    start = time.process_time()
    next(one.epochs())
    return time.process_time() - start


def rounds(options: argparse.Namespace) -> list[list[float]]:
    """In each round the seconds of Direct, of looking up, of a living teacher, of the making; the first is not
    counted."""
    torch.set_num_threads(1)
    teacher, student = PAIRS[options.pair]
    splits, count = split(made_up(options.images), SPEC), options.rounds + 1
    own = argparse.Namespace(batch=options.batch, precision="fp32", device="cpu")
    cases = [Case("Direct", student, 0), *[Case(options.method, student, teacher=teacher)] * 2]
    direct, looks, asks = (training(one, splits, count, own, graph=False, hparams=settings()) for one in cases)
    fit = replace(no_training(count, "fp32", 1), batch_size=options.batch)  # those of the students
    job = Job(Role.LOGITS, SPEC, teacher, fit, "Direct", ((SHOWN, True),), seed=looks.seed)
    maker = ShownAnswersBuilder(build(teacher, 2), splits, job, torch.device("cpu"))
    with tempfile.TemporaryDirectory() as folder:
        rows = np.zeros((count * len(splits.train) + len(splits.validation), SPEC.classes), np.float32)
        np.save(f"{folder}/answers.npy", rows)
        looks.teachers = looks.step.teachers = [
            ShownTeacher(Path(folder, "answers.npy"), len(splits.train), torch.device("cpu"))
        ]
        return [[epoch(one) for one in (direct, looks, asks, maker)] for _ in range(count)][1:]


def main(argv: list[str] | None = None) -> list[str]:
    """Measures, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pair", choices=PAIRS, default="lenet5")
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--method", default="TraditionalKD")
    parser.add_argument("--methods", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=_ROUNDS)
    options = parser.parse_args(argv)
    found = rounds(options)
    times = [[one[place] / one[0] for one in found] for place in (1, 2, 3)]
    together = [looks + making / options.methods for looks, _, making in zip(*times, strict=True)]
    names = ["looking answers up", "a living teacher", "making the answers", f"{options.methods} methods, shared"]
    names.append(f"{options.methods} methods, living teachers")
    lines = ["| an epoch of | times Direct | smallest | largest |", "| --- | ---: | ---: | ---: |"]
    for name, values in zip(names, [*times, together, times[1]], strict=True):
        lines.append(f"| {name} | {statistics.median(values):.2f} | {min(values):.2f} | {max(values):.2f} |")
    print("\n".join(lines))
    return lines


if __name__ == "__main__":
    main()
