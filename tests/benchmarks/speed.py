"""How many times faster than the original's pipeline: students per hour on this machine's cores, side by side.

    python tests/benchmarks/speed.py --data path/to/cifar10 [--images 10000] [--rounds 3] [--precision fp32]

The original: PIL transforms image by image, a DataLoader with num_workers=0, one process that owns all cores, NCHW,
fp32, a live teacher. Ours: `hpmkd.training.train.Training` as a trial runs it, one process and one thread per core;
TraditionalKD once with a live teacher and once with the teacher's logits from a cache (`--fit.views`). Both are timed
over the steps of an epoch, without a look at validation or test images. Each round times one after the other, so that
a machine whose speed drifts slows both; the ratio is of images per second over all processes, its median over the
rounds.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.synchronize import Barrier
from pathlib import Path
from queue import Empty
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from hpmkd.config.load import validate
from hpmkd.config.specs import DataSpec, FitSpec, ModelSpec
from hpmkd.config.sweep import DataConfig
from hpmkd.data.cache import load
from hpmkd.data.images import Splits
from hpmkd.hardware import ALLOCATOR
from hpmkd.methods.build import build_distiller
from hpmkd.models import build
from hpmkd.training.logits_cache import LogitsCacheBuilder
from hpmkd.training.recipe import Recipe
from hpmkd.training.teachers import CachedTeacher, Teacher
from hpmkd.training.train import Training

STUDENT = ModelSpec("lenet5", (10, 20, 100), 3, 32, 10)
TEACHER = ModelSpec("lenet5", (20, 50, 500), 3, 32, 10)
CASES = ("Direct", "TraditionalKD, live teacher", "TraditionalKD, cached logits")
KD = {"kd.temperature": 4.0, "kd.alpha": 0.9}


def data_spec(folder: str, images: int) -> tuple[DataSpec, DataConfig]:
    """The data set, decoded once into the cache."""
    from hpmkd.data.cache import describe, prepare

    raw = {"datasets": [folder], "baselines": ["Direct"], "data": {"train_images": images}}
    config = validate(raw, "speed.py")
    (spec,) = describe(config)
    prepare(spec, config.data)
    return spec, config.data


def original_epoch(splits: Splits, teacher: nn.Module | None, loader: Any, model: nn.Module, adam: Any) -> None:
    """One epoch as the original does it."""
    for images, labels in loader:
        logits = model(images).logits
        loss = F.cross_entropy(logits, labels)
        if teacher is not None:
            with torch.no_grad():
                known = teacher(images).logits
            soft = F.kl_div(F.log_softmax(logits / 4, 1), F.softmax(known / 4, 1), reduction="batchmean") * 16
            loss = 0.1 * loss + 0.9 * soft
        adam.zero_grad()
        loss.backward()
        adam.step()


class Pictures(torch.utils.data.Dataset[Any]):
    """Training images one by one through PIL, cropped, turned and normalised by torchvision."""

    def __init__(self, splits: Splits) -> None:
        from torchvision import transforms

        mean, std = (splits.mean / 255).tolist(), (splits.std / 255).tolist()
        augment = [transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip()]
        self.view = transforms.Compose([*augment, transforms.ToTensor(), transforms.Normalize(mean, std)])
        self.pixels, self.labels = splits.train.pixels.numpy(), splits.train.labels.tolist()

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        from PIL import Image

        return self.view(Image.fromarray(self.pixels[index])), self.labels[index]


def original(splits: Splits, distilled: bool, batch: int) -> float:
    """Images per second of the original's pipeline with all cores."""
    torch.set_num_threads(os.cpu_count() or 1)
    pictures = Pictures(splits)
    loader = torch.utils.data.DataLoader(pictures, batch, shuffle=True, num_workers=0)
    model = build(STUDENT, 1).to(memory_format=torch.contiguous_format)
    teacher = build(TEACHER, 2).to(memory_format=torch.contiguous_format).eval() if distilled else None
    adam = torch.optim.Adam(model.parameters(), 1e-3)
    start = time.perf_counter()
    original_epoch(splits, teacher, loader, model, adam)
    return len(pictures) / (time.perf_counter() - start)


