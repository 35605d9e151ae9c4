"""What a GPU and its process do when something fails: each fault on purpose, in processes of its own.

    PYTHONPATH=.:tests python tests/benchmarks/gpu_faults.py cuda 150     # all of them, in so many seconds

One row for each: what happened, and whether that is what a trial must be able to rely on. On the CPU, stand-ins fail in
the place of CUDA.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

# cuBLAS is deterministic only with workspaces of a fixed size, and reads this when CUDA starts.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

import torch
from gpu_machine import mps
from gpu_trainings import RESNET
from gpu_workers import Ended, Row, Worker, one_row_each, relay
from support.builders import make_raw, make_spec
from support.tapes import StandInTape, in_memory, record_steps
from support.trainings import make, saved

from hpmkd.cluster.mps_control import MpsRefused
from hpmkd.data.images import split
from hpmkd.errors import Diverged
from hpmkd.store.payload import weights_hash
from hpmkd.training.device import CONTEXT_BYTES, prepare_device
from hpmkd.training.train import Training

_EPOCHS, _KILLED_AFTER = 12, 5


class Refuses(StandInTape):
    """What happens on the CPU in the place of CUDA's refusal to record."""

    def record(self, work: Callable[[], None]) -> None:
        raise RuntimeError("operation not permitted when stream is capturing")


class Full(StandInTape):
    """And in that of a full memory."""

    def warm(self, work: Callable[[], None]) -> None:
        if self.warmed:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory (stand-in)")
        super().warm(work)


def trained(device: torch.device, tape: type[StandInTape] = StandInTape, **more: Any) -> Training:
    """A small training whose steps are recorded."""
    made = make(more.pop("method", "TraditionalKD"), device=device, epochs=_EPOCHS, **more)
    return record_steps(in_memory(made), tape) if device.type == "cpu" else made


def another(device: torch.device) -> Row:
    """Whether the process can train once more, and give back its memory."""
    training = trained(device)
    losses = [result.train_loss for result in training.epochs()]
    if device.type == "cuda":
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
    return {"next_training": "fine" if losses[-1] < losses[0] else losses, "its_steps": training.step.description}


def capture_fails(device: torch.device) -> Row:
    """A loss that reads a number cannot be recorded: steps one by one, same weights, the cause is said."""

    def reads(training: Training) -> Training:
        loss = training.distiller.loss

        def reading(*given: Any) -> dict[str, torch.Tensor]:
            terms = loss(*given)
            float(terms["ce"])
            return terms

        training.distiller.loss = reading  # type: ignore[method-assign]
        return training

    prepare_device(device, deterministic=True)
    one, other = reads(make(device=device, graph=False, epochs=_EPOCHS)), reads(trained(device, Refuses))
    one = in_memory(one) if device.type == "cpu" else one
    list(one.epochs())
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        list(other.epochs())
    same = all(torch.equal(*pair) for pair in zip(one.model.parameters(), other.model.parameters(), strict=True))
    row = {
        "same_weights": same,
        "steps": other.step.description,
        "warnings": sorted({str(one.message) for one in said}),
    }
    after = another(device)
    cause = "captur" in other.step.description and "previous error" not in other.step.description
    return {**row, **after, "ok": same and cause and after["next_training"] == "fine"}


def out_of_memory(device: torch.device) -> Row:
    """A trial that outgrows its cap fails with torch's error, also while it records; the process can go on."""
    images = 40
    if device.type == "cuda":
        images, total = 4096, torch.cuda.get_device_properties(0).total_memory
        prepare_device(device, (2**31 + CONTEXT_BYTES) / total)
    splits = split(make_raw(images, channels=3, size=32, classes=10), make_spec(channels=3, image_size=32, classes=10))
    large = trained(device, Full, method="Direct", student=RESNET, splits=splits, batch_size=images)
    found = "nothing: it fitted"
    try:
        next(large.epochs())
        next(large.epochs())
    except torch.cuda.OutOfMemoryError as error:
        found = f"{type(error).__name__}: {str(error).splitlines()[0]}"
    steps = large.step.description
    del large
    after = another(device)
    return {"found": found[:200], "steps": steps, **after, "ok": "emory" in found and after["next_training"] == "fine"}


def diverges(device: torch.device) -> Row:
    """A loss that is no number ends a recorded training as `Diverged`."""
    try:
        list(trained(device, method="Direct", lr=1e30).epochs())
    except Diverged as error:
        return {"found": str(error), **another(device), "ok": True}
    return {"found": "nothing", "ok": False}


