"""MLKD: Jin et al. 2023, Multi-Level Logit Distillation."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor
from torch.nn import functional as F

from hpmkd.methods.base import LogitDistiller, divergence


def _less_certain(values: Tensor) -> Tensor:
    """The fraction of values that are not above their median (of an even number, the mean of the middle two)."""
    return (values <= torch.quantile(values, 0.5)).to(values.dtype).mean()


@final
class MLKD(LogitDistiller):
    """Probabilities are aligned image by image, image with image, and class with class, at several temperatures."""

    @property
    def labels_weight(self) -> float:
        """See `LogitDistiller`."""
        return self.setting("labels")

    def compare(
        self, student_NK: Tensor, teacher_NK: Tensor, label_N: Tensor, progress: float | Tensor
    ) -> dict[str, Tensor]:
        """w sum_T [T^2 KL(p || q) + |P P' - Q Q'|^2 / N + |P' P - Q' Q|^2 / K], section 3.

        P, Q: the probabilities `(N, K)` of teacher and student at T. `masked` scales the levels of images by the
        fraction of images, and that of classes by the fraction of classes, of which the teacher is less sure than of
        the median one, as the authors' code does. That code also shows a second, strongly augmented view of each image,
        whose terms it adds: not done here.
        """
        count, classes = student_NK.shape
        images, kinds = self._scales(teacher_NK)
        zero = student_NK.new_zeros(())
        single, batch, by_class = zero, zero, zero
        for temperature in self.hparams["mlkd.temperatures"]:
            log_q, log_p = (F.log_softmax(logits / temperature, dim=1) for logits in (student_NK, teacher_NK))
            q, p = log_q.exp(), log_p.exp()
            single = single + temperature**2 * divergence(log_q, log_p)
            batch = batch + (p @ p.t() - q @ q.t()).square().sum() / count
            by_class = by_class + (p.t() @ p - q.t() @ q).square().sum() / classes
        # Under LS its weight, which multiplies all of this, takes the place of this one (as in the authors' code).
        weight = 1.0 if self.standard else self.setting("weight")
        return {
            "instance": weight * images * single,
            "batch": weight * images * batch,
            "class": weight * kinds * by_class,
        }

    def _scales(self, teacher_NK: Tensor) -> tuple[Tensor | float, Tensor | float]:
        if not self.hparams["mlkd.masked"]:
            return 1.0, 1.0
        p = F.softmax(teacher_NK, dim=1)
        return _less_certain(p.max(1).values), _less_certain(p.sum(0))
