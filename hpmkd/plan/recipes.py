"""The training recipe of a job, from the config."""

from __future__ import annotations

from hpmkd.config.kernels import kernels_of
from hpmkd.config.protocol import learning_rate
from hpmkd.config.specs import FitSpec
from hpmkd.config.sweep import SweepConfig

_OTHERS = {"teacher_epochs", "assistant_epochs", "student_epochs"}


def fit_of(config: SweepConfig, arch: str, epochs: int, distilled: bool = True) -> FitSpec:
    """The recipe of a network; `arch`: its architecture, on which learning rate and kernels may depend."""
    values = config.fit.model_dump(exclude=_OTHERS)
    if values["precision"] == "auto":
        raise ValueError("fit.precision: auto is no recipe; `sweep.precision` makes one of it")
    values |= {"lr": learning_rate(config.fit.lr, arch), "milestones": tuple(values["milestones"])}
    values |= {"kernels": kernels_of(config.fit.kernels, arch)}
    return FitSpec(**{**values, "epochs": epochs, "mixup": mixup_of(config, distilled)})


def mixup_of(config: SweepConfig, distilled: bool = True) -> float:
    """Of models that are trained by distillation, or of the others."""
    own = config.kd.mixup
    return config.fit.mixup if own is None or not distilled else own