def bad_label(device: torch.device) -> Row:
    """A label beyond the classes: on a GPU an assertion on the device, after which the process is of no more use."""
    training = trained(device, method="Direct")
    training.batches.labels.fill_(77)
    errors = []
    for attempt in (lambda: list(training.epochs()), lambda: another(device)):
        try:
            attempt()
        except Exception as error:
            errors.append(f"{type(error).__name__}: {str(error).splitlines()[0]}"[:200])
    return {"errors": errors, "ok": len(errors) == (2 if device.type == "cuda" else 1)}


def _until(device: torch.device, folder: str, waits: bool) -> None:
    """Trains in deterministic mode, from the state in a file if there is one, and keeps its state after each epoch.

    With `waits` it waits for a line after the first epoch.
    """
    prepare_device(device, deterministic=True)
    training, file = trained(device, method="FitNets"), Path(folder) / "state.pt"
    if file.is_file():
        training.load_state_dict(torch.load(file, map_location=device, weights_only=True))
    for result in training.epochs():
        torch.save(saved(training), file.with_suffix(".new"))
        file.with_suffix(".new").replace(file)
        print(json.dumps({"epoch": result.epoch}), flush=True)
        if waits and result.epoch == 1:
            sys.stdin.readline()
    state = {name: value.cpu() for name, value in training.model.state_dict().items()}
    print(json.dumps({"weights": weights_hash(state)}), flush=True)


def killed_and_resumed(device: torch.device) -> Row:
    """Killed in the middle and resumed in another process: the same weights, bit for bit."""

    def work(folder: str, kill_after: int | None) -> str | None:
        worker, until = Worker(command("_until", device, folder)), time.monotonic() + 60
        try:
            while True:
                row = one_row_each([worker], until)[0]
                if "weights" in row:
                    return str(row["weights"])
                if row["epoch"] == kill_after:
                    worker.process.kill()
                    return None
        finally:
            worker.stop()

    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        whole = work(one, None)
        work(other, _KILLED_AFTER)
        resumed = work(other, None)
    return {"uninterrupted": whole, "resumed": resumed, "ok": whole == resumed}


def neighbour_killed(device: torch.device, env: dict[str, str] | None = None) -> Row:
    """Of three trials on one GPU one is killed: the other two go on."""
    with tempfile.TemporaryDirectory() as folder:
        folders = [Path(folder, str(number)) for number in range(3)]
        for path in folders:
            path.mkdir()
        until = time.monotonic() + 60
        workers = [Worker(command("_until", device, path, "waits"), env) for path in folders]
        try:
            one_row_each(workers, until)
            for worker in workers:
                worker.tell("go")
            one_row_each(workers[:1], until)
            workers[0].process.kill()
            found = [_end(worker, until) for worker in workers[1:]]
        finally:
            for worker in workers:
                worker.stop()
    return {"neighbours": found, "ok": all("weights" in row for row in found) and len({str(row) for row in found}) == 1}


def _end(worker: Worker, until: float) -> Row:
    try:
        while "weights" not in (row := one_row_each([worker], until)[0]):
            pass
    except Ended as end:
        return end.about
    return row


def neighbour_killed_under_mps(device: torch.device) -> Row:
    """The same as clients of one MPS daemon, where published advice says that a crash may take neighbours along."""
    try:
        with mps() as env:
            return neighbour_killed(device, env)
    except MpsRefused as reason:
        return {"skipped": str(reason)}


FAULTS = [capture_fails, out_of_memory, killed_and_resumed, neighbour_killed, neighbour_killed_under_mps, diverges]
FAULTS += [bad_label]


def command(name: str, *more: object) -> list[str]:
    """The command of one of this file's processes."""
    return [sys.executable, __file__, "--one", name, *(str(word) for word in more)]


def main(words: list[str]) -> int:
    """All faults, or the one that is asked for."""
    if words[0] == "--one":
        name, device = words[1], torch.device(words[2])
        torch.set_num_threads(1)
        prepare_device(device)
        if name == "_until":
            _until(device, words[3], "waits" in words)
        else:
            row = {fault.__name__: fault for fault in FAULTS}[name](device)
            row |= {} if row.get("ok", True) else {"error": "not what a trial relies on"}
            print(json.dumps({"part": "faults", "fault": name, **row}), flush=True)
        os._exit(0)  # what a failed GPU says of the end of a process is no finding
    until = time.monotonic() + float(words[1])
    for number, fault in enumerate(FAULTS):
        seconds = min(90.0, 2 * (until - time.monotonic()) / (len(FAULTS) - number))
        about = {"part": "faults", "fault": fault.__name__}
        if seconds < 5:
            print(json.dumps({**about, "skipped": "no time left"}), flush=True)
            continue
        relay(command(fault.__name__, words[0]), about, seconds, lambda row: print(json.dumps(row), flush=True))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
