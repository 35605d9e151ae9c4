"""How much memory does a large data set take: to be decoded, and in the workers that train on it?

    python tests/benchmarks/memory.py                               # 20,000 made-up images of 96x96, a minute
    python tests/benchmarks/memory.py --images 100000 --size 64 --workers 1 2 --network resnet20

First the data set is decoded, in a process of its own, with its images kept in memory, as few are, and with those on
the disk. Then each worker trains a small network for some steps on random crops and looks at some images
without training, with its images copied and mapped. Of each process the peak of its own memory (anonymous: what no
other process can share and no file stands behind) and of all that it has mapped (RSS), and of all workers together at
the end, what several of them share counted once (PSS). Linux. One JSON line per row; `batch_ms`: processor time of
making a batch of 256. Everything lies in a temp folder, twice to three times the images' size, and is deleted.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import queue
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from hpmkd.hardware import ALLOCATOR

_STEPS = 20
_NETWORKS = {"resnet8": (8, 16, 32), "resnet20": (16, 32, 64)}
_TEST_IMAGES, _CHUNK = 1000, 1000


def write(folder: Path, images: int, size: int) -> Path:
    """A data set of noise in ten classes, as NumPy arrays."""
    folder.mkdir()
    chance = np.random.default_rng(0)
    for part, count in (("train", images), ("test", _TEST_IMAGES)):
        shape = (count, size, size, 3)
        array = np.lib.format.open_memmap(folder / f"{part}_images.npy", "w+", np.uint8, shape)
        for start in range(0, count, _CHUNK):
            some = array[start : start + _CHUNK]
            some[:] = np.frombuffer(chance.bytes(some.size), np.uint8).reshape(some.shape)
        array.flush()
        np.save(folder / f"{part}_labels.npy", np.arange(count) % 10)
    return folder


def decode(source: Path, target: Path, on_disk: bool) -> None:
    """Decodes the data set as a sweep does, in a process of its own."""
    from hpmkd.config.sweep import DataConfig
    from hpmkd.data import decode, spool
    from hpmkd.data.catalog import find

    if not on_disk:
        spool.IN_MEMORY_BYTES = 2**60
    decode._decode(find(f"x={source}"), target, DataConfig(cache_dir=str(target.parent)))


def worker(file: Path, mapped: bool, options: argparse.Namespace, *, ready: Any, go_on: Any) -> None:
    """Loads, trains some steps, says how fast its batches are made, and waits to be measured."""
    import torch

    from hpmkd.config.specs import DataSpec, FitSpec, ModelSpec
    from hpmkd.data import cache, images
    from hpmkd.data.augment import Normalise, TrainBatches
    from hpmkd.methods.build import build_distiller
    from hpmkd.models import build
    from hpmkd.training.evaluate import evaluate
    from hpmkd.training.recipe import Recipe
    from hpmkd.training.train import Training

    images.MAPPED_BYTES = 0 if mapped else 2**60
    torch.set_num_threads(1)
    raw = cache._read(file, {"classes": 10})
    size = raw.train.pixels.shape[1]
    splits = images.split(raw, DataSpec("X", "X", 3, size, 10, "crop_flip", 0.1))
    del raw
    model = ModelSpec(options.network, _NETWORKS[options.network], 3, size, 10)
    fit = FitSpec(1, options.batch, "adam", 1e-3, 0.9, 0.0, "cosine", (), 0.1, "fp32", 1)
    recipe = Recipe(fit, "crop_flip", 1, torch.device("cpu"))
    training = Training(build(model, 1), build_distiller("Direct", {}, model, (), 1), [], splits, recipe)
    draws = list(training.batches.draws(1, 0))
    for index, view in draws[: options.steps]:
        training.step(index, view, 1.0, 0.0)
    normalise = Normalise(splits.mean, splits.std, recipe.device)
    evaluate(training.model, splits.test, normalise)
    batches = TrainBatches(splits.train, normalise, "crop_flip", 256)
    seconds = []
    for index, view in list(batches.draws(1, 1))[:_STEPS]:
        start = time.process_time()
        batches.take(index, view)
        seconds.append(time.process_time() - start)
    ready.put(statistics.median(seconds))
    go_on.wait()


class Peak:
    """The most that a process had, MiB, each time that it is looked at: its own memory, and all that it has mapped."""

    def __init__(self, process: Any) -> None:
        self.process, self.own, self.rss = process, 0.0, 0.0

    def look(self) -> None:
        """Nothing where it has ended."""
        try:
            lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        except OSError:
            return
        found = {line.split(":")[0]: int(line.split()[1]) / 1024 for line in lines if line.endswith(" kB")}
        self.own = max(self.own, found.get("RssAnon", 0.0))
        self.rss = max(self.rss, found.get("VmHWM", 0.0))


def decoding(source: Path, target: Path, on_disk: bool) -> dict[str, Any]:
    """The peak memory of a process that decodes."""
    process = multiprocessing.get_context("spawn").Process(target=decode, args=(source, target, on_disk))
    start = time.perf_counter()
    process.start()
    peak = Peak(process)
    while process.is_alive():
        peak.look()
        time.sleep(0.02)
    if process.exitcode:
        raise SystemExit(f"decoding ended with exit code {process.exitcode}")
    seconds = round(time.perf_counter() - start, 1)
    return {"own_peak_MiB": round(peak.own), "rss_peak_MiB": round(peak.rss), "seconds": seconds}


def _next(ready: Any, peaks: list[Peak]) -> float:
    """What the next worker says; SystemExit as soon as one has died."""
    while True:
        for peak in peaks:
            peak.look()
        try:
            return float(ready.get(timeout=0.05))
        except queue.Empty:
            dead = [one.process.exitcode for one in peaks if one.process.exitcode is not None]
            if dead:
                raise SystemExit(f"a worker died with exit code {dead[0]}") from None


def measure(file: Path, mapped: bool, count: int, options: argparse.Namespace) -> dict[str, Any]:
    """The memory of so many workers, in MiB, and what a batch of 256 takes, in ms."""
    context = multiprocessing.get_context("spawn")
    ready, go_on = context.Queue(), context.Event()
    given = {"ready": ready, "go_on": go_on}
    workers = [context.Process(target=worker, args=(file, mapped, options), kwargs=given) for _ in range(count)]
    for one in workers:
        one.start()
    peaks = [Peak(one) for one in workers]
    try:
        seconds = [_next(ready, peaks) for _ in workers]
        shared = sum(psutil.Process(one.pid).memory_full_info().pss for one in workers)
    finally:
        go_on.set()
        for one in workers:
            one.join()
    return {
        "workers": count,
        "MiB": round(shared / 2**20),
        "own_peak_MiB": round(max(peak.own for peak in peaks)),
        "rss_peak_MiB": round(max(peak.rss for peak in peaks)),
        "batch_ms": round(1000 * statistics.median(seconds), 2),
    }


def main(words: list[str]) -> int:
    """Decoding, then each number of workers: as before and as now, in turns."""
    parser = argparse.ArgumentParser(prog="memory.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--network", choices=list(_NETWORKS), default="resnet8")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=_STEPS, help="of training, before the memory is read")
    options = parser.parse_args(words)
    os.environ.update(ALLOCATOR)  # as the workers of a sweep have them
    with tempfile.TemporaryDirectory(prefix="hpmkd-memory-") as folder:
        source, file = write(Path(folder) / "source", options.images, options.size), Path(folder) / "cache" / "x.pt"
        print(json.dumps({"images": options.images, "size": options.size, "network": options.network}), flush=True)
        for on_disk in (False, True):
            row = {"decoded": "on the disk" if on_disk else "in memory", **decoding(source, file, on_disk)}
            print(json.dumps(row), flush=True)
        print(json.dumps({"MiB": file.stat().st_size >> 20}), flush=True)
        for count in options.workers:
            for mapped in (False, True):
                row = {"way": "mapped" if mapped else "copied", **measure(file, mapped, count, options)}
                print(json.dumps(row), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
