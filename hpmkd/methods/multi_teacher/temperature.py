"""Meta temperature: T as a function of how the training goes. A component of HPM-KD."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class Cosine(nn.Module):
    """T(s) = low + (high - low) (1 + cos(pi s)) / 2: `high` at s = 0, `low` at s = 1, whatever the loss does.

    Args:
        high: temperature at the start; it may be the lower one.
        low: temperature at the end.
    """

    def __init__(self, high: float, low: float) -> None:
        super().__init__()
        self.high, self.low = high, low

    def forward(self, progress: float | Tensor, ce: Tensor) -> Tensor | float:
        """T at `progress` s in [0, 1]; `ce` is not looked at."""
        angle = math.pi * progress
        wave = torch.cos(angle) if isinstance(angle, Tensor) else math.cos(angle)
        return self.low + (self.high - self.low) * 0.5 * (1 + wave)


class LossBased(Cosine):
    """T = low + (high - low) min(1, m / m_0): m is the running mean of the cross-entropy, m_0 its first value.

    At t = 0 the quotient is 1, so T = `high`; as the student fits the labels, T goes to `low`. The running mean
    (weight `keep` on the past) lives in buffers, so it is checkpointed.
    """

    keep = 0.99

    def __init__(self, high: float, low: float) -> None:
        super().__init__(high, low)
        self.mean: Tensor
        self.first: Tensor
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("first", torch.zeros(()))

    def forward(self, progress: float | Tensor, ce: Tensor) -> Tensor | float:
        """T after the step whose cross-entropy `ce` (scalar) is taken into the mean."""
        value = ce.detach().float()
        fresh = self.first == 0
        self.first.copy_(torch.where(fresh, value.clamp_min(1e-8), self.first))
        self.mean.copy_(torch.where(fresh, value, self.keep * self.mean + (1 - self.keep) * value))
        return self.low + (self.high - self.low) * (self.mean / self.first).clamp(0, 1)


class ConvergenceBased(LossBased):
    """T = low + (high - low) min(1, r / r_max): r is how fast the loss falls, r_max the fastest that was seen.

    r = max(0, 1 - m / M) with a quick running mean m of the cross-entropy (`keep`) and a slow one M (`slow_keep`).
    Before the loss first falls r_max is 0 and T = `high`; when the loss no longer falls, T = `low`.
    """

    slow_keep = 0.999

    def __init__(self, high: float, low: float) -> None:
        super().__init__(high, low)
        self.slow: Tensor
        self.fastest: Tensor
        self.register_buffer("slow", torch.zeros(()))
        self.register_buffer("fastest", torch.zeros(()))

    def forward(self, progress: float | Tensor, ce: Tensor) -> Tensor | float:
        """T after the step whose cross-entropy `ce` (scalar) is taken into both means."""
        value, fresh = ce.detach().float(), self.first == 0
        super().forward(progress, ce)
        self.slow.copy_(torch.where(fresh, value, self.slow_keep * self.slow + (1 - self.slow_keep) * value))
        rate = (1 - self.mean / self.slow.clamp_min(1e-8)).clamp_min(0)
        self.fastest.copy_(torch.maximum(self.fastest, rate))
        part = torch.where(self.fastest > 0, rate / self.fastest.clamp_min(1e-12), torch.ones_like(rate))
        return self.low + (self.high - self.low) * part.clamp(0, 1)


SCHEDULES: dict[str, type[Cosine]] = {"cosine": Cosine, "loss": LossBased, "convergence": ConvergenceBased}
