"""How long is a training step of a network on one core, and what do `hpmkd/plan/effort.py`'s numbers say of it?

    python tests/benchmarks/effort.py
    python tests/benchmarks/effort.py --steps 10        # quicker, and rougher

Trains networks of several depths and widths on made-up images of MNIST's and CIFAR-10's size, after one epoch to warm
up, and tells CPU seconds per step, which neighbours disturb less than seconds of the clock, in multiply-adds of a large
matrix product (numpy, same core, measured before and after). `ratio` is what `effort` says, divided by that. The last
line has the three numbers that fit these measurements best (least squares of relative errors, none below 0).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any

import numpy as np
import torch
from scipy.optimize import nnls
from threadpoolctl import threadpool_limits

from hpmkd.config.load import validate
from hpmkd.config.specs import ModelSpec
from hpmkd.data.cache import describe
from hpmkd.data.images import Splits
from hpmkd.data.source.images import Images
from hpmkd.plan.architecture import activation_count, forward_cost, layer_count
from hpmkd.plan.catalog import baselines_of
from hpmkd.plan.effort import passes
from hpmkd.plan.planner import expand
from hpmkd.training.make_training import make_training

# Data set, network, its widths (None: the usual ones), images in a batch.
CASES: list[tuple[str, str, list[int] | None, int]] = [
    ("MNIST", "lenet5", [3, 6, 16], 64), ("MNIST", "lenet5", [4, 8, 24], 64), ("MNIST", "lenet5", [4, 8, 24], 256),
    ("MNIST", "lenet5", [6, 16, 84], 64), ("MNIST", "resnet8", [8, 16, 32], 64), ("MNIST", "resnet8", None, 64),
    ("MNIST", "resnet8", None, 16), ("MNIST", "resnet20", None, 64), ("CIFAR10", "lenet5", [3, 10, 20], 64),
    ("CIFAR10", "lenet5", [3, 10, 20], 256), ("CIFAR10", "lenet5", None, 64), ("CIFAR10", "resnet8", None, 64),
    ("CIFAR10", "resnet20", None, 64), ("CIFAR10", "resnet56", None, 64), ("CIFAR10", "resnet8x4", None, 64),
    ("CIFAR10", "wrn_16_2", None, 64), ("CIFAR10", "vgg8", None, 64), ("CIFAR10", "mobilenetv2", None, 64),
    ("CIFAR10", "shufflenetv1", None, 64), ("CIFAR10", "shufflenetv2", None, 64), ("CIFAR10", "resnet18", None, 64),
]  # fmt: skip


def product_rate(seconds: float = 0.2) -> float:
    """Multiply-adds per CPU second of a matrix product on one core."""
    side, count = 512, 0
    matrix = np.ones((side, side), dtype=np.float32)
    with threadpool_limits(limits=1):
        matrix @ matrix
        start = time.process_time()
        while time.process_time() - start < seconds:
            matrix @ matrix
            count += 1
    return count * side**3 / (time.process_time() - start)


def images(count: int, spec: ModelSpec) -> Images:
    """Made-up ones."""
    draw = torch.Generator().manual_seed(0)
    shape = (count, spec.image_size, spec.image_size, spec.in_channels)
    pixels = torch.randint(0, 256, shape, dtype=torch.uint8, generator=draw)
    return Images(pixels, torch.randint(0, spec.classes, (count,), generator=draw))


def measure(dataset: str, arch: str, channels: list[int] | None, batch: int, steps: int) -> dict[str, Any]:
    """One case."""
    student = {"arch": arch, **({"channels": channels} if channels else {})}
    raw = {"datasets": [dataset], "baselines": ["Direct"], "runs": 1, "teacher": {"arch": "resnet8"},
           "student": student, "fit": {"student_epochs": 3, "batch_size": batch}}  # fmt: skip
    config = validate(raw, "effort.py")
    job = expand(config, describe(config), baselines_of(config))[-1]
    spec = job.model
    deep = max(3, steps * 4 // layer_count(spec))
    few, half = images(batch, spec), torch.full((spec.in_channels,), 0.5)
    splits = Splits(images(batch * deep, spec), few, few, mean=half, std=half)
    training = make_training(job, [], {}, splits, torch.device("cpu"), False)
    epochs = training.epochs(2)
    next(epochs)
    rate = product_rate()
    start, before = time.process_time(), training.validate_seconds
    next(epochs)
    looked = training.validate_seconds - before
    seconds = (time.process_time() - start) / (deep + 1 / 3 * (looked > 0))
    rate = (rate + product_rate()) / 2
    made = {"dataset": dataset, "network": f"{arch} {list(spec.channels)}", "batch": batch, "ms": 1e3 * seconds}
    said = passes(spec, batch, batch)
    parts = [layer_count(spec), batch * activation_count(spec), batch * 3 * forward_cost(spec)]
    return {**made, "products": seconds * rate, "ratio": said / (seconds * rate), "parts": parts}


def main(words: list[str]) -> int:
    """Prints one JSON line per case, and the fit."""
    parser = argparse.ArgumentParser(prog="effort.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--steps", type=int, default=40, help="of a LeNet5; deeper networks do fewer (default: 40)")
    steps = parser.parse_args(words).steps
    torch.set_num_threads(1)
    parts, measured = [], []
    for case in CASES:
        row = measure(*case, steps=steps)
        parts.append(row.pop("parts"))
        measured.append(row["products"])
        print(json.dumps({k: round(v, 3) if isinstance(v, float) else v for k, v in row.items()}), flush=True)
    scaled = np.array(parts, dtype=float) / np.array(measured)[:, None]
    best, _ = nnls(scaled, np.ones(len(measured)))
    ratios = scaled @ best
    fit = dict(zip(("LAYER", "ACTIVATION", "MULTIPLY_ADD"), best.tolist(), strict=True))
    print(json.dumps({**fit, "least_ratio": float(ratios.min()), "most_ratio": float(ratios.max())}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
