"""Where a training stands between two steps of an epoch: what its checkpoint must hold beside weights and optimiser."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor


class Between:
    """What is done between two steps, or two batches, of a unit of work, where a checkpoint may be made; and a clock
    for the work alone.

    `act` is given nothing and decides for itself; None: nothing is done. Its seconds are none of the work's own.
    """

    def __init__(self) -> None:
        self.act: Callable[[], object] | None = None
        self.seconds, self._since = 0.0, 0.0

    def begin(self) -> None:
        """The work begins."""
        self._since = time.monotonic()

    def lap(self) -> float:
        """Seconds of work since it began, or since the last lap."""
        before, self._since = self._since, time.monotonic()
        return self._since - before

    def __call__(self) -> None:
        """Does it, after a `lap`."""
        if self.act is not None:
            self.act()
            self.seconds += self.lap()


def random_states(device: torch.device) -> list[Tensor]:
    """Of torch's generator on the CPU, and of the device's own, if it has one."""
    found = [torch.get_rng_state()]
    return [*found, torch.cuda.get_rng_state(device)] if device.type == "cuda" else found


def set_random_states(states: list[Tensor], device: torch.device) -> None:
    """The reverse of `random_states`; what was saved on another kind of device has none for this one."""
    torch.set_rng_state(states[0].cpu())
    if device.type == "cuda" and len(states) > 1:
        torch.cuda.set_rng_state(states[1].cpu(), device)


def position(epoch: int, steps: int, within: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
    """The part of a `state_dict` that says where the work stands.

    Args:
        epoch: whole units that are done.
        steps: of the next unit; 0: none.
        within: what else must be known there, if there are any.

    Between steps `epoch` is None: a version that knows whole epochs alone must not take such a state for one.
    """
    if not steps:
        return {"epoch": epoch}
    return {"epoch": None, "within": {"epoch": epoch, "steps": steps, **within()}}


def read_position(state: Mapping[str, Any]) -> tuple[int, int, Mapping[str, Any]]:
    """The reverse: units, steps, and what else is known there."""
    within = state.get("within") or {"epoch": state["epoch"], "steps": 0}
    return int(within["epoch"]), int(within["steps"]), within
