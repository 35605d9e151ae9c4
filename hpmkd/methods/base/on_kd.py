"""Methods whose own term is added to KD, or to the labels alone; and standardised logits."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional as F

from hpmkd.methods.base.distiller import Distiller
from hpmkd.methods.base.terms import kd_terms, soft_term
from hpmkd.models import ModelOutput

# Added to a standard deviation, as in the authors' code.
_SMALLEST = 1e-7


def standardised(logits_NK: Tensor) -> Tensor:
    """(z - mean) / (sd + 1e-7) over the K classes of each image: Sun et al. 2024, algorithm 1 (`Z-score`).

    The standard deviation is that with K - 1, as in the authors' code.
    """
    mean, deviation = logits_NK.mean(1, keepdim=True), logits_NK.std(1, keepdim=True)
    return (logits_NK - mean) / (deviation + _SMALLEST)


class OnKD(Distiller):
    """A method that stands on KD, or, with the word `alone` in its name, on the labels alone."""

    @property
    def alpha(self) -> float:
        """Of the distillation term: the labels have 1 - alpha."""
        return float(self.hparams["kd.alpha"])

    def base(self, student_NK: Tensor, teacher_NK: Tensor, target: Tensor) -> dict[str, Tensor]:
        """What the method's own term is added to: `kd_terms`, or CE(z_s, y).

        With LS: (1-a) CE(z_s, y) + w T^2 KL, of standardised logits, at `ls.temperature` and with w = `ls.weight`.
        """
        if self.hparams.get("kd.alone"):
            return {"ce": F.cross_entropy(student_NK, target)}
        if not self.standard:
            temperature = self.hparams["kd.temperature"]
            return kd_terms(student_NK, teacher_NK, target_N=target, temperature=temperature, alpha=self.alpha)
        temperature = self.hparams["ls.temperature"]
        log_p = F.log_softmax(standardised(teacher_NK) / temperature, dim=1)
        return self.standard_terms(student_NK, log_p, target=target, temperature=temperature)

    def standard_terms(
        self, student_NK: Tensor, log_p_NK: Tensor, target: Tensor, temperature: float | Tensor
    ) -> dict[str, Tensor]:
        """The loss under LS for log probabilities of standardised logits, already at the temperature."""
        soft = soft_term(standardised(student_NK), log_p_NK, temperature)
        hard = (1 - self.alpha) * F.cross_entropy(student_NK, target)
        return {"ce": hard, "kd": self.hparams["ls.weight"] * soft}


class FeatureDistiller(OnKD):
    """`OnKD.base` + a term of its own that compares what `needs` names of student and teacher."""

    def own(self, student: ModelOutput, teacher: ModelOutput, progress: float | Tensor) -> dict[str, Tensor]:
        """The method's own terms, weighted.

        Args:
            student, teacher: logits `(N, K)`, and what `needs` asks for.
            progress: see `Distiller.loss`.
        """
        raise NotImplementedError

    def loss(
        self, student: ModelOutput, teachers: Sequence[ModelOutput], target: Tensor, progress: float | Tensor
    ) -> dict[str, Tensor]:
        """`base` + `own`."""
        terms = self.base(student.logits, teachers[0].logits, target)
        return terms | self.own(student, teachers[0], progress)
