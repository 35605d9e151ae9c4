"""Could the feature methods of a run share their teacher's maps, as logit methods share its answers?

    python tests/benchmarks/shared_features.py                          # the LeNet5 pair, batch 64
    python tests/benchmarks/shared_features.py --pair resnet20:resnet8

One process, one thread; images and weights are made up. In each round the teacher's forward pass with its maps, the
same maps read from a file that has them in the order in which students show the images, their writing, and whole steps
of AT take turns over as many batches; the file stays in the system's cache, so that the disk costs nothing. Printed:
processor time per image of each, what part of a step of AT reading saves, and how large the file of one run would be.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from gpu_trainings import SPEC, Case, made_up, training
from step_cost import PAIRS, settings

from hpmkd.data.images import split
from hpmkd.training.train import Training

_EPOCHS, _RUN_IMAGES = 30, 10_000


def seconds(work: Callable[[], object]) -> float:
    """Processor time of it."""
    start = time.process_time()
    work()
    return time.process_time() - start


def maps_of(one: Training, batch: int) -> tuple[torch.Tensor, ...]:
    """The teacher's maps of the images of one batch."""
    index = torch.arange(one.fit.batch_size) + batch * one.fit.batch_size
    shown = one.batches.take(index, torch.zeros_like(index))
    return tuple(one.step.teachers[0].outputs(shown, frozenset({"features"})).features)


def measure(options: argparse.Namespace) -> list[list[float]]:
    """In each round the seconds of asking, of reading, of writing, and of whole steps; the first is not counted."""
    torch.set_num_threads(1)
    teacher, student = PAIRS[options.pair]
    splits = split(made_up(options.batches * options.batch * 10 // 8), SPEC)
    own = argparse.Namespace(batch=options.batch, precision="fp32", device="cpu")
    one = training(Case("AT", student, teacher=teacher), splits, 1000, own, graph=False, hparams=settings())
    draws = [(index, view) for index, view in one.batches.draws(1, 0) if len(index) == options.batch][: options.batches]
    one.step.begin()
    known = [maps_of(one, batch) for batch in range(options.batches)]
    layouts = [each.stride() for each in known[0]]
    sizes = [each.numel() for each in known[0]]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "maps.bin"
        file = np.memmap(path, np.float32, "w+", shape=(options.batches, sum(sizes)))

        def ask() -> None:
            for batch in range(options.batches):
                maps_of(one, batch)

        def write() -> None:
            for row, maps in zip(file, known, strict=True):
                row[:] = np.concatenate([each.permute(0, 2, 3, 1).reshape(-1).numpy() for each in maps])

        def read() -> None:
            for row in file:
                parts = torch.from_numpy(np.array(row)).split(sizes)  # a copy: workers may lose the file
                [part.as_strided(each.shape, how) for part, each, how in zip(parts, known[0], layouts, strict=True)]

        def steps() -> None:
            for index, view in draws:
                one.step(index, view, 1.0, 0.0)

        return [[seconds(work) for work in (ask, read, write, steps)] for _ in range(options.rounds + 1)][1:]


def main(argv: list[str] | None = None) -> list[str]:
    """Measures, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pair", choices=PAIRS, default="lenet5")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--batches", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args(argv)
    rounds = measure(options)
    images = options.batches * options.batch
    lines = ["| of an image | microseconds | smallest | largest |", "| --- | ---: | ---: | ---: |"]
    for place, name in enumerate(("the teacher's maps", "reading them", "writing them", "a step of AT")):
        each = [1e6 * one[place] / images for one in rounds]
        lines.append(f"| {name} | {statistics.median(each):.0f} | {min(each):.0f} | {max(each):.0f} |")
    saved = statistics.median((asked - got) / step for asked, got, _, step in rounds)
    paid = statistics.median((written + got) / asked for asked, got, written, _ in rounds)
    teacher, _ = PAIRS[options.pair]
    values = bytes_per_image(options)
    lines += [
        f"reading in place of asking saves {saved:.0%} of a step of AT; to write and read once is {paid:.2f} of asking",
        f"an image has {values / 1024:.0f} KiB of maps in one view; {_EPOCHS} epochs of {_RUN_IMAGES:,} images "
        f"{values * _EPOCHS * _RUN_IMAGES / 2**30:.0f} GiB in each run, of one {teacher.arch}",
    ]
    print("\n".join(lines))
    return lines


def bytes_per_image(options: argparse.Namespace) -> int:
    """Of the teacher's maps, in fp32."""
    from hpmkd.methods.base import feature_shapes

    return 4 * sum(int(np.prod(shape)) for shape in feature_shapes(PAIRS[options.pair][0]))


if __name__ == "__main__":
    main()
