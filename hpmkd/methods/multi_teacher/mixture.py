"""One soft target from several teachers: how much each counts, image by image. A component of HPM-KD.

What is mixed are probabilities, not logits: p = sum_m a_m softmax(z_m / T), which is a distribution for any weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hpmkd.methods.base import Repeat, one_by_one


def log_mixture(log_weights_NM: Tensor, logits_MNK: Sequence[Tensor], temperature: Tensor | float) -> Tensor:
    """log sum_m a_m softmax(z_m / T), shape `(N, K)`, summed in log space."""
    log_p_MNK = torch.stack([F.log_softmax(logits / temperature, dim=1) for logits in logits_MNK])
    return torch.logsumexp(log_p_MNK + log_weights_NM.t().unsqueeze(2), dim=0)


class Uniform(nn.Module):
    """a_m = 1 / M."""

    def forward(self, logits_MNK: Sequence[Tensor], target: Tensor) -> Tensor:
        """Log weights `(N, M)`."""
        count = len(logits_MNK)
        return logits_MNK[0].new_full((len(target), count), 1 / count).log()


class Confidence(nn.Module):
    """Zhang et al. 2022 (CA-MKD), equation 4: a_m = (1 - exp(CE_m) / sum_j exp(CE_j)) / (M - 1).

    A teacher whose prediction is closer to the label counts more; for M = 1 the weight is 1.
    """

    def forward(self, logits_MNK: Sequence[Tensor], target: Tensor) -> Tensor:
        """Log weights `(N, M)` from each teacher's cross-entropy with the labels `(N,)`."""
        if len(logits_MNK) == 1:
            return logits_MNK[0].new_zeros(len(target), 1)
        ce_NM = torch.stack([F.cross_entropy(logits, target, reduction="none") for logits in logits_MNK], dim=1)
        weights = (1 - torch.softmax(ce_NM, dim=1)) / (len(logits_MNK) - 1)
        return weights.clamp_min(1e-12).log()


class Attention(nn.Module):
    """a = softmax_m g(standardised logits, entropy, largest probability, their mean over teachers, embedding).

    g is one small network for all teachers; the embedding tells them apart. It is trained once, on validation
    images: on training images every teacher is right, and there would be nothing to learn. Then it is frozen, so
    the student's loss has no gradient for it.

    Args:
        teachers: how many there are (M).
        classes: K.
        entropy_bonus: weight of the entropy of a in its training; keeps it from betting on one teacher.
        steps: full-batch Adam steps of its training.
    """

    hidden, width = 32, 4

    def __init__(self, teachers: int, classes: int, entropy_bonus: float, steps: int) -> None:
        super().__init__()
        self.entropy_bonus, self.steps = entropy_bonus, steps
        self.embedding = nn.Parameter(0.1 * torch.randn(teachers, self.width))
        inputs = 2 * (classes + 2) + self.width
        last = nn.Linear(self.hidden, 1)
        # From equal weights on: an untrained gate is the uniform mixture.
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.scorer = nn.Sequential(nn.Linear(inputs, self.hidden), nn.ReLU(), last)
        # Frozen but for `fit`: a resumed training, which does not fit, must not train it with the student.
        self.requires_grad_(False)

    def forward(self, logits_MNK: Sequence[Tensor], target: Tensor) -> Tensor:
        """Log weights `(N, M)`; the labels are not looked at."""
        z = torch.stack(list(logits_MNK), dim=1).detach()
        log_p = F.log_softmax(z, dim=2)
        entropy = -(log_p.exp() * log_p).sum(2, keepdim=True)
        standard = (z - z.mean(2, keepdim=True)) / z.std(2, keepdim=True).clamp_min(1e-6)
        own = torch.cat([standard, entropy, log_p.max(2, keepdim=True).values.exp()], dim=2)
        shared = own.mean(1, keepdim=True).expand_as(own)
        who = self.embedding.expand(len(z), -1, -1)
        return F.log_softmax(self.scorer(torch.cat([own, shared, who], dim=2)).squeeze(2), dim=1)

    @torch.enable_grad()
    def fit(self, logits_MNK: Sequence[Tensor], target: Tensor, repeat: Repeat = one_by_one) -> None:
        """Trains g on held-out images, -log p_y - b H(a) at T = 1, and freezes it."""
        self.requires_grad_(True)
        # On a GPU its count of steps lies in the GPU's memory, as the recording of a step needs it.
        optimizer = torch.optim.Adam(self.parameters(), 0.01, capturable=target.device.type == "cuda")
        # It is meant: the steps before a recording are not recorded.
        optimizer._warned_capturable_if_run_uncaptured = True

        def step() -> None:
            log_a = self(logits_MNK, target)
            entropy = -(log_a.exp() * log_a).sum(1).mean()
            loss = F.nll_loss(log_mixture(log_a, logits_MNK, 1.0), target) - self.entropy_bonus * entropy
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()

        repeat(step, self.steps)
        for parameter in self.parameters():
            parameter.grad = None
        self.requires_grad_(False)

    @torch.no_grad()
    def spread(self, logits_MNK: Sequence[Tensor], target: Tensor) -> dict[str, Any]:
        """How the weights are spread over the teachers, on average over N images.

        Returns:
            `entropy`: mean of H(a) = -sum_m a_m ln a_m, in nats, between 0 (one teacher alone) and ln M (all alike);
            `weights`: mean of a_m for each teacher.
        """
        log_a = self(logits_MNK, target).double()
        a = log_a.exp()
        return {"entropy": float(-(a * log_a).sum(1).mean()), "weights": a.mean(0).tolist()}
