"""What `gpu.py` measures, each part in a process of its own: `gpu_parts.py PART OPTIONS`, rows on standard output.

`OPTIONS` is JSON: `device`, `images` (a file of them), `precision`, `batch`, `epochs` (timed ones, at most), `until`
(when to be done, by `time.monotonic()`, which is one for all processes) and more. A part that comes to the end of its
time says what it leaves out.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import gpu_formats
import gpu_kernels
import gpu_methods
import gpu_stacked
import gpu_together
import torch
from gpu_trainings import CASES, RESNET, STUDENT, TEACHER, Case, Runner, late, load, memory, training, wait
from torch.nn import functional as F

from hpmkd.config.specs import PAD
from hpmkd.data.images import Splits
from hpmkd.models import build
from hpmkd.training.device import prepare_device
from hpmkd.training.evaluate import evaluate

_PART_OF_CASE = 2.0  # of what is left for each case: the first ones matter most
# Precision, recorded or not, seed.
ACCURACIES = [("bf16", True, 1), ("fp32", True, 1), ("fp32", False, 1), ("bf16", True, 2), ("fp32", True, 2)]


def core(splits: Splits, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Images per second of one trial, one by one and recorded, in turns; memory; the first epoch with its recording.

    Where time is short a case has fewer timed epochs, so that the next ones have some, too.
    """
    for number, case in enumerate(CASES):
        now = time.monotonic()
        if late(options):
            yield {"part": "core", **case.words, "skipped": "no time left"}
            continue
        until = now + _PART_OF_CASE * (options.until - now) / (len(CASES) - number)
        try:
            yield {"part": "core", **case.words, **_one_by_one_and_recorded(case, splits, options, until)}
        except TimeoutError:
            yield {"part": "core", **case.words, "skipped": "no time left after its first epoch"}
        except Exception as error:
            yield {"part": "core", **case.words, "error": f"{type(error).__name__}: {error}"}


def _one_by_one_and_recorded(case: Case, splits: Splits, options: argparse.Namespace, until: float) -> dict[str, Any]:
    """Raises TimeoutError where the part's time ends before an epoch of each was timed."""
    runners, row, rates = {}, dict[str, Any](), dict[str, list[float]]()
    for name, graph in (("one_by_one", False), ("recorded", True)):
        if options.device == "cuda":
            torch.cuda.empty_cache()
        before = memory(options)
        runners[name] = Runner(training(case, splits, 1000, options, graph), options)
        row[f"{name}_first_epoch_s"] = round(runners[name].seconds(), 3)
        row[f"{name}_mib"] = None if before is None else round((memory(options) - before) / 2**20)
        rates[name] = []
        if late(options):
            raise TimeoutError
    for number in range(options.epochs):
        if number and time.monotonic() > until:
            break
        for name, runner in runners.items():
            rates[name].append(runner.rate())
    row |= {f"{name}_images_s": round(statistics.median(values)) for name, values in rates.items()}
    row["ratio"] = round(statistics.median(b / a for a, b in zip(*rates.values(), strict=True)), 2)
    return {**row, "timed_epochs": len(rates["recorded"]), "steps": runners["recorded"].training.step.description}


