"""How much of a core's arithmetic does a trial keep up? Training steps beside a large fp32 matrix product.

    python tests/benchmarks/arithmetic.py                                  # four networks, fp32, batch 256
    python tests/benchmarks/arithmetic.py --methods TraditionalKD --precision bf16
    python tests/benchmarks/arithmetic.py --pairs resnet20:resnet8 --batch 64   # a pair beside torch's bare passes

One process, one thread, as a trial has them. Each round multiplies two matrices for a while and then trains an epoch
on made-up images, augmentation, optimiser and all; floating-point operations are counted by torch's own counter over
one step. Printed per network: how much of the matrix product's rate the training reaches, the median of the rounds.
Also `convolutions`: the same for nothing but the network's forward and backward pass on one batch, which a training
loop can hardly beat, and what the loop reaches of that.

`--pairs TEACHER:STUDENT` puts whole steps of distillation (images cut and turned, teacher, student, loss, optimiser)
beside the bare passes of the same two networks on one batch: the teacher forward, the student forward and backward, in
turns, some steps each, and beside the method's own work: its loss forward and backward on one batch of outputs.
`bare_part`: what of our processor time bare passes and own work take together, the median of the rounds, and the
smallest and largest. Processor time, not seconds: on a busy machine it is the same.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import sys
import time
from collections.abc import Callable

import torch
from gpu_methods import SEVERAL
from gpu_trainings import RESNET, SPEC, STUDENT, TEACHER, Case, made_up, training
from step_cost import settings
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from hpmkd.config.specs import ModelSpec
from hpmkd.data.images import split
from hpmkd.hardware import ALLOCATOR
from hpmkd.models import build
from hpmkd.training.device import autocast, fp32
from hpmkd.training.train import Training

NETWORKS = {
    "lenet5_student": STUDENT,
    "lenet5_teacher": TEACHER,
    "resnet8": ModelSpec("resnet8", (16, 32, 64), 3, 32, 10),
    "resnet20": RESNET,
}
SIDE = 2048


def rate(work: Callable[[], object], operations: float, seconds: float) -> float:
    """Operations per second of `work`, called again and again for so long."""
    start, calls = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        work()
        calls += 1
    return calls * operations / (time.perf_counter() - start)


def operations_of(work: Callable[[], object]) -> float:
    """Floating-point operations of one call: convolutions and matrix products."""
    with FlopCounterMode(display=False) as counter:
        work()
    return float(counter.get_total_flops())


def passes(one: Training, precision: str) -> Callable[[], object]:
    """Forward and backward pass of the network, and nothing else, on one batch."""
    index = torch.arange(one.fit.batch_size)
    batch = one.batches.take(index, torch.zeros_like(index))
    taps = dict.fromkeys(one.distiller.needs, True)

    def work() -> None:
        with autocast(precision, one.device):
            logits = one.model(batch.images, **taps).logits
        F.cross_entropy(logits.float(), batch.labels).backward()  # type: ignore[no-untyped-call]

    return work


def own_work(one: Training) -> Callable[[], object]:
    """A method's loss, forward and backward, on what its networks gave for one batch."""
    index = torch.arange(one.fit.batch_size)
    batch = one.batches.take(index, torch.zeros_like(index))
    taps = one.distiller.needs
    with torch.no_grad():
        ours = fp32(one.model(batch.images, **dict.fromkeys(taps, True)))
        known = [teacher.outputs(batch, taps) for teacher in one.step.teachers]
    leaves = (ours.logits, ours.embedding, ours.last_maps, *ours.features, *ours.pre_activations)
    for tensor in leaves:
        if tensor is not None:
            tensor.requires_grad_()

    def work() -> None:
        one.distiller.which = batch.which
        terms = one.distiller.loss(ours, known, batch.labels, 0.5)
        torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
        for tensor in leaves:
            if tensor is not None:
                tensor.grad = None

    return work


