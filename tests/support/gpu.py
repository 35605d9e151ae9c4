"""Trainings on a GPU, their steps one by one and recorded; or on the CPU with stand-ins, where HPMKD_GPU_TESTS=cpu."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from hpmkd.training.step import Step
from hpmkd.training.train import Training
from support.fake_gpu import WAITING
from support.tapes import in_memory, record_steps
from support.trainings import make

STAND_IN = os.environ.get("HPMKD_GPU_TESTS") == "cpu"
DEVICE = torch.device("cpu" if STAND_IN else "cuda")


class PlainStep(Step):
    """Steps one by one that find mixup's weight and the progress where recorded ones do: in memory, as float32.

    A Python number is a double: arithmetic with it rounds otherwise.
    """

    def __call__(self, index: Tensor, view: Tensor, weight: float, progress: float) -> None:
        """See `Step`."""
        first, second = (torch.tensor(value, device=self.device) for value in (weight, progress))
        self.run(index, view, weight=first, progress=second, taught=self.distiller.taught(progress))


def plain(method: str, **more: Any) -> Training:
    """A training whose steps are done one by one, with the same arithmetic as recorded ones; see `trainings.make`."""
    training = make(method, device=DEVICE, graph=False, **more)
    step = training.step
    training.step = PlainStep(
        step.model, step.distiller, step.teachers, step.batches, optimizer=step.optimizer, recipe=step.recipe
    )
    return in_memory(training) if STAND_IN else training


def recorded(method: str, **more: Any) -> Training:
    """A training whose steps are recorded; see `trainings.make`."""
    training = make(method, device=DEVICE, **more)
    return record_steps(in_memory(training)) if STAND_IN else training


def memory_held() -> int:
    """Bytes of the GPU's memory that the process keeps; of the stand-in those of all tensors that are alive."""
    gc.collect()
    if not STAND_IN:
        return torch.cuda.memory_reserved(DEVICE)
    alive = (one for one in gc.get_objects() if issubclass(type(one), Tensor))
    return sum({one.untyped_storage().data_ptr(): one.untyped_storage().nbytes() for one in alive}.values())


class _NoWaiting(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        if name in WAITING:
            raise RuntimeError(f"called a synchronizing operator: {name}")
        return func(*args, **(kwargs or {}))


@contextmanager
def no_waiting() -> Iterator[None]:
    """RuntimeError where the GPU is waited for."""
    if STAND_IN:
        with _NoWaiting():
            yield
        return
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode(before)