def setting(splits: Splits, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """One combination of precision, TF32 and cuDNN's search for kernels, from a process's first epoch on."""
    case = Case("Direct", RESNET if options.model == "resnet20" else STUDENT, 0)
    runner = Runner(training(case, splits, 1000, options, True), options)
    first = runner.seconds()
    rates = [runner.rate()]
    while len(rates) < options.epochs and not late(options):
        rates.append(runner.rate())
    row = {"part": "settings", **case.words, "precision": options.precision, "tf32": options.tf32}
    row |= {"cudnn_benchmark": options.benchmark, "first_epoch_s": round(first, 3)}
    yield {**row, "images_s": round(statistics.median(rates)), "steps": runner.training.step.description}


def loop(splits: Splits, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Against a training loop as people write it: eager, fp32, one loss read at each step."""
    options.precision = "fp32"
    for case in CASES[:2]:
        if late(options):
            yield {"part": "loop", **case.words, "skipped": "no time left"}
            continue
        people, ours = _people(case, splits, options), Runner(training(case, splits, 1000, options, True), options)
        rates = [(people(), ours.rate())]  # the first ones load kernels and record
        while len(rates) <= options.epochs and not (len(rates) > 1 and late(options)):
            rates.append((people(), ours.rate()))
        theirs, mine = (statistics.median(column) for column in zip(*rates[1:], strict=True))
        row = {"part": "loop", **case.words, "precision": "fp32", "loop_images_s": round(theirs)}
        yield {**row, "recorded_images_s": round(mine), "ratio": round(mine / theirs, 2)}


def _people(case: Case, splits: Splits, options: argparse.Namespace) -> Callable[[], float]:
    """Images per second of an epoch of such a loop: crops one offset per batch, flips half of the images."""
    device = torch.device(options.device)
    labels, padded = splits.train.labels.to(device), F.pad(splits.train.pixels.permute(0, 3, 1, 2), (PAD,) * 4)
    images = ((padded - splits.mean.view(1, 3, 1, 1)) / splits.std.view(1, 3, 1, 1)).to(device)
    model, teacher = (build(spec, 1).to(device, memory_format=torch.contiguous_format) for spec in (STUDENT, TEACHER))
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)

    def epoch() -> float:
        start, total = time.perf_counter(), 0.0
        for chosen in torch.randperm(len(labels), device=device).split(options.batch):
            y, x = torch.randint(0, 2 * PAD + 1, (2,)).tolist()
            batch = images[chosen, :, y : y + 32, x : x + 32]
            flipped = (torch.rand(len(batch), device=device) < 0.5)[:, None, None, None]
            batch = torch.where(flipped, batch.flip(3), batch)
            logits = model(batch).logits
            loss = F.cross_entropy(logits, labels[chosen])
            if case.teachers:
                with torch.no_grad():
                    soft = F.softmax(teacher(batch).logits / 4, dim=1)
                loss = 0.1 * loss + 0.9 * 16 * F.kl_div(F.log_softmax(logits / 4, 1), soft, reduction="batchmean")
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
        wait(options)
        return len(labels) / (time.perf_counter() - start)

    return epoch


def evaluation(splits: Splits, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Images per second of an evaluation of the test images."""
    for model in (STUDENT, RESNET):
        for precision in ("fp32", "bf16"):
            options.precision = precision
            if late(options):
                yield {"part": "evaluation", "model": model.arch, "precision": precision, "skipped": "no time left"}
                continue
            one = training(Case("Direct", model, 0), splits, 1, options, False)
            test, seconds = splits.test.to(one.device), list[float]()
            while len(seconds) <= max(2, options.epochs) and not (len(seconds) > 2 and late(options)):
                wait(options)
                start = time.perf_counter()
                evaluate(one.model, test, one.normalise, precision)
                seconds.append(time.perf_counter() - start)
            row = {"part": "evaluation", "model": model.arch, "precision": precision, "images": len(test)}
            yield {**row, "images_s": round(len(test) / statistics.median(seconds[1:]))}


def accuracy(splits: Splits, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Test accuracy of Direct students of the published length, in each precision, one by one and recorded."""
    for precision, graph, seed in ACCURACIES:
        options.precision, epochs = precision, options.student_epochs
        one = training(CASES[0], splits, epochs, options, graph, seed)
        row = {"part": "accuracy", "method": "Direct", "precision": precision, "seed": seed, "epochs": epochs}
        row["steps"] = one.step.description
        results = one.epochs()
        while one.epoch < epochs and not late(options):
            next(results)
        if one.epoch < epochs:
            yield {**row, "skipped": f"no time left after {one.epoch} epochs"}
            return
        test = evaluate(one.model, splits.test.to(one.device), one.normalise, precision)
        yield {**row, "test_pct": round(test, 2), "seconds": round(one.train_seconds, 2)}


def trial(splits: Splits, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """One of several side by side: says that it is ready, waits for a line, trains for its seconds, or two epochs."""
    runner = Runner(training(CASES[1], splits, 1000, options, True), options)
    runner.seconds()
    yield {"ready": True}
    sys.stdin.readline()
    start, epochs = time.perf_counter(), 0
    while epochs < min(2, options.epochs) or time.perf_counter() - start < options.timed_seconds:
        runner.seconds()
        epochs += 1
    yield {"images_s": epochs * len(splits.train) / (time.perf_counter() - start), "epochs": epochs}


PARTS = {"core": core, "setting": setting, "loop": loop, "evaluation": evaluation, "accuracy": accuracy, "trial": trial}
PARTS |= {"kernels": gpu_kernels.measure, "formats": gpu_formats.measure, "together": gpu_together.measure}
PARTS |= {"methods": gpu_methods.measure, "stacked": gpu_stacked.measure}


def main(words: list[str]) -> int:
    """Does one part."""
    name, given = words
    options = argparse.Namespace(**json.loads(given))
    torch.set_num_threads(1)
    prepare_device(torch.device(options.device), options.share, tf32=options.tf32, benchmark=options.benchmark)
    for row in PARTS[name](load(options.images), options):
        print(json.dumps(row), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
