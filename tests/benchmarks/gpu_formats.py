"""Images per second by memory format (channels_last or NCHW), precision and cuDNN's search: part `formats`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

import torch
from gpu_trainings import NAMED, Runner, late, training

from hpmkd.data.images import Splits
from hpmkd.training.device import prepare_device
from hpmkd.training.teachers import LiveTeacher
from hpmkd.training.train import Training

_TIMED = 2  # epochs, of which the faster one counts
# Case, format, precision, TF32, cuDNN's search for kernels; the first ones matter most.
FORMATS = ("channels_last", "nchw")
WANTED = [(case, how, "fp32", False, False) for case in ("KD", "teacher", "Direct") for how in FORMATS]
WANTED += [("ResNet20", how, "fp32", False, True) for how in FORMATS]
WANTED += [
    ("KD", how, precision, tf32, False) for precision, tf32 in (("bf16", False), ("fp32", True)) for how in FORMATS
]
WANTED += [(case, how, "fp32", False, False) for case in ("AT", "FitNets") for how in FORMATS]
WANTED += [("ResNet20", how, "bf16", False, True) for how in FORMATS]
WANTED += [(case, how, "fp32", False, True) for case in ("KD", "teacher", "Direct") for how in FORMATS]
WANTED += [
    ("teacher", how, precision, tf32, False) for precision, tf32 in (("bf16", False), ("fp32", True)) for how in FORMATS
]
WANTED += [("KD", how, "fp32", True, True) for how in FORMATS]
WANTED += [("KD cached", how, "fp32", False, False) for how in FORMATS]


def in_nchw(one: Training) -> Training:
    """The same, not yet begun, with all images, weights and feature maps in torch's ordinary order."""
    networks = [teacher.network for teacher in one.teachers if isinstance(teacher, LiveTeacher)]
    for module in (one.model, one.distiller, *networks):
        module.to(memory_format=torch.contiguous_format)
    normalise = one.batches.normalise
    one.batches.normalise = lambda pixels: normalise(pixels).contiguous()  # type: ignore[assignment]
    return one


def measure(splits: Splits, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Each combination, recorded, in one process: in `settings` each has a process of its own."""
    for number, (name, how, precision, tf32, search) in enumerate(WANTED):
        case = NAMED[name]
        row: dict[str, Any] = {"part": "formats", "case": name, **case.words, "format": how, "precision": precision}
        row |= {"tf32": tf32, "cudnn_benchmark": search}
        if number and late(options):
            yield {**row, "skipped": "no time left"}
            continue
        try:
            yield {**row, **_rated(row, splits, options)}
        except Exception as error:
            yield {**row, "error": f"{type(error).__name__}: {error}"}


def _rated(row: dict[str, Any], splits: Splits, options: argparse.Namespace) -> dict[str, Any]:
    options.precision = row["precision"]
    prepare_device(torch.device(options.device), tf32=row["tf32"], benchmark=row["cudnn_benchmark"])
    one = training(NAMED[row["case"]], splits, 1000, options, True)
    runner = Runner(in_nchw(one) if row["format"] == "nchw" else one, options)
    first = runner.seconds()
    rate = max(runner.rate() for _ in range(_TIMED))
    about = {"first_epoch_s": round(first, 3), "images_s": round(rate), "step_us": round(1e6 * options.batch / rate)}
    return {**about, "steps": one.step.description}
