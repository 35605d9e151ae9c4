"""Methods that compare logits in a way of their own, and what they have in common."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from hpmkd.methods.base.distiller import Distiller
from hpmkd.methods.base.on_kd import standardised
from hpmkd.models import ModelOutput


def true_class(target: Tensor) -> Tensor:
    """Labels `(N,)`; of probabilities `(N, K)` (label smoothing, mixup) the likeliest class."""
    return target if target.ndim == 1 else target.argmax(1)


def others(values_NK: Tensor, label_N: Tensor) -> Tensor:
    """Each row without its label's column, `(N, K - 1)`, in the order of classes.

    The columns before the label from the left, those behind it from the right: on a GPU `gather` has a backward pass
    that adds in an order that changes, and what a mask leaves has a size for which it is waited.
    """
    place = torch.arange(values_NK.shape[1] - 1, device=values_NK.device)
    return torch.where(place < label_N[:, None], values_NK[:, :-1], values_NK[:, 1:])


def of_class(values_NK: Tensor, label_N: Tensor) -> Tensor:
    """The values in the labels' columns, `(N, 1)`; also without `gather`."""
    here = torch.arange(values_NK.shape[1], device=values_NK.device) == label_N[:, None]
    return torch.where(here, values_NK, torch.zeros_like(values_NK)).sum(1, keepdim=True)


def ramp(progress: float | Tensor, part: float) -> float | Tensor:
    """From 0 at the start to 1 after `part` of the training, in a straight line; 1 where `part` is 0."""
    if not part:
        return 1.0
    return (progress / part).clamp(max=1.0) if isinstance(progress, Tensor) else min(progress / part, 1.0)


class LogitDistiller(Distiller):
    """CE(z_s, y) + a term of its own that compares the logits of student and teacher.

    With LS the term, not the cross-entropy, is given standardised logits, has `ls.temperature`, and is multiplied by
    `ls.weight`.
    """

    def setting(self, name: str) -> float:
        """A number of its section; under LS the temperature is that of LS."""
        if name == "temperature" and self.standard:
            return float(self.hparams["ls.temperature"])
        return float(self.hparams[f"{self.section}.{name}"])

    @property
    def labels_weight(self) -> float:
        """Of the cross-entropy with the labels."""
        return 1.0

    def compare(
        self, student_NK: Tensor, teacher_NK: Tensor, label_N: Tensor, progress: float | Tensor
    ) -> dict[str, Tensor]:
        """The method's own terms.

        Args:
            student_NK, teacher_NK: logits.
            label_N: the classes that are true, or likeliest under label smoothing and mixup.
            progress: see `Distiller.loss`.
        """
        raise NotImplementedError

    def loss(
        self, student: ModelOutput, teachers: Sequence[ModelOutput], target: Tensor, progress: float | Tensor
    ) -> dict[str, Tensor]:
        """CE + `compare`."""
        ours, theirs, weight = student.logits, teachers[0].logits, 1.0
        if self.standard:
            ours, theirs, weight = standardised(ours), standardised(theirs), float(self.hparams["ls.weight"])
        terms = {"ce": self.labels_weight * F.cross_entropy(student.logits, target)}
        own = self.compare(ours, theirs, true_class(target), progress)
        return terms | {name: weight * term for name, term in own.items()}
