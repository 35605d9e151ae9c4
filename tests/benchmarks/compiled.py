"""LeNet5 by torch and by compiled kernels: whole epochs, in turns. Needs the extra `compiled`.

    python tests/benchmarks/compiled.py  # student, KD with a living teacher, teacher; batch 64 and 256
    python tests/benchmarks/compiled.py --cases KD --batches 64 --rounds 9

One process, one thread, as a trial has them, on made-up images of CIFAR-10's size: augmentation, optimiser, validation
and all. Per round one epoch by each; `ratio` is the median of the rounds' quotients of processor time, and the smallest
and largest of them. `compile_s`: processor time of the first epoch by kernels beyond that of another one; of a machine
that has them already, what it takes to read them.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time

import torch
from gpu_trainings import NAMED, SPEC, made_up, training

from hpmkd.data.images import split
from hpmkd.hardware import ALLOCATOR


def compare(name: str, options: argparse.Namespace) -> dict[str, object]:
    """One case's row."""
    splits = split(made_up(options.images), SPEC)
    runs = {}
    for kernels in ("torch", "compiled"):
        options.kernels = kernels
        runs[kernels] = training(NAMED[name], splits, 10_000, options, False).epochs()

    def seconds(kernels: str) -> float:
        start = time.process_time()
        next(runs[kernels])
        return time.process_time() - start

    first = {kernels: seconds(kernels) for kernels in runs}
    rows = [{kernels: seconds(kernels) for kernels in runs} for _ in range(options.rounds)]
    ratios = [row["torch"] / row["compiled"] for row in rows]
    torch_s, compiled_s = (statistics.median(row[kernels] for row in rows) for kernels in runs)
    return {
        "case": name,
        "batch": options.batch,
        "torch_ms": round(1000 * torch_s),
        "compiled_ms": round(1000 * compiled_s),
        "ratio": round(statistics.median(ratios), 2),
        "from": round(min(ratios), 2),
        "to": round(max(ratios), 2),
        "compile_s": round(first["compiled"] - compiled_s, 1),
    }


def main(words: list[str]) -> int:
    """Prints one JSON line per case and batch."""
    parser = argparse.ArgumentParser(
        prog="compiled.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    default = "default: %(default)s"
    said = f"KD has a living teacher, KD cached looks its logits up ({default})"
    parser.add_argument("--cases", nargs="+", default=["Direct", "KD", "teacher"], choices=list(NAMED), help=said)
    parser.add_argument("--batches", nargs="+", type=int, default=[64, 256], help=default)
    parser.add_argument("--images", type=int, default=2048, help=default)
    parser.add_argument("--rounds", type=int, default=5, help=default)
    options = parser.parse_args(words)
    options.device, options.precision = "cpu", "fp32"
    torch.set_num_threads(1)
    for name in options.cases:
        for batch in options.batches:
            options.batch = batch
            print(json.dumps(compare(name, options)), flush=True)
    return 0


if __name__ == "__main__":
    if not ALLOCATOR.keys() <= os.environ.keys():
        # The allocator reads its settings when a process starts, so this one starts once more, as a trial's does.
        os.environ.update(ALLOCATOR)
        os.execv(sys.executable, [sys.executable, *sys.argv])
    sys.exit(main(sys.argv[1:]))
