"""Measures with torch's profiler which operators take the time of an epoch."""

from __future__ import annotations

from typing import Any

import torch
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
            that of its kernels. Empty after every other epoch.
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
        on_gpu = self._device.type == "cuda"
        rows = [
            {
                "operator": event.key,
                "calls": event.count,
                "seconds": (event.self_device_time_total if on_gpu else event.self_cpu_time_total) / 1e6,
            }
            for event in self._profile.key_averages()
        ]
        return sorted(rows, key=lambda row: -row["seconds"])[:_KEPT]