def trial(spec: DataSpec, data: DataConfig, fit: FitSpec, case: str, cache: Path, ready: Barrier, queue: Any) -> None:
    """One of our trials: two epochs, of which the second is timed while all the others run too."""
    torch.set_num_threads(1)
    splits = load(spec, data.model_dump_json())
    cpu = torch.device("cpu")
    teachers: list[nn.Module | Teacher] = []
    if case != "Direct":
        teachers = [CachedTeacher(cache, len(splits.train), cpu) if "cached" in case else build(TEACHER, 2)]
    method = case.split(",")[0]
    distiller = build_distiller(method, KD, STUDENT, (TEACHER,) * len(teachers), 1)
    training = Training(build(STUDENT, 1), distiller, teachers, splits, Recipe(fit, spec.augment, 1, cpu))
    epochs = training.epochs()
    next(epochs)
    ready.wait()
    start, looked = time.perf_counter(), training.validate_seconds
    next(epochs)
    seconds = time.perf_counter() - start - (training.validate_seconds - looked)
    queue.put(len(splits.train) / seconds)


def together(target: Callable[..., None], args: tuple[Any, ...], count: int) -> float:
    """The sum of what so many processes, which begin at the same moment, put on a queue.

    Args:
        target: is called with `args`, a barrier to wait at when it is ready, and the queue.
    """
    context = multiprocessing.get_context("spawn")
    ready, queue = context.Barrier(count), context.Queue()
    workers = [context.Process(target=target, args=(*args, ready, queue)) for _ in range(count)]
    for worker in workers:
        worker.start()
    found: list[float] = []
    try:
        while len(found) < count:
            with suppress(Empty):
                found.append(queue.get(timeout=1))
            if any(worker.exitcode for worker in workers):
                raise RuntimeError("a process that was to be timed has failed, see above")
    except BaseException:
        for worker in workers:  # those that wait for the others
            worker.terminate()
        raise
    finally:
        for worker in workers:
            worker.join()
    return sum(found)


def ours(spec: DataSpec, data: DataConfig, fit: FitSpec, case: str, cache: Path) -> float:
    """Images per second of one trial per core, side by side."""
    return together(trial, (spec, data, fit, case, cache), os.cpu_count() or 1)


def make_cache(splits: Splits, spec: DataSpec, fit: FitSpec, path: Path) -> float:
    """Writes a logits cache; returns the seconds that it took."""
    work = LogitsCacheBuilder(build(TEACHER, 2), splits, spec, fit, torch.device("cpu"))
    for _ in work.epochs():
        pass
    np.save(path, work.content().numpy())
    return work.train_seconds


def main(words: list[str]) -> int:
    """Prints one JSON line about the machine, one per method, and one about the logits cache."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="a folder with train.parquet and test.parquet, 32x32 in colour")
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--views", type=int, default=16)
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    options = parser.parse_args(words)
    os.environ.update(ALLOCATOR)
    spec, data = data_spec(options.data, options.images)
    splits = load(spec, data.model_dump_json())
    fit = FitSpec(
        2, options.batch, "adam", 1e-3, 0.9, 0.0, "cosine", (), 0.1, options.precision, 1, views=options.views
    )
    settings = {"images": options.images, "batch": options.batch, "precision": options.precision}
    print(json.dumps({"cores": os.cpu_count(), "torch": torch.__version__, **settings}), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder) / "logits.npy"
        seconds = make_cache(splits, spec, fit, cache)
        for case in CASES:
            pairs = []
            for _ in range(options.rounds):
                theirs = original(splits, case != "Direct", options.batch)
                pairs.append((theirs, ours(spec, data, fit, case, cache)))
            ratio = statistics.median(mine / theirs for theirs, mine in pairs)
            theirs, mine = (statistics.median(column) for column in zip(*pairs, strict=True))
            row = {"case": case, "original_images_s": round(theirs)}
            print(json.dumps({**row, "images_s": round(mine), "ratio": round(ratio, 2)}), flush=True)
    each = seconds / options.images * 1e6
    print(json.dumps({"cache_views": options.views, "seconds": round(seconds, 1), "us_per_image": round(each)}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
