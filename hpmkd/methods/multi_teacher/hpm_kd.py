"""HPM-KD: hierarchical progressive multi-teacher distillation; its parents are in `plan/ablations.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from hpmkd.config.specs import ModelSpec
from hpmkd.methods.base import OnKD, Repeat, one_by_one, soft_terms, standardised
from hpmkd.methods.multi_teacher.mixture import Attention, Confidence, Uniform, log_mixture
from hpmkd.methods.multi_teacher.temperature import SCHEDULES
from hpmkd.models import ModelOutput


class HPMKD(OnKD):
    """(1-a) CE + a T^2 KL(p || softmax(z_s/T)), p mixed from all teachers, T from the meta temperature.

    With one teacher and no meta temperature this is TraditionalKD, operation for operation.
    """

    def __init__(self, hparams: Mapping[str, Any], student: ModelSpec, teachers: Sequence[ModelSpec]) -> None:
        super().__init__(hparams, student, teachers)
        self.mixture: nn.Module | None = None
        if len(teachers) > 1:
            self.mixture = self._mixture(len(teachers), student.classes)
        self.schedule: nn.Module | None = None
        if "hpmkd.schedule" in hparams:
            base = self.fixed_temperature
            high, low = base * hparams["hpmkd.t_high"], base * hparams["hpmkd.t_low"]
            self.schedule = SCHEDULES[hparams["hpmkd.schedule"]](high, low)

    @property
    def fixed_temperature(self) -> float:
        """Without meta temperature, and that which it is a multiple of."""
        return float(self.hparams["ls.temperature" if self.standard else "kd.temperature"])

    def _mixture(self, teachers: int, classes: int) -> nn.Module:
        kind = self.hparams["hpmkd.weighting"]
        if kind == "attention":
            bonus, steps = self.hparams["hpmkd.entropy_bonus"], self.hparams["hpmkd.gate_steps"]
            return Attention(teachers, classes, bonus, steps)
        return Uniform() if kind == "uniform" else Confidence()

    @property
    def needs_validation(self) -> bool:
        """Whether the attention is to be trained."""
        return isinstance(self.mixture, Attention)

    def prepare(self, teachers: Sequence[Tensor], target: Tensor, repeat: Repeat = one_by_one) -> None:
        """Trains the attention on the teachers' logits on validation images."""
        if isinstance(self.mixture, Attention):
            self.mixture.fit(teachers, target, repeat)

    def prepared(self, teachers: Sequence[Tensor], target: Tensor) -> dict[str, Any]:
        """`attention`: see `Attention.spread`."""
        return {"attention": self.mixture.spread(teachers, target)} if isinstance(self.mixture, Attention) else {}

    def loss(
        self, student: ModelOutput, teachers: Sequence[ModelOutput], target: Tensor, progress: float | Tensor
    ) -> dict[str, Tensor]:
        """`soft_terms` with the mixture of all teachers; under LS of standardised logits."""
        temperature: Tensor | float = self.fixed_temperature
        if self.schedule is not None:
            temperature = self.schedule(progress, F.cross_entropy(student.logits.detach(), target))
        logits = [teacher.logits for teacher in teachers]
        shown = [standardised(one) for one in logits] if self.standard else logits
        if self.mixture is None:
            log_p = F.log_softmax(shown[0] / temperature, dim=1)
        else:
            log_p = log_mixture(self.mixture(logits, target), shown, temperature)
        if self.standard:
            return self.standard_terms(student.logits, log_p, target=target, temperature=temperature)
        return soft_terms(student.logits, log_p, target_N=target, temperature=temperature, alpha=self.alpha)
