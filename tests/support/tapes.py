"""What stands in for a GPU's recorded steps where there is no GPU."""

from __future__ import annotations

from collections.abc import Callable

import torch

from hpmkd.training.cuda_graph import GraphedStep, Tape
from hpmkd.training.train import Training


class StandInTape:
    """Like a CUDA graph it does nothing while it records, and plays with whatever lies in the recorded memory."""

    def __init__(self) -> None:
        self.warmed, self.recorded, self.played = 0, 0, 0
        self._work: Callable[[], None] | None = None

    def warm(self, work: Callable[[], None]) -> None:
        self.warmed += 1
        work()

    def record(self, work: Callable[[], None]) -> None:
        self.recorded += 1
        self._work = work

    def play(self) -> None:
        assert self._work is not None
        self.played += 1
        self._work()


def in_memory(training: Training) -> Training:
    """The same on the CPU with its learning rate in memory, as on a GPU."""
    for group in training.optimizer.param_groups:
        group["lr"], group["foreach"] = torch.tensor(group["lr"]), False
    return training


def record_steps(training: Training, tape: Callable[[], Tape] = StandInTape) -> Training:
    """The same with steps that are recorded on such a tape."""
    step = training.step
    training.step = GraphedStep(
        step.model, step.distiller, step.teachers, step.batches, step.optimizer, step.recipe, tape=tape
    )
    return training
