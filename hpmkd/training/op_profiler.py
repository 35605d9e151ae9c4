"""Measures with torch's profiler which operators take the time of an epoch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch.autograd import DeviceType  # type: ignore[attr-defined]
from torch.profiler import ProfilerActivity, profile

# In the first epoch kernels are loaded and memory is found.
_EPOCH = 2
_KEPT = 12


class Operators:
    """Watches the second epoch of a training.

    Args:
        device: whose kernels are counted besides the CPU's operators.
    """

    def __init__(self, device: torch.device) -> None:
        kinds = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device.type == "cuda" else [])]
        self._device, self._profile = device, profile(activities=kinds)
        self._runs = False

    def ended(self, epoch: int) -> list[dict[str, Any]]:
        """Told that an epoch (from 1) ended; after the second, the operators that took longest, the longest first.

        Returns:
            Rows of `operator`, `calls`, `seconds`: time in the operator itself, without those that it calls; on a GPU
            the kernels in place of operators. Empty after every other epoch.
        """
        if epoch == _EPOCH - 1:
            self._profile.start()
            self._runs = True
        elif self._runs:
            self.close()
            return self._rows()
        return []

    def close(self) -> None:
        """Ends the watch, if it runs."""
        if self._runs:
            self._runs = False
            self._profile.stop()

    def _rows(self) -> list[dict[str, Any]]:
        found = self._profile.key_averages()
        if self._device.type == "cuda":
            seen = [(event, kernel_seconds(event)) for event in kernels(found)]
        else:
            seen = [(event, event.self_cpu_time_total / 1e6) for event in found]
        rows = [{"operator": event.key, "calls": event.count, "seconds": seconds} for event, seconds in seen]
        return sorted(rows, key=lambda row: -row["seconds"])[:_KEPT]


def kernels(found: Iterable[Any]) -> list[Any]:
    """Of a profiler's averages those of what ran on the GPU: kernels, copies and fills.

    An operator's row has the time of its kernels too, and an annotation (of an optimiser's step) spans those in it: a
    sum over all rows would count them twice.
    """
    rows = list(found)
    on_host = {row.key for row in rows if row.device_type == DeviceType.CPU}
    # torch 2.3 does not say what is an annotation; but that stands among the host's rows under the same name.
    return [
        row
        for row in rows
        if row.device_type == DeviceType.CUDA
        and row.key not in on_host
        and not getattr(row, "is_user_annotation", False)
    ]


def kernel_seconds(row: Any) -> float:
    """How long the GPU worked on a row of `kernels`, all its calls together."""
    # Before torch 2.4 it had another name.
    return (
        float(row.self_device_time_total if hasattr(row, "self_device_time_total") else row.self_cuda_time_total) / 1e6
    )
