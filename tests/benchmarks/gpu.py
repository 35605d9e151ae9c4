"""How fast is a GPU here? The training core, steps one by one against recorded ones, trials side by side, a sweep.

    python tests/benchmarks/gpu.py --data path/to/cifar10            # everything; meant to take less than 8 minutes
    python tests/benchmarks/gpu.py                                   # made-up images: speed alone, no accuracy
    python tests/benchmarks/gpu.py --data path/to/cifar10 --parts core side_by_side

`core` and `side_by_side` need torch (and of numpy what torch needs) alone, `--data` also pyarrow and Pillow (a folder
with train.parquet and test.parquet in the Hugging Face layout), or torchvision (a folder with cifar-10-batches-py).
`sweep` needs everything that hpmkd needs: it is `run_sweep.py --mode full --datasets CIFAR10`, that is the published
31 models, 50 and 30 epochs, from the start of the command to its end. Where hpmkd is not installed, put PYTHONPATH=. in
front. One JSON line per row; `--device cpu --images 512` tries the script where there is no GPU.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import os
import queue
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
import torch.multiprocessing as processes

from hpmkd.config.specs import DataSpec, FitSpec, ModelSpec
from hpmkd.data.images import Images, RawData, Splits, split
from hpmkd.methods.build import build_distiller
from hpmkd.models import build
from hpmkd.training.device import prepare_device
from hpmkd.training.evaluate import evaluate
from hpmkd.training.recipe import Recipe
from hpmkd.training.train import Training

STUDENT = ModelSpec("lenet5", (10, 20, 100), 3, 32, 10)
TEACHER = ModelSpec("lenet5", (20, 50, 500), 3, 32, 10)
RESNET = ModelSpec("resnet20", (16, 32, 64), 3, 32, 10)
HPARAMS = {"kd.temperature": 4.0, "kd.alpha": 0.9, "at.beta": 100.0, "at.p": 2.0}
HPARAMS |= {"fitnets.beta": 10.0, "fitnets.schedule": "joint", "fitnets.hint_part": 0.3}
CASES = [(method, STUDENT) for method in ("Direct", "TraditionalKD", "AT", "FitNets")] + [("Direct", RESNET)]
SPEC = DataSpec("CIFAR10", "CIFAR10", 3, 32, 10, "crop_flip", 0.1)


def made_up(images: int) -> RawData:
    """Noise with a brightness that tells the class."""
    generator = torch.Generator().manual_seed(0)

    def part(count: int) -> Images:
        labels = torch.arange(count) % 10
        noise = torch.randint(0, 100, (count, 32, 32, 3), generator=generator)
        return Images((noise + 15 * labels[:, None, None, None]).to(torch.uint8), labels)

    return RawData(part(images), part(max(10, images // 5)), 10)


def read(folder: Path) -> RawData:
    """CIFAR-10, from Parquet or as torchvision keeps it."""
    if (folder / "cifar-10-batches-py").is_dir():
        from torchvision.datasets import CIFAR10

        parts = [CIFAR10(str(folder), train=train) for train in (True, False)]
        train, test = (Images(torch.from_numpy(part.data), torch.tensor(part.targets)) for part in parts)
    else:
        train, test = (_parquet(folder / f"{name}.parquet") for name in ("train", "test"))
    return RawData(train, test, 10)


def _parquet(file: Path) -> Images:
    import numpy as np
    import pyarrow.parquet
    from PIL import Image

    table = pyarrow.parquet.read_table(file).to_pydict()
    pictures, labels = table.get("img") or table["image"], table["label"]
    pixels = np.stack([np.asarray(Image.open(io.BytesIO(one["bytes"])).convert("RGB")) for one in pictures])
    return Images(torch.from_numpy(pixels), torch.tensor(labels))


def training(
    method: str, model: ModelSpec, splits: Splits, epochs: int, options: argparse.Namespace, graph: bool
) -> Training:
    """One model's training; its teacher has weights at random, which is as fast as any."""
    fit = FitSpec(epochs, options.batch, "adam", 1e-3, 0.9, 0.0, "cosine", (), 0.1, options.precision, 1)
    teachers = [] if method == "Direct" else [build(TEACHER, 2)]
    distiller = build_distiller(method, HPARAMS, model, (TEACHER,) * len(teachers), 1)
    device = torch.device(options.device)
    return Training(build(model, 1), distiller, teachers, splits, Recipe(fit, SPEC.augment, 1, device, graph))


def wait(device: str) -> None:
    """Until the GPU has done what it was asked for."""
    if device == "cuda":
        torch.cuda.synchronize()


def core(splits: Splits, options: argparse.Namespace) -> None:
    """Images per second of one trial: one by one, recorded, in turns."""
    for method, model in CASES:
        pair = {graph: training(method, model, splits, 1000, options, graph) for graph in (False, True)}
        rates: dict[bool, list[float]] = {False: [], True: []}
        iterators = {graph: one.epochs() for graph, one in pair.items()}
        for number in range(options.epochs + 1):
            for graph, one in iterators.items():
                wait(options.device)
                start, before = time.perf_counter(), pair[graph].validate_seconds
                next(one)
                wait(options.device)
                seconds = time.perf_counter() - start - (pair[graph].validate_seconds - before)
                if number:  # the first epoch loads kernels and records
                    rates[graph].append(len(splits.train) / seconds)
        eager, recorded = (statistics.median(rates[graph]) for graph in (False, True))
        row = {"part": "core", "method": method, "model": model.arch, "one_by_one_images_s": round(eager)}
        ratio = round(statistics.median(b / a for a, b in zip(rates[False], rates[True], strict=True)), 2)
        say({**row, "recorded_images_s": round(recorded), "ratio": ratio, "steps": pair[True].step.description})


