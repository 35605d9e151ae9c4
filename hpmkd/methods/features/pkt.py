"""PKT: Passalis and Tefas 2018, Learning Deep Representations with Probabilistic Knowledge Transfer."""

from __future__ import annotations

from typing import ClassVar, final

import torch
from torch import Tensor

from hpmkd.methods.base import FeatureDistiller, Taps, embeddings, unit
from hpmkd.models import ModelOutput

_SMALLEST = 1e-7  # of a probability, as in the authors' code


def neighbours(rows_ND: Tensor, diagonal: bool) -> Tensor:
    """p(j | i): similarities (cosine + 1) / 2 over their sum, `(N, N)`, equations 3 to 5.

    `diagonal`: an image is its own neighbour, too; else its probability is 0.
    """
    rows = unit(rows_ND, dim=1)
    alike = (rows @ rows.t() + 1) / 2
    if not diagonal:
        alike = alike * (1 - torch.eye(len(alike), dtype=alike.dtype, device=alike.device))
    return alike / alike.sum(1, keepdim=True).clamp_min(_SMALLEST)


@final
class PKT(FeatureDistiller):
    """Which images are whose neighbours, as probabilities, in the embedding."""

    needs: ClassVar[Taps] = frozenset({"embedding"})

    def own(self, student: ModelOutput, teacher: ModelOutput, progress: float | Tensor) -> dict[str, Tensor]:
        """beta sum_ij p_ij log(p_ij / q_ij) / N^2, equation 7.

        The paper has the sum; the mean over N^2 pairs is what the authors' weight of 30,000 belongs to.
        """
        ours, theirs = embeddings(student, teacher)
        q, p = (neighbours(rows, self.hparams["pkt.diagonal"]) for rows in (ours, theirs))
        each = p * ((p + _SMALLEST) / (q + _SMALLEST)).log()
        return {"pkt": self.hparams["pkt.beta"] * each.mean()}
