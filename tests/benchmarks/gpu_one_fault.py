"""A fault on purpose, and what the process and the GPU do then: one row, in a process of its own for `gpu_faults.py`.

    PYTHONPATH=.:tests python tests/benchmarks/gpu_one_fault.py capture_fails cuda

The row says what happened, and whether that is what a trial must be able to rely on. On the CPU, stand-ins fail in the
place of CUDA.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Callable
from typing import Any

import torch
from gpu_kills import EPOCHS, killed_and_resumed, neighbour_killed, neighbour_killed_under_mps, trained
from gpu_trainings import RESNET
from gpu_workers import Row
from support.builders import make_raw, make_spec
from support.tapes import StandInTape, in_memory
from support.trainings import make

from hpmkd.data.images import split
from hpmkd.errors import Diverged
from hpmkd.training.device import CONTEXT_BYTES, prepare_device
from hpmkd.training.train import Training


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
    one, other = reads(make(device=device, graph=False, epochs=EPOCHS)), reads(trained(device, Refuses))
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


FAULTS = [capture_fails, out_of_memory, diverges, bad_label]
FAULTS += [killed_and_resumed, neighbour_killed, neighbour_killed_under_mps]


def main(words: list[str]) -> int:
    """Makes the fault."""
    name, device = words[0], torch.device(words[1])
    torch.set_num_threads(1)
    prepare_device(device)
    row = next(fault for fault in FAULTS if fault.__name__ == name)(device)
    row |= {} if row.get("ok", True) else {"error": "not what a trial relies on"}
    print(json.dumps({"part": "faults", "fault": name, **row}), flush=True)
    os._exit(0)  # what a failed GPU says of the end of a process is no finding


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
