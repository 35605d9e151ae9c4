"""How fast are our trainings beside torchdistill's, on the same images, networks, batches and optimisers?

    python tests/benchmarks/peers.py --data FOLDER                     # every pair and method, three rounds
    python tests/benchmarks/peers.py --data FOLDER --pairs lenet5 --methods Direct TraditionalKD
    python tests/benchmarks/peers.py --data FOLDER --processor-time    # on a busy machine

Needs torchdistill (`pip install -e '.[bench]'`), of which the boxes, losses, helper modules and loop are taken; its
networks are ours, with the same weights, and its images go through torchvision's transforms, as its configs have them.
Ours: one trial per core, each a process of one thread, as a sweep has them. Theirs in three ways. `as_shipped`: one
process with a thread and a loader worker per core. `two_processes` (more where `--processes` says so): trainings side
by side like ours, each of one thread, with as many loader workers or none, whichever is faster. `tuned`: the same with
what its code has no setting for and ours does by itself, networks in channels_last and the allocator's settings.

Timed is an epoch of training without validation, after the first steps of theirs and the first epoch of ours. Each
round times one way after the other, so that a machine whose speed drifts slows all; ratios are of images per second
over all processes (median, smallest and largest of the rounds). More than 1: ours is faster. fp32; teachers have
weights at random, which are as fast as any. `TraditionalKD-cached` looks logits up in a logits cache (made up, and made
before), beside their living teacher: they have nothing of the kind for images that are cropped and turned anew.

`--processor-time`: both sides in turns in this process, with one thread, the allocator's settings and no loader
workers, some steps each; the ratios are of their processor times, what `two_processes` and `tuned` come to on cores
that have nothing else to do. On a busy machine it is the same.
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from importlib.metadata import version
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any
from unittest import mock

import peer_torchdistill
import torch
from arithmetic import with_allocator
from gpu_trainings import Case, Runner, load, read, save, training
from peer_losses import METHODS
from peer_torchdistill import RECIPES, Work
from speed import together
from step_cost import PAIRS, seconds, settings

from hpmkd.data.images import Splits
from hpmkd.hardware import ALLOCATOR, cores, machine
from hpmkd.training.train import Training

CACHED = "TraditionalKD-cached"
NAMES = ["Direct", "TraditionalKD", CACHED, *(name for name in METHODS if name != "TraditionalKD")]
# Ratios are to the fastest of each.
WAYS = {
    "as_shipped": ["as_shipped"],
    "two_processes": ["no_loaders", "loaders"],
    "tuned": ["tuned_no_loaders", "tuned_loaders"],
}
_EPOCHS = 2  # of which the second is timed


def make_training(work: Work, splits: Splits, hparams: Mapping[str, Any] | None = None) -> Training:
    """Our side of a case."""
    teacher, student = PAIRS[work.pair]
    method = work.method.removesuffix("-cached")
    case = Case(method, student, int(method != "Direct"), work.method == CACHED, teacher)
    options = argparse.Namespace(batch=work.batch, precision="fp32", device="cpu")
    return training(case, splits, _EPOCHS, options, False, hparams=hparams or settings(), optimizer=work.optimizer)


def process(work: Work, ready: Barrier, queue: Any) -> None:
    """Puts images per second of the second epoch on the queue."""
    torch.set_num_threads(work.threads)
    runner = Runner(make_training(work, load(work.images)), argparse.Namespace(device="cpu"))
    runner.seconds()
    ready.wait()
    queue.put(runner.rate())


def one_round(work: Work, count: int) -> dict[str, float]:
    """Images per second of each way, one after the other."""
    theirs, other = work._replace(method=work.method.removesuffix("-cached")), peer_torchdistill.process
    with mock.patch.dict(os.environ, ALLOCATOR):  # processes read it when they start
        ours = together(process, (work,), count)
    rates = {
        "ours": ours,
        "as_shipped": together(other, (theirs._replace(threads=count, workers=count),), 1),
        "no_loaders": together(other, (theirs,), count),
        "loaders": together(other, (theirs._replace(workers=count),), count),
    }
    with mock.patch.dict(os.environ, ALLOCATOR):  # processes read it when they start
        for name, workers in (("tuned_no_loaders", 0), ("tuned_loaders", count)):
            rates[name] = together(other, (theirs._replace(workers=workers, channels_last=True),), count)
    return rates


def spread(ratios: list[float]) -> dict[str, float]:
    """Of the rounds."""
    found = {"median": statistics.median(ratios), "smallest": min(ratios), "largest": max(ratios)}
    return {key: round(value, 2) for key, value in found.items()}


def summary(rounds: list[dict[str, float]]) -> dict[str, Any]:
    """Medians of images per second, and the ratios."""
    medians = {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}
    row: dict[str, Any] = {"images_s": {name: round(value) for name, value in medians.items()}}
    for name, ways in WAYS.items():
        best = max(ways, key=lambda way: medians[way])
        ratios = [one["ours"] / one[best] for one in rounds]
        row[name] = spread(ratios)
    return row


def in_turns(work: Work, splits: Splits, rounds: int, steps: int) -> dict[str, Any]:
    """Processor time, ours and theirs, after a round that is not counted."""
    one = make_training(work, splits)
    one.model.train()
    one.distiller.train()
    one.step.begin()
    theirs = work._replace(method=work.method.removesuffix("-cached"))
    boxes = [peer_torchdistill.make_box(theirs._replace(channels_last=last), splits) for last in (False, True)]
    rows = []
    for _ in range(rounds + 1):
        times = [seconds(one, steps)]
        for box in boxes:
            start = time.process_time()
            peer_torchdistill.train(box, steps)
            times.append(time.process_time() - start)
        rows.append(times)
    row: dict[str, Any] = {"us_per_image": {}}
    for place, name in enumerate(("ours", "two_processes", "tuned")):
        each = statistics.median(times[place] for times in rows[1:]) / steps / work.batch
        row["us_per_image"][name] = round(1e6 * each)
        if place:
            row[name] = spread([times[place] / times[0] for times in rows[1:]])
    return row


def parsed(words: list[str] | None) -> argparse.Namespace:
    """What is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words_of_data = "a folder with train.parquet and test.parquet, 32x32 in colour"
    default = "default: %(default)s"
    parser.add_argument("--data", type=Path, required=True, help=words_of_data)
    parser.add_argument("--images", type=int, default=10_000, help=default)
    parser.add_argument("--rounds", type=int, default=3, help=default)
    parser.add_argument("--pairs", nargs="+", choices=PAIRS, default=list(PAIRS))
    parser.add_argument("--methods", nargs="+", choices=NAMES, default=NAMES)
    parser.add_argument("--batch", type=int, help="default: 256 of LeNet5, 64 of ResNets")
    parser.add_argument("--processes", type=int, default=2, help="side by side; cores that either side has")
    parser.add_argument("--processor-time", action="store_true")
    parser.add_argument("--steps", type=int, default=10, help=f"with --processor-time, in a round ({default})")
    return parser.parse_args(words)


def main(words: list[str] | None = None) -> int:
    """Prints one JSON line about the machine, and one per pair and method."""
    options = parsed(words)
    try:
        importlib.import_module("torchdistill")
    except ImportError:
        print("peers.py: torchdistill is not installed: pip install -e '.[bench]'", file=sys.stderr)
        return 2
    versions = {name: version(name) for name in ("torch", "torchvision", "torchdistill")}
    told = {"images": options.images, "rounds": options.rounds, "processes": options.processes}
    print(json.dumps({"machine": machine(), "cores": cores(), **versions, **told}), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        images = f"{folder}/images.pt"
        save(read(options.data, options.images), Path(images))
        if options.processor_time:
            torch.set_num_threads(1)
        for pair, method in itertools.product(options.pairs, options.methods):
            work = Work(pair, method, options.batch or RECIPES[pair][2], images)
            if options.processor_time:
                found = in_turns(work, load(images), options.rounds, options.steps)
            else:
                found = summary([one_round(work, options.processes) for _ in range(options.rounds)])
            print(json.dumps({"pair": pair, "method": method, "batch": work.batch, **found}), flush=True)
    return 0


if __name__ == "__main__":
    if "--processor-time" in sys.argv:
        with_allocator()
    sys.exit(main())
