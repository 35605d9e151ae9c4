"""The protocols of a sweep: which images choose, when the test images are looked at, and the usual recipe.

`honest`: images are held out for every choice, the test images are looked at once. `literature`: that of the tables
which papers print for CIFAR-100. RepDistiller (Tian et al. 2020) has its recipe, and reports the last epoch; mdistiller
(Zhao et al. 2022) and its forks report the best test accuracy of any epoch.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from hpmkd.config.conditions import CLEAN_VALIDATION, has_any
from hpmkd.config.fields import Rejected

if TYPE_CHECKING:
    from hpmkd.config.specs import FitSpec

Protocol = Literal["honest", "literature"]
LITERATURE: Protocol = "literature"
_EPOCHS, _MILESTONES = 240, (150, 180, 210)
# The keys of `fit` that nobody has set; `lr: null` is that of the network, see `learning_rate`.
_FIT: dict[str, Any] = {
    "teacher_epochs": _EPOCHS, "student_epochs": _EPOCHS, "batch_size": 64, "optimizer": "sgd", "lr": None,
    "momentum": 0.9, "nesterov": False, "weight_decay": 5e-4, "schedule": "step",
    "milestones": [epoch / _EPOCHS for epoch in _MILESTONES], "gamma": 0.1,
}  # fmt: skip
_LR = 0.05
# Networks whose learning rate is another one in RepDistiller's scripts: name (its beginning) -> rate.
_EXCEPTIONS = {re.compile("mobilenet|shufflenet", re.IGNORECASE): 0.01}


def with_defaults(values: dict[str, Any]) -> dict[str, Any]:
    """The raw config with what its protocol sets where the user has not."""
    if values.get("protocol") != LITERATURE:
        return values
    usual = {"fit": _FIT, "data": {"validation_fraction": 0.0}}
    own = {name: values.get(name, {}) for name in usual}
    return {**values, **{name: {**usual[name], **one} for name, one in own.items() if isinstance(one, dict)}}


def learning_rate(lr: float | None, arch: str) -> float:
    """That of the config; where that leaves it to the protocol, that of a network."""
    if lr is not None:
        return lr
    return next((rate for name, rate in _EXCEPTIONS.items() if name.match(arch)), _LR)


def need_one_protocol(protocol: Protocol, found: Mapping[str, Any]) -> None:
    """Rejected where settings need images that the protocol does not hold out, or the other way round.

    Args:
        protocol: of the sweep.
        found: `fit.lr`, and the values of the keys in `_USES`.
    """
    if protocol != LITERATURE:
        if not found["data.validation_fraction"]:
            raise Rejected(
                "more than 0: these images choose; none are held out with protocol: literature alone",
                found="0", todo="ask for some, such as 0.1", key="data.validation_fraction",
            )  # fmt: skip
        if found["fit.lr"] is None:
            raise Rejected(
                "a number; null leaves it to protocol: literature", found="null", todo="set it", key="fit.lr"
            )
        return
    kept = [one for one in found["datasets"] if has_any(one.rpartition("@")[2], (CLEAN_VALIDATION,))]
    clean = any(found["data.clean_validation"])
    for key, value in {**found, "datasets": kept, "data.clean_validation": clean}.items():
        if key in _USES and value:
            raise Rejected(
                f"nothing beside protocol: literature, which holds no images out that {_USES[key]}",
                found=str(value), todo="leave it out, or take protocol: honest", key=key,
            )  # fmt: skip


_USES = {
    "datasets": "keep their labels",
    "data.validation_fraction": "are a part of the training images",
    "data.clean_validation": "keep their labels",
    "vary": "could choose a cell of a grid: name what is compared in baselines, as in TraditionalKD-T2",
    "record.representations": "choose the strength of a probe",
}


def is_usual(fit: FitSpec, arch: str) -> bool:
    """Whether a recipe is that of the literature, its number of epochs aside."""
    wanted = {**_FIT, "lr": learning_rate(None, arch), "milestones": tuple(_FIT["milestones"])}
    off = fit.label_smoothing == 0 and fit.mixup == 0 and fit.views is None
    return off and all(getattr(fit, key) == value for key, value in wanted.items() if not key.endswith("_epochs"))