def accuracy(splits: Splits, options: argparse.Namespace) -> None:
    """Test accuracy of one Direct student of the published length, one by one and recorded, with its seconds."""
    for graph in (False, True):
        one = training("Direct", STUDENT, splits, options.student_epochs, options, graph)
        *_, last = one.epochs()
        test = evaluate(one.model, splits.test.to(one.device), one.normalise, options.precision)
        row = {"part": "accuracy", "method": "Direct", "epochs": options.student_epochs, "steps": one.step.description}
        say({**row, "test_pct": round(test, 2), "seconds": round(last.train_seconds, 1)})


def _trial(raw: RawData, options: argparse.Namespace, share: float, ready: Any, rates: Any) -> None:
    torch.set_num_threads(1)
    prepare_device(torch.device(options.device), share)
    splits = split(raw, SPEC)
    epochs = training("TraditionalKD", STUDENT, splits, 1000, options, True).epochs()
    next(epochs)
    wait(options.device)
    ready.wait()
    start = time.perf_counter()
    for _ in range(options.epochs):
        next(epochs)
    wait(options.device)
    rates.put(options.epochs * len(splits.train) / (time.perf_counter() - start))


def side_by_side(raw: RawData, options: argparse.Namespace) -> None:
    """Images per second of 1, 2, 4, 8, 16 trials on one GPU, each in a process of its own with its cap."""
    context = processes.get_context("spawn")
    alone = math.nan
    for count in options.trials:
        ready, rates = context.Barrier(count), context.Queue()
        given = (raw, options, 1 / count, ready, rates)
        trials = [context.Process(target=_trial, args=given) for _ in range(count)]
        for one in trials:
            one.start()
        try:
            total = sum(rates.get(timeout=120) for _ in trials)
        except queue.Empty:
            say({"part": "side_by_side", "trials": count, "error": "a trial gave no number, see above"})
            continue
        finally:
            ready.abort()  # nobody waits for a trial that died
            for one in trials:
                one.join()
        alone = total if count == options.trials[0] else alone
        row = {"part": "side_by_side", "trials": count, "images_s": round(total)}
        say({**row, "ratio_to_first": round(total / alone, 2)})


def sweep(options: argparse.Namespace) -> None:
    """The published CIFAR-10 experiment, as a user starts it."""
    command = [sys.executable, str(Path(__file__).resolve().parents[2] / "run_sweep.py"), "--mode", "full"]
    command += [
        "--datasets",
        f"CIFAR10={options.data}" if (Path(options.data) / "train.parquet").exists() else "CIFAR10",
    ]
    command += ["--data-dir", options.data, "--fit.precision", options.precision, *options.more.split()]
    with tempfile.TemporaryDirectory(prefix="gpu-sweep-") as folder:
        start = time.perf_counter()
        environment = {**os.environ, "XDG_CACHE_HOME": str(Path(folder) / "cache")}
        done = subprocess.run([*command, "-o", f"{folder}/out"], capture_output=True, text=True, env=environment)
        row = {"part": "sweep", "seconds": round(time.perf_counter() - start, 1), "exit_code": done.returncode}
        models = len(list(Path(folder).glob("out/models/*.pt")))
        say({**row, "models": models, "published_seconds": 19_068})
        print((done.stdout + done.stderr)[-3000:], file=sys.stderr)


def say(row: dict[str, Any]) -> None:
    """One line."""
    print(json.dumps(row), flush=True)


def main(words: list[str]) -> int:
    """Runs the parts that are asked for."""
    parser = argparse.ArgumentParser(prog="gpu.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", help="folder of CIFAR-10; default: made-up images, and no accuracy")
    parser.add_argument("--parts", nargs="+", default=["core", "accuracy", "side_by_side", "sweep"])
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--precision", default="bf16", choices=["fp32", "bf16"])
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--epochs", type=int, default=5, help="timed ones")
    parser.add_argument("--student-epochs", type=int, default=30)
    parser.add_argument("--images", type=int, default=50_000, help="of made-up ones")
    parser.add_argument("--trials", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    parser.add_argument("--more", default="", help="flags for run_sweep.py, in one string")
    options = parser.parse_args(words)
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("torch finds no GPU; --device cpu --images 512 only tries the script")
    name = torch.cuda.get_device_name() if options.device == "cuda" else "cpu"
    say({"device": name, "torch": torch.__version__, "precision": options.precision, "batch": options.batch})
    raw = read(Path(options.data)) if options.data else made_up(options.images)
    splits = split(raw, SPEC)
    prepare_device(torch.device(options.device))
    if "core" in options.parts:
        core(splits, options)
    if "accuracy" in options.parts and options.data:
        accuracy(splits, options)
    if "side_by_side" in options.parts:
        side_by_side(raw, options)
    if "sweep" in options.parts and options.data:
        sweep(options)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
