"""The steps of several students in one process, as one CUDA graph, which share their batch and what teachers say of it.

Part `together` of `gpu.py`. The students' steps are recorded one after the other, or each on a stream of its own, so
that the GPU may do them at the same time.
"""

from __future__ import annotations

import argparse
import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from itertools import cycle, islice
from typing import Any

import torch
from gpu_formats import in_nchw
from gpu_trainings import NAMED, late, memory, training, wait
from torch import Tensor

from hpmkd.data.augment import Batch, TrainBatches
from hpmkd.data.images import Splits
from hpmkd.methods.base import Taps
from hpmkd.models import ModelOutput
from hpmkd.training.device import prepare_device
from hpmkd.training.teachers import Teacher
from hpmkd.training.train import Training

_MIX = ("Direct", "KD", "FitNets", "AT", "KD")
# Students, on streams of their own, with one batch and teacher for all; the first ones matter most.
WANTED = [(("KD",), False, True), (("KD",) * 4, True, True), (("KD",) * 8, True, True), (_MIX, True, True)]
WANTED += [(("KD",) * 4, False, True), (("KD",) * 4, True, False), (_MIX, False, True), (("KD",) * 16, True, True)]
WANTED += [(("KD",) * 8, False, True), (_MIX, True, False)]
_WARM = 3  # steps before the recording


class Shared:
    """Batches, and teachers' outputs on them, that are made once for all students of a step.

    It stands in the place of each one's batches, and `Known` in that of its teachers.
    """

    def __init__(self, batches: TrainBatches, teachers: Sequence[Teacher], taps: Taps) -> None:
        self.batches, self.teachers, self.taps = batches, teachers, taps
        self.batch: Batch | None = None
        self.known: list[ModelOutput] = []

    def make(self, index: Tensor, view: Tensor) -> None:
        """A step begins."""
        self.batch = self.batches.take(index, view)
        self.known = [teacher.outputs(self.batch, self.taps) for teacher in self.teachers]

    def take(self, index: Tensor, view: Tensor) -> Batch:
        """See `TrainBatches`; what was made."""
        assert self.batch is not None
        return self.batch


class Known:
    """One of the teachers, asked before: of a `Shared`, its number."""

    def __init__(self, shared: Shared, number: int) -> None:
        self.shared, self.number = shared, number

    def outputs(self, batch: Batch, taps: Taps = frozenset()) -> ModelOutput:
        """See `Teacher`."""
        return self.shared.known[self.number]


class Together:
    """A step of all trainings on the same images.

    Args:
        trainings: with teachers of the same weights; each keeps its model, loss and optimiser.
        parallel: each on a stream of its own, where there is a GPU.
        shared: batch and teachers' outputs are made once, not by each.
    """

    def __init__(self, trainings: Sequence[Training], parallel: bool, shared: bool) -> None:
        self.trainings, device = list(trainings), trainings[0].device
        self.shared: Shared | None = None
        if shared:
            most = max(self.trainings, key=lambda one: len(one.teachers))
            taps = frozenset[str]().union(*(one.distiller.needs for one in self.trainings))
            self.shared = Shared(most.batches, most.teachers, taps)
            for one in self.trainings:
                one.batches = self.shared.batches  # lets go of its own images
                one.step.batches = self.shared  # type: ignore[assignment]
                one.step.teachers = [Known(self.shared, number) for number in range(len(one.teachers))]  # type: ignore[misc]
        on_streams = parallel and device.type == "cuda"
        self.streams = [torch.cuda.Stream() if on_streams else None for _ in self.trainings]  # type: ignore[no-untyped-call]
        self.progress = torch.zeros((), device=device)

    def __call__(self, index: Tensor, view: Tensor) -> None:
        """Does the step, or records it. Branches that a recording begins have joined again at its end."""
        if self.shared is not None:
            self.shared.make(index, view)
        for one, stream in zip(self.trainings, self.streams, strict=True):
            if stream is not None:
                stream.wait_stream(torch.cuda.current_stream())
            # What is shared lives on in `shared` until all have joined: its memory is not taken for anything else.
            with nullcontext() if stream is None else torch.cuda.stream(stream):
                one.step.run(index, view, 1.0, self.progress, taught=True)
        for stream in self.streams:
            if stream is not None:
                torch.cuda.current_stream().wait_stream(stream)


def recorded(work: Callable[[], None]) -> Callable[[], None]:
    """The work as one CUDA graph with a pool of its own.

    Not `training.captures`: its graphs share a pool because each is one sequence and they are played one after the
    other; this one has branches, which must not use each other's memory.
    """
    side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(_WARM):
            work()
    torch.cuda.current_stream().wait_stream(side)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    return graph.replay


def timed(
    step: Callable[[Tensor, Tensor], None], first: Training, count: int, options: argparse.Namespace
) -> tuple[float, int]:
    """Seconds of a step of `count` students on whole batches of the first one's, recorded on a GPU; images of all."""
    on_gpu = options.device == "cuda"
    drawn = list(first.batches.draws(1, 0))
    batches = [batch for batch in drawn if len(batch[0]) == len(drawn[0][0])]
    index, view = (part.clone() for part in batches[0])
    play = recorded(lambda: step(index, view)) if on_gpu else lambda: step(index, view)
    steps, warm = (300, 10) if on_gpu else (2, 1)
    start = 0.0
    for number, batch in enumerate(islice(cycle(batches), warm + steps)):
        if number == warm:
            wait(options)
            start = time.perf_counter()
        index.copy_(batch[0])
        view.copy_(batch[1])
        play()
    wait(options)
    return (time.perf_counter() - start) / steps, count * len(index)


def measure(splits: Splits, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Microseconds of a step of all students, and images per second of all of them: first in channels_last."""
    alone: dict[str, int] = {}
    wanted = [(*one, how) for how in ("channels_last", "nchw") for one in WANTED]
    for number, (names, parallel, shared, how) in enumerate(wanted):
        row: dict[str, Any] = {"part": "together", "students": " ".join(names), "count": len(names), "format": how}
        row |= {"parallel": parallel, "shared": shared}
        if number and late(options):
            yield {**row, "skipped": "no time left"}
            continue
        try:
            row |= _timed(names, row, splits, options)
            row["ratio_to_first"] = round(row["images_s"] / alone.setdefault(how, row["images_s"]), 2)
        except Exception as error:
            row["error"] = f"{type(error).__name__}: {error}"
        yield row


def _timed(names: Sequence[str], row: dict[str, Any], splits: Splits, options: argparse.Namespace) -> dict[str, Any]:
    options.precision, on_gpu = "fp32", options.device == "cuda"
    prepare_device(torch.device(options.device), benchmark=False)
    gc.collect()  # the graph of the row before; one that dies in the middle of a recording would break it
    if on_gpu:
        torch.cuda.empty_cache()
    before, found = memory(options), dict[str, Any]()
    made = [training(NAMED[name], splits, 1000, options, False, seed=1 + place) for place, name in enumerate(names)]
    step = Together([in_nchw(one) if row["format"] == "nchw" else one for one in made], row["parallel"], row["shared"])
    seconds, images = timed(step, made[0], len(names), options)
    if before is not None:
        found["mib"] = round((memory(options) or 0.0) / 2**20 - before / 2**20)
    return {**found, "recorded": on_gpu, "step_us": round(1e6 * seconds), "images_s": round(images / seconds)}