def measure(method: str, name: str, options: argparse.Namespace) -> dict[str, object]:
    """One network's row."""
    splits = split(made_up(options.images), SPEC)
    case = Case(method, NETWORKS[name], int(method != "Direct"))
    one = training(case, splits, 10_000, options, False)
    images, views = len(splits.train), torch.zeros(options.batch, dtype=torch.long)
    first = torch.arange(options.batch)
    per_image = operations_of(lambda: one.step(first, views, 1.0, 0.0)) / options.batch
    bare = passes(one, options.precision)
    bare_operations = operations_of(bare)
    one.step.begin()
    epochs = one.epochs()
    next(epochs)
    left = torch.rand(SIDE, SIDE)
    rows = []
    for _ in range(options.rounds):
        product = rate(lambda: left @ left, 2 * SIDE**3, options.seconds)
        start, spent, done = time.perf_counter(), one.validate_seconds, 0
        while time.perf_counter() - start < options.seconds:
            next(epochs)
            done += images
        trained = done * per_image / (time.perf_counter() - start - (one.validate_seconds - spent))
        rows.append((product, trained, rate(bare, bare_operations, options.seconds)))
    part = statistics.median(trained / product for product, trained, _ in rows)
    network = statistics.median(alone / product for product, _, alone in rows)
    return {
        "method": method,
        "network": name,
        "product_gflops": round(statistics.median(row[0] for row in rows) / 1e9, 1),
        "training_gflops": round(statistics.median(row[1] for row in rows) / 1e9, 1),
        "part_of_product": round(part, 3),
        "convolutions_part": round(network, 3),
        "loop_part_of_convolutions": round(statistics.median(row[1] / row[2] for row in rows), 3),
    }


def network(arch: str) -> ModelSpec:
    """A network by its name; of those that are not in `NETWORKS`, with the widths of a CIFAR ResNet."""
    return NETWORKS.get(arch) or ModelSpec(arch, (16, 32, 64), 3, 32, 10)


def seconds(work: Callable[[], object], calls: int) -> float:
    """Processor seconds of a call."""
    start = time.process_time()
    for _ in range(calls):
        work()
    return (time.process_time() - start) / calls


def compare(pair: str, method: str, options: argparse.Namespace) -> dict[str, object]:
    """One pair's row."""
    teacher, student = map(network, pair.split(":"))
    splits = split(made_up(options.images), SPEC)
    case = Case(method, student, SEVERAL.get(method, int(method != "Direct")), teacher=teacher)
    one = training(case, splits, 10_000, options, graph=False, hparams=settings())
    of_student = passes(one, options.precision)
    networks = [build(teacher, 2).eval().requires_grad_(False)] * len(one.step.teachers)
    index = torch.arange(options.batch)
    batch = one.batches.take(index, torch.zeros_like(index))

    def bare() -> None:
        with torch.no_grad(), autocast(options.precision, one.device):
            for each in networks:
                each(batch.images, **dict.fromkeys(one.distiller.needs, True))
        of_student()

    own = own_work(one)
    draws = itertools.cycle([drawn for drawn in one.batches.draws(1, 0) if len(drawn[0]) == options.batch])
    one.step.begin()

    def ours() -> None:
        one.step(*next(draws), 1.0, 0.0)

    works = (ours, bare, own)
    for work in works:
        seconds(work, options.calls)
    rows = [[seconds(work, options.calls) for work in works] for _ in range(options.rounds)]
    parts = [(alone + loss) / whole for whole, alone, loss in rows]
    return {
        "pair": pair,
        "method": method,
        "ours_ms": round(1000 * statistics.median(row[0] for row in rows), 1),
        "bare_ms": round(1000 * statistics.median(row[1] for row in rows), 1),
        "own_ms": round(1000 * statistics.median(row[2] for row in rows), 1),
        "bare_part": round(statistics.median(parts), 3),
        "from": round(min(parts), 3),
        "to": round(max(parts), 3),
    }


def with_allocator() -> None:
    """The allocator reads its settings when a process starts, so this one starts once more, as a trial's does."""
    if not ALLOCATOR.keys() <= os.environ.keys():
        os.environ.update(ALLOCATOR)
        os.execv(sys.executable, [sys.executable, *sys.argv])


def main(words: list[str]) -> int:
    """Prints one JSON line per network, or pair, and method."""
    parser = argparse.ArgumentParser(prog="arithmetic.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--methods", nargs="+", default=["Direct"])
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=list(NETWORKS))
    parser.add_argument("--precision", default="fp32", choices=["fp32", "bf16"])
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--images", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each kind of work, per round")
    parser.add_argument("--pairs", nargs="+", metavar="TEACHER:STUDENT", help="instead of --networks")
    parser.add_argument("--calls", type=int, default=5, help="of each kind of step, per round of a pair")
    options = parser.parse_args(words)
    options.device = "cpu"
    torch.set_num_threads(1)
    for pair in options.pairs or []:
        for method in ["Direct", "TraditionalKD"] if options.methods == ["Direct"] else options.methods:
            print(json.dumps(compare(pair, method, options)), flush=True)
    if options.pairs:
        return 0
    for method in options.methods:
        for name in options.networks:
            print(json.dumps(measure(method, name, options)), flush=True)
    return 0


if __name__ == "__main__":
    with_allocator()
    sys.exit(main(sys.argv[1:]))
