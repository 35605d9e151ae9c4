"""How much memory do the workers of a machine take for a large data set, copied in each of them or mapped and shared?

    python tests/benchmarks/memory.py                               # 20,000 made-up images of 96x96, a minute
    python tests/benchmarks/memory.py --images 100000 --workers 1 2 4

Each worker trains a small network for some steps on random crops. The memory is that of all workers together: what
several of them share counts once (PSS, Linux). One JSON line per row; and at the end, how fast batches are made.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import queue
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

_STEPS = 20


def write(file: Path, images: int, size: int) -> None:
    """A decoded data set as the cache keeps it."""
    import torch

    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (images, size, size, 3), generator=generator, dtype=torch.uint8)
    labels = torch.arange(images) % 10
    small = {"test_pixels": pixels[:100].clone(), "test_labels": labels[:100]}
    torch.save({"train_pixels": pixels, "train_labels": labels, **small}, file)


def worker(file: Path, mapped: bool, ready: Any, go_on: Any) -> None:
    """Loads, trains some steps, says how fast its batches are made, and waits to be measured."""
    import torch

    from hpmkd.config.specs import DataSpec, FitSpec, ModelSpec
    from hpmkd.data import cache, images
    from hpmkd.data.augment import Normalise, TrainBatches
    from hpmkd.methods.build import build_distiller
    from hpmkd.models import build
    from hpmkd.training.recipe import Recipe
    from hpmkd.training.train import Training

    images.MAPPED_BYTES = 0 if mapped else 2**60
    torch.set_num_threads(1)
    raw = cache._read(file, {"classes": 10})
    size = raw.train.pixels.shape[1]
    splits = images.split(raw, DataSpec("X", "X", 3, size, 10, "crop_flip", 0.1))
    del raw
    model = ModelSpec("resnet8", (8, 16, 32), 3, size, 10)
    fit = FitSpec(1, 64, "adam", 1e-3, 0.9, 0.0, "cosine", (), 0.1, "fp32", 1)
    recipe = Recipe(fit, "crop_flip", 1, torch.device("cpu"))
    training = Training(build(model, 1), build_distiller("Direct", {}, model, (), 1), [], splits, recipe)
    draws = list(training.batches.draws(1, 0))
    for index, view in draws[:_STEPS]:
        training.step(index, view, 1.0, 0.0)
    batches = TrainBatches(splits.train, Normalise(splits.mean, splits.std, recipe.device), "crop_flip", 256)
    seconds = []
    for index, view in list(batches.draws(1, 1))[:_STEPS]:
        start = time.perf_counter()
        batches.take(index, view)
        seconds.append(time.perf_counter() - start)
    ready.put(statistics.median(seconds))
    go_on.wait()


def _next(ready: Any, workers: list[Any]) -> float:
    """What the next worker says; SystemExit as soon as one has died."""
    while True:
        try:
            return float(ready.get(timeout=0.2))
        except queue.Empty:
            dead = [one.exitcode for one in workers if one.exitcode is not None]
            if dead:
                raise SystemExit(f"a worker died with exit code {dead[0]}") from None


def measure(file: Path, mapped: bool, count: int) -> dict[str, Any]:
    """The memory of so many workers together, in MiB, and what a batch of 256 takes, in ms."""
    context = multiprocessing.get_context("spawn")
    ready, go_on = context.Queue(), context.Event()
    workers = [context.Process(target=worker, args=(file, mapped, ready, go_on)) for _ in range(count)]
    for one in workers:
        one.start()
    try:
        seconds = [_next(ready, workers) for _ in workers]
        shared = sum(psutil.Process(one.pid).memory_full_info().pss for one in workers)
    finally:
        go_on.set()
        for one in workers:
            one.join()
    return {"workers": count, "MiB": round(shared / 2**20), "batch_ms": round(1000 * statistics.median(seconds), 2)}


def main(words: list[str]) -> int:
    """Each number of workers, copied and mapped in turns."""
    parser = argparse.ArgumentParser(prog="memory.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    options = parser.parse_args(words)
    with tempfile.TemporaryDirectory(prefix="hpmkd-memory-") as folder:
        file = Path(folder) / "images.pt"
        write(file, options.images, options.size)
        print(
            json.dumps({"images": options.images, "size": options.size, "MiB": file.stat().st_size >> 20}), flush=True
        )
        for count in options.workers:
            for mapped in (False, True):
                row = {"way": "mapped" if mapped else "copied", **measure(file, mapped, count)}
                print(json.dumps(row), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
