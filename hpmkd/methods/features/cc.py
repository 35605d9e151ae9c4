"""CC: Peng et al. 2019, Correlation Congruence for Knowledge Distillation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, final

from torch import Tensor, nn
from torch.nn import functional as F

from hpmkd.config.specs import ModelSpec
from hpmkd.methods.base import FeatureDistiller, Taps, embedding_size, embeddings, unit
from hpmkd.models import ModelOutput

_DIMENSIONS = 128  # in which neighbours are compared, as in RepDistiller


def correlations(rows_ND: Tensor, gamma: float, order: int) -> Tensor:
    """exp(-g |x - y|^2) of all pairs of rows with length 1, as a Taylor series in x y: `(N, N)`, equation 9.

    |x - y|^2 = 2 - 2 x y, so it is e^(-2g) sum_p (2g)^p / p! (x y)^p.
    """
    rows = unit(rows_ND, dim=1)
    products = rows @ rows.t()
    total = products.new_full(products.shape, math.exp(-2 * gamma))
    for power in range(1, order + 1):
        total = total + math.exp(-2 * gamma) * (2 * gamma) ** power / math.factorial(power) * products**power
    return total


@final
class CC(FeatureDistiller):
    """How images go together, in the embedding."""

    needs: ClassVar[Taps] = frozenset({"embedding"})

    def __init__(self, hparams: Mapping[str, Any], student: ModelSpec, teachers: Sequence[ModelSpec]) -> None:
        super().__init__(hparams, student, teachers)
        self.projections: nn.ModuleList | None = None
        if hparams["cc.form"] == "neighbours":
            sizes = (embedding_size(student), embedding_size(teachers[0]))
            self.projections = nn.ModuleList(nn.Linear(size, _DIMENSIONS) for size in sizes)

    def own(self, student: ModelOutput, teacher: ModelOutput, progress: float | Tensor) -> dict[str, Tensor]:
        """beta |C_t - C_s|^2 / N^2, equation 4.

        `neighbours`: + beta times the mean over images i of |s_i - t_i| |s_(i+1) - t_(i+1)|, an inner product, where s
        and t are linear projections of both embeddings to 128 dimensions, trained with the student.
        """
        ours, theirs = embeddings(student, teacher)
        if self.projections is not None:
            apart = (self.projections[0](ours) - self.projections[1](theirs)).abs()
            found = (apart[:-1] * apart[1:]).sum(1).mean()
        else:
            gamma, order = self.hparams["cc.gamma"], self.hparams["cc.order"]
            found = F.mse_loss(correlations(ours, gamma, order), correlations(theirs, gamma, order))
        return {"cc": self.hparams["cc.beta"] * found}
