"""What the time of a recorded step goes to: its kernels, and what lies between them. Part `kernels` of `gpu.py`.

    python tests/benchmarks/gpu_kernels.py rows.json kernels.svg    # draws what was measured, where matplotlib is

A kernel's kind is told by its name. Some of cuDNN's, such as Fourier transforms, have the same name whether they
compute outputs or gradients: those are "convolution, either way".
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import torch
from gpu_trainings import NAMED, Runner, late, training, wait
from torch.profiler import ProfilerActivity, profile

from hpmkd.data.images import Splits
from hpmkd.training.device import prepare_device
from hpmkd.training.op_profiler import kernel_seconds, kernels

Row = dict[str, Any]
# Case, precision, TF32; the first ones matter most.
WANTED = [("KD", "fp32", False), ("KD", "bf16", False), ("KD", "fp32", True), ("AT", "fp32", False)]
WANTED += [("FitNets", "fp32", False), ("Direct", "fp32", False), ("HPM-KD", "fp32", False)]
WANTED += [("teacher", "fp32", False), ("Direct", "bf16", False)]
# The first one whose words are in a kernel's name, in lower case; operators of the CPU are found by them, too.
KINDS = {
    "optimiser": r"multi_tensor|optimizer|_foreach_|_fused_|addcdiv",
    "pooling": r"pool",
    "convolution gradients": r"wgrad|dgrad|convolution_backward",
    "convolution forward": r"fprop|convolve_|aten::.*conv",
    "convolution, either way": r"fft\dd|_cf32|winograd|implicitgemm|cutlass__5x_cudnn|scalepackedtensor",
    "products of matrices": r"gemm|cutlass|cublas|splitk|scal_kernel|aten::(addmm|mm|bmm|linear|matmul)",
    "copies and fills": r"memcpy|memset|copy|fill|nchwtonhwc|nhwctonchw|addpadding|converttensor|aten::zero",
    "elementwise and sums": r"elementwise|reduce_kernel|softmax|nll_loss|index|batch_?norm|catarray|aten::",
    "other": "",
}
BETWEEN = "between kernels"
_TOP, _NAME = 15, 110
_TIMED = 3  # epochs, of which the fastest counts
_PART_OF_RATES = 0.6  # of the time; the rest is for the profiler, which is started after them because it slows steps


def kind(name: str) -> str:
    """Which of `KINDS` a kernel, or an operator of the CPU, is."""
    return next(one for one, words in KINDS.items() if re.search(words, name.lower()))


def measure(splits: Splits, options: argparse.Namespace) -> Iterator[Row]:
    """Of each case images per second and microseconds per step, then the kernels of its step."""
    os.environ.setdefault("TEARDOWN_CUPTI", "0")  # what the profiler takes apart, recorded steps still use
    until = time.monotonic() + _PART_OF_RATES * (options.until - time.monotonic())
    found: list[tuple[Row, Runner]] = []
    for name, precision, tf32 in WANTED:
        row: Row = {"part": "kernels", "case": name, "precision": precision, "tf32": tf32}
        if found and time.monotonic() > until:
            yield {**row, "skipped": "no time left"}
            continue
        try:
            found.append(_rated(row, splits, options))
        except Exception as error:
            yield {**row, "error": f"{type(error).__name__}: {error}"}
    rows: list[Row] = []
    for row, runner in found:
        if rows and late(options):
            yield {**row, "skipped": "no time left for its kernels"}
            continue
        try:
            rows.append({**row, **_kernels(runner, float(row["step_us"]))})
        except RuntimeError as error:
            yield {**row, "error": f"{type(error).__name__}: {error}"}
            continue
        yield rows[-1]
    if getattr(options, "picture", None):
        yield {"part": "kernels", **picture(rows, Path(options.picture))}


def _rated(row: Row, splits: Splits, options: argparse.Namespace) -> tuple[Row, Runner]:
    options.precision = row["precision"]
    prepare_device(torch.device(options.device), tf32=row["tf32"], benchmark=False)
    case = NAMED[row["case"]]
    runner = Runner(training(case, splits, 1000, options, True), options)
    first = runner.seconds()
    rate = max(runner.rate() for _ in range(_TIMED))
    row = {**row, **case.words, "first_epoch_s": round(first, 3), "images_s": round(rate)}
    return {**row, "step_us": round(1e6 * options.batch / rate), "steps": runner.training.step.description}, runner


def _kernels(runner: Runner, step_us: float) -> Row:
    """Of a step: how many kernels, their time by kind, and those that take longest: microseconds, calls, name."""
    one, on_gpu = runner.training, runner.options.device == "cuda"
    drawn = list(one.batches.draws(5, 0))
    full = [batch for batch in drawn if len(batch[0]) == len(drawn[0][0])]
    steps = 50 if on_gpu else 4
    wait(runner.options)
    seen = profile(activities=[ProfilerActivity.CUDA if on_gpu else ProfilerActivity.CPU])
    seen.start()
    for index, view in islice(cycle(full), steps):
        one.step(index, view, 1.0, 0.0)
    wait(runner.options)
    seen.stop()
    averages = seen.key_averages()
    if on_gpu:
        events = [(1e6 * kernel_seconds(event), event.count, event.key) for event in kernels(averages)]
    else:
        events = [(float(event.self_cpu_time_total), event.count, event.key) for event in averages]
    rows = sorted(((us / steps, count / steps, name) for us, count, name in events), reverse=True)
    kinds = {one: round(sum(us for us, _, name in rows if kind(name) == one), 1) for one in KINDS}
    total = sum(us for us, _, _ in rows)
    top = [[round(us, 1), round(count, 2), name[:_NAME]] for us, count, name in rows[:_TOP]]
    row: Row = {"kernels": round(sum(count for _, count, _ in rows), 1), "kernel_us": round(total, 1)}
    return {**row, "kinds_us": {**kinds, BETWEEN: round(max(0.0, step_us - total), 1)}, "top": top}


def picture(rows: Sequence[Row], file: Path) -> Row:
    """A bar for each case, as long as its step, in pieces by kind of kernel; what has become of it, as fields."""
    try:
        from hpmkd.analysis.plots import style
    except ImportError as error:
        return {"picture": str(file), "skipped": f"{error}; gpu_kernels.py draws it from the rows"}
    if not rows:
        return {"picture": str(file), "skipped": "no kernels to draw"}
    names = [_label(row) for row in rows]
    with style.styled():
        figure, (axes,) = style.panels([0.3 * len(rows) + 0.4], ["Kernels of one recorded step"])
        lefts = [0.0] * len(rows)
        colours = style.colours([*KINDS, BETWEEN])
        for one, colour in colours.items():
            widths = [float(row["kinds_us"][one]) for row in rows]
            axes.barh(range(len(rows)), widths, left=lefts, height=0.65, color=colour, label=one)
            lefts = [left + width for left, width in zip(lefts, widths, strict=True)]
        style.rows(axes, names)
        axes.set_xlabel("microseconds")
        style.legend(figure, [axes], list(colours))
    file.write_bytes(style.render(figure, "svg"))
    return {"picture": str(file)}


def _label(row: Row) -> str:
    return f"{row['case']} {'TF32' if row['tf32'] else row['precision']}"


def main(words: list[str]) -> int:
    """Draws the rows of a JSON file of `gpu.py`."""
    rows = json.loads(Path(words[0]).read_text())["rows"]
    done = picture([row for row in rows if row["part"] == "kernels" and "kinds_us" in row], Path(words[1]))
    print(json.dumps(done))
    return 1 if "skipped" in done else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
