"""What a step of every method costs, recorded, one trial alone: part `methods` of `gpu.py`.

With a pair of the literature, in its batches of 64, some of them; with the published LeNet5 pair all. Ratios are to
`Direct`, which is timed again at the end: what that differs is what the ratios can be wrong by.
"""

from __future__ import annotations

import argparse
import copy
import gc
import time
from collections.abc import Iterator
from itertools import cycle, islice
from typing import Any

import torch
from gpu_trainings import HPARAMS, STUDENT, Case, late, memory, training, wait

from hpmkd.config.specs import ModelSpec
from hpmkd.data.images import Splits
from hpmkd.methods.build import DISTILLERS
from hpmkd.training.device import prepare_device

SEVERAL = {"KD-Ensemble": 2, "HPM-KD": 2, "Direct": 0}
SMALL, LARGE = (ModelSpec(f"resnet{depth}x4", (64, 128, 256), 3, 32, 10) for depth in (8, 32))
# Method, precision, TF32, of the pair; the first ones matter most.
PAIR = [(method, "fp32", True) for method in ("Direct", "TraditionalKD", "DKD", "CRD", "ReviewKD", "HPM-KD", "Direct")]
PAIR += [(method, precision, False) for precision in ("bf16", "fp32") for method in ("Direct", "TraditionalKD")]
_WARM, _STEPS, _TURNS = 12, 60, 3


def wanted() -> list[tuple[Case, str, bool, int]]:
    """Case, precision, TF32 and size of a batch of each row."""
    names = [*DISTILLERS, "Direct"]
    small = [(Case(name, STUDENT, SEVERAL.get(name, 1)), "fp32", False, 256) for name in names]
    pair = [(Case(name, SMALL, SEVERAL.get(name, 1), teacher=LARGE), *how, 64) for name, *how in PAIR]
    return pair + small  # type: ignore[return-value]


def measure(splits: Splits, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Microseconds of a step of each, images per second, memory, and how many times a step of Direct it takes."""
    first: dict[Any, float] = {}
    for number, (case, precision, tf32, batch) in enumerate(wanted()):
        row: dict[str, Any] = {"part": "methods", **case.words, "precision": precision, "tf32": tf32, "batch": batch}
        if number and late(options):
            yield {**row, "skipped": "no time left"}
            continue
        try:
            found = timed(case, row, splits, options)
            pair = (case.model.arch, precision, tf32)
            found["times_direct"] = round(found["step_us"] / first.setdefault(pair, found["step_us"]), 2)
            yield {**row, **found}
        except Exception as error:
            yield {**row, "error": f"{type(error).__name__}: {error}"}


def timed(case: Case, row: dict[str, Any], splits: Splits, given: argparse.Namespace) -> dict[str, Any]:
    """Of whole batches; the fastest of some turns counts."""
    options = copy.copy(given)
    on_gpu = options.device == "cuda"
    options.precision, options.batch = row["precision"], row["batch"] if on_gpu else options.batch
    prepare_device(torch.device(options.device), tf32=row["tf32"], benchmark=True)
    gc.collect()
    if on_gpu:
        torch.cuda.empty_cache()
    before, begun = memory(options), time.perf_counter()
    from support.losses import HPARAMS as OF_OTHERS  # in tests/, which only some parts need

    one = training(case, splits, 1000, options, on_gpu, hparams={**OF_OTHERS, **HPARAMS})
    drawn = list(one.batches.draws(1, 0))
    whole = cycle([batch for batch in drawn if len(batch[0]) == len(drawn[0][0])])
    warm, steps, turns = (_WARM, _STEPS, _TURNS) if on_gpu else (1, 1, 1)
    one.step.begin()
    seconds = list[float]()
    for turn in range(turns + 1):
        wait(options)
        start = time.perf_counter()
        for index, view in islice(whole, steps if turn else warm):
            one.step(index, view, 1.0, 0.5)
        wait(options)
        seconds.append((time.perf_counter() - start) / steps)
    step = min(seconds[1:])
    found = {} if before is None else {"mib": round((memory(options) or 0.0) / 2**20 - before / 2**20)}
    found |= {"first_steps_s": round(time.perf_counter() - begun - steps * sum(seconds[1:]), 2)}
    return {
        **found, "step_us": round(1e6 * step, 1), "images_s": round(options.batch / step), "steps": one.step.description
    }  # fmt: skip
