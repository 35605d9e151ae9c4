"""DML: Zhang et al. 2018, Deep Mutual Learning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hpmkd.config.specs import ModelSpec
from hpmkd.methods.base import Distiller, divergence
from hpmkd.models import ModelOutput, build


@final
class DML(Distiller):
    """The student and a second network of its architecture, which starts from other weights, learn from one another.

    The second one is a helper module: it is in the epoch checkpoints, and not in the model file.
    """

    def __init__(self, hparams: Mapping[str, Any], student: ModelSpec, teachers: Sequence[ModelSpec]) -> None:
        super().__init__(hparams, student, teachers)
        self.peer = build(student, seed=int(torch.randint(2**31, ())))

    @property
    def peers(self) -> tuple[nn.Module, ...]:
        """See `Distiller`."""
        return (self.peer,)

    def loss(
        self, student: ModelOutput, teachers: Sequence[ModelOutput], target: Tensor, progress: float | Tensor
    ) -> dict[str, Tensor]:
        """CE(z_1, y) + w KL(p_2 || p_1), and the same of the other, equations 5 to 8 with K = 2.

        Each divergence moves the network that learns, not the one that it learns from. Both make their steps together
        (the paper: one after the other, on the same batch).
        """
        ours, theirs, weight = student.logits, teachers[-1].logits, self.hparams["dml.weight"]
        log_q, log_p = F.log_softmax(ours, dim=1), F.log_softmax(theirs, dim=1)
        return {
            "ce": F.cross_entropy(ours, target),
            "kd": weight * divergence(log_q, log_p.detach()),
            "peer_ce": F.cross_entropy(theirs, target),
            "peer_kd": weight * divergence(log_p, log_q.detach()),
        }
