"""KD-Ensemble: a control. Hinton et al. 2015, section 4: the soft target of an ensemble is the mean of its members'."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from hpmkd.methods.base import OnKD, soft_terms, standardised
from hpmkd.methods.multi_teacher.mixture import Uniform, log_mixture
from hpmkd.models import ModelOutput


class KDEnsemble(OnKD):
    """TraditionalKD from the uniform mean of the same M teachers that HPM-KD has."""

    def loss(
        self, student: ModelOutput, teachers: Sequence[ModelOutput], target: Tensor, progress: float | Tensor
    ) -> dict[str, Tensor]:
        """`soft_terms` with p = 1/M sum_m softmax(z_m / T); under LS of standardised logits."""
        temperature = self.hparams["ls.temperature" if self.standard else "kd.temperature"]
        logits = [standardised(one.logits) if self.standard else one.logits for one in teachers]
        log_p = log_mixture(Uniform()(logits, target), logits, temperature)
        if self.standard:
            return self.standard_terms(student.logits, log_p, target=target, temperature=temperature)
        return soft_terms(student.logits, log_p, target_N=target, temperature=temperature, alpha=self.alpha)
