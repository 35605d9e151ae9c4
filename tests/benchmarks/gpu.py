"""How fast is a GPU here? Steps one by one and recorded, settings, trials side by side with and without MPS, a sweep.

    python tests/benchmarks/gpu.py --data path/to/cifar10 --json rows.json     # everything, in 9 minutes
    python tests/benchmarks/gpu.py                                             # made-up images: no accuracy, no sweep
    python tests/benchmarks/gpu.py --parts core side_by_side --budget 120
    python tests/benchmarks/gpu.py --parts kernels --budget 60 --picture kernels.svg    # what a step's time goes to
    python tests/benchmarks/gpu.py --parts formats --budget 90                 # channels_last, NCHW, precisions, search
    python tests/benchmarks/gpu.py --parts together --budget 90                # several students' steps in one graph
    python tests/benchmarks/gpu.py --parts stacked --budget 60                 # students of one shape as one network
    python tests/benchmarks/gpu.py --parts methods --budget 90                 # what a step of every method costs
    python tests/benchmarks/gpu.py --parts tests                               # tests/training/test_gpu.py
    python tests/benchmarks/gpu.py --parts faults                              # what a GPU does when something fails

One JSON line per row, the first one about the machine; `--json` keeps all rows in one document, written after each.
Parts run in the order of their worth, each in a process of its own: one that fails or takes too long ends with a row
that says so, and the next one begins. `--budget` is in seconds and holds for all parts together: a part for which there
are not the seconds in which it can end is left out, and what is left over is divided among the others.

Most parts need torch (and numpy) alone, `--data` also pyarrow and Pillow (a folder with train.parquet and test.parquet
in the Hugging Face layout), or torchvision (a folder with cifar-10-batches-py). `sweep` needs everything that hpmkd
needs: it is `run_sweep.py --mode full --datasets CIFAR10`, that is the published 31 models, 50 and 30 epochs, from the
start of the command to its end. Where hpmkd is not installed, put PYTHONPATH=. in front; `tests`, `faults` and
`methods` also need tests/ there. `--device cpu --images 256` tries the script where there is no GPU, with stand-ins.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import gpu_faults
import gpu_side_by_side
import gpu_sweep
from gpu_trainings import made_up, read, save
from gpu_workers import Row, Rows, allot, relay

HERE = Path(__file__).resolve().parent


class Part(NamedTuple):
    """How a part is run (with the seconds that it has), its weight among others, and the fewest seconds for it.

    On a GPU they are those in which it can end: a process needs 7 to 10 s there until it trains.
    """

    run: Callable[[argparse.Namespace, float, Rows], None]
    weight: float
    least: float
    least_on_gpu: float | Callable[[argparse.Namespace], float]

    def fewest(self, options: argparse.Namespace) -> float:
        """On the device of the options."""
        if options.device != "cuda":
            return self.least
        return self.least_on_gpu(options) if callable(self.least_on_gpu) else self.least_on_gpu


def measured(name: str) -> Callable[[argparse.Namespace, float, Rows], None]:
    """A part of `gpu_parts`, in a process of its own."""

    def run(options: argparse.Namespace, seconds: float, say: Rows) -> None:
        relay(command(name, options, seconds), {"part": name}, seconds, say)

    return run


def command(name: str, options: argparse.Namespace, seconds: float, **more: Any) -> list[str]:
    """The command of a process of `gpu_parts`; it is to be done a little before it would be stopped."""
    until = time.monotonic() + max(1.0, seconds - 5)
    given = {**vars(options), "until": until, "share": 0.0, "tf32": False, "benchmark": True, **more}
    return [sys.executable, str(HERE / "gpu_parts.py"), name, json.dumps(given)]


# Network, precision, TF32, cuDNN's search for the fastest kernels: the first ones matter most.
SETTINGS = [("lenet5", "bf16", False, True), ("lenet5", "bf16", False, False), ("lenet5", "fp32", False, True)]
SETTINGS += [("lenet5", "fp32", True, True), ("resnet20", "bf16", False, True), ("resnet20", "fp32", False, True)]
SETTINGS += [("resnet20", "fp32", True, True), ("lenet5", "fp32", False, False), ("lenet5", "fp32", True, False)]


def settings(options: argparse.Namespace, seconds: float, say: Rows) -> None:
    """Each combination from the first epoch of a process on."""
    until, least = time.monotonic() + seconds, PARTS["settings"].fewest(options)
    for number, (model, precision, tf32, search) in enumerate(SETTINGS):
        given = {"part": "settings", "model": model, "precision": precision, "tf32": tf32, "benchmark": search}
        left = until - time.monotonic()
        own = allot([(least, 1.0)] * (len(SETTINGS) - number), left)
        if own is None:
            say({**given, "skipped": f"{left:.0f} s left for it, of {least:.0f}"})
        else:
            relay(command("setting", options, own, **given), given, own, say)


def machine(options: argparse.Namespace, say: Rows) -> bool:
    """The first row; whether the device can be used."""
    script = [sys.executable, str(HERE / "gpu_machine.py"), "--device", options.device]
    relay(script, {"part": "machine", "device": options.device}, 60.0, say)
    return "error" not in say.document["rows"][-1]


def tests(options: argparse.Namespace, seconds: float, say: Rows) -> None:
    """`tests/training/test_gpu.py`."""
    gpu_sweep.tests(options, seconds, say)


def faults(options: argparse.Namespace, seconds: float, say: Rows) -> None:
    """See `gpu_faults`."""
    gpu_faults.run(options.device, seconds, say)


def side_by_side(options: argparse.Namespace, seconds: float, say: Rows) -> None:
    """See `gpu_side_by_side`."""
    gpu_side_by_side.run(options, seconds, say, command)


PARTS = {
    "tests": Part(tests, 6.0, 10.0, 60.0),
    "core": Part(measured("core"), 4.0, 8.0, 20.0),
    "side_by_side": Part(side_by_side, 5.0, 10.0, gpu_side_by_side.fewest),
    "together": Part(measured("together"), 2.0, 8.0, 20.0),
    "stacked": Part(measured("stacked"), 2.0, 8.0, 20.0),
    "methods": Part(measured("methods"), 2.0, 8.0, 20.0),
    "kernels": Part(measured("kernels"), 1.5, 8.0, 22.0),
    "settings": Part(settings, 3.0, 10.0, 18.0),
    "formats": Part(measured("formats"), 1.5, 8.0, 18.0),
    "loop": Part(measured("loop"), 1.0, 6.0, 18.0),
    "evaluation": Part(measured("evaluation"), 0.7, 6.0, 15.0),
    "accuracy": Part(measured("accuracy"), 1.5, 10.0, 18.0),
    "sweep": Part(gpu_sweep.sweep, 6.0, 10.0, gpu_sweep.fewest),
    "faults": Part(faults, 3.0, 10.0, gpu_faults.FAULTS["capture_fails"]),
}


def run_parts(options: argparse.Namespace, until: float, say: Rows) -> None:
    """The parts that are asked for and can be had, in the order of their worth."""
    wanted = [name for name in PARTS if name in options.parts]
    reasons = {name: reason for name in wanted if (reason := gpu_sweep.why_not(name, options))}
    for name, reason in reasons.items():
        say({"part": name, "skipped": reason})
    wanted = [name for name in wanted if name not in reasons]
    for number, name in enumerate(wanted):
        part, left = PARTS[name], until - time.monotonic()
        needs = [(PARTS[other].fewest(options), PARTS[other].weight) for other in wanted[number:]]
        seconds = allot(needs, left)
        if seconds is None:
            say({"part": name, "skipped": f"{left:.0f} s of {options.budget:.0f} left, and it needs {needs[0][0]:.0f}"})
        else:
            part.run(options, seconds, say)


def build_parser() -> argparse.ArgumentParser:
    """The flags."""
    parser = argparse.ArgumentParser(prog="gpu.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", help="folder of CIFAR-10; default: made-up images, and no accuracy")
    default = [name for name in PARTS if name not in ("tests", "faults")]
    parser.add_argument("--parts", nargs="+", default=default, choices=list(PARTS))
    parser.add_argument("--budget", type=float, default=540.0, help="seconds for everything together")
    parser.add_argument("--json", type=Path, help="file for all rows")
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--precision", default="bf16", choices=["fp32", "bf16"])
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--epochs", type=int, default=5, help="timed ones, at most")
    parser.add_argument("--student-epochs", type=int, default=30)
    parser.add_argument("--images", type=int, default=50_000, help="training images, made up or of the data")
    parser.add_argument("--trials", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    parser.add_argument("--timed-seconds", type=float, default=5.0, help="of trials side by side, at least")
    parser.add_argument("--picture", help="file for a picture of the kernels (SVG), where matplotlib is there")
    parser.add_argument("--sweep", help="words for run_sweep.py instead of the published experiment")
    parser.add_argument("--more", default="", help="further words for run_sweep.py, in one string")
    return parser


def main(words: list[str]) -> int:
    """Runs the parts that are asked for."""
    options = build_parser().parse_args(words)
    until = time.monotonic() + options.budget
    say = Rows(options.json, ["gpu.py", *words])
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    if not machine(options, say):
        return 1
    with tempfile.TemporaryDirectory(prefix="gpu-") as folder:
        given = argparse.Namespace(**{**vars(options), "json": None, "folder": folder, "images": f"{folder}/images.pt"})
        given.compute_mode = say.document["rows"][0]["compute_mode"]
        if set(options.parts) - {"tests", "faults", "sweep"}:
            raw = read(Path(options.data), options.images) if options.data else made_up(options.images)
            save(raw, Path(given.images))
            say({"part": "images", "from": options.data or "made up", "train": len(raw.train), "test": len(raw.test)})
        run_parts(given, until, say)
    say.write(finished=True)
    failed: list[Row] = [row for row in say.document["rows"] if "error" in row]
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
