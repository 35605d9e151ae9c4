"""Under which conditions a number was made: the flags of a published number, and of a sweep's own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from hpmkd.config.networks import ModelConfig
from hpmkd.config.protocol import is_usual
from hpmkd.config.specs import DataSpec, ModelSpec
from hpmkd.errors import UsageError
from hpmkd.numeric import whole
from hpmkd.plan.architecture import resolve
from hpmkd.plan.composition import is_standardised, term_of
from hpmkd.plan.job import Job

_DATASET, _CLASSES = "CIFAR100", 100
_AUGMENTED = {"none": "none", "crop": "crop", "crop_flip": "crop, flip"}
_WORDS = {
    "epochs": "epochs", "augmentation": "augmentation", "images": "training images", "epoch": "reported epoch",
    "term": "loss", "recipe": "recipe",
}  # fmt: skip
USUAL = "as published"


def usual_networks(teacher: ModelSpec, student: ModelSpec, pair: Mapping[str, Any]) -> bool:
    """Whether these are the networks of a published pair, at their usual widths."""
    both = ((teacher, pair["teacher"]), (student, pair["student"]))
    return all(_plain(spec.arch) == _plain(name) and _has_usual_widths(spec) for spec, name in both)


def _plain(arch: str) -> str:
    """`wrn402` of `wrn_40_2` and `WRN-40-2`."""
    return re.sub(r"[^a-z0-9]", "", arch.lower())


def _has_usual_widths(spec: ModelSpec) -> bool:
    data = DataSpec(
        name=_DATASET, content="", channels=spec.in_channels, image_size=spec.image_size, classes=spec.classes,
        augment="none", validation_fraction=0.0,
    )  # fmt: skip
    try:
        return resolve(ModelConfig(arch=spec.arch), data, "published").channels == spec.channels
    except UsageError:
        return False


def is_the_same(job: Job, about: Mapping[str, Any]) -> bool:
    """Whether a student's method is that of a published number, whatever its settings and what it stands on."""
    name, label = str(about["baseline"]), str(job.baseline)
    return (label == name or label.startswith(f"{name}-")) and is_standardised(job) == bool(about.get("standardised"))


def flags_of(job: Job, settings: Mapping[str, Any], best: bool) -> dict[str, Any]:
    """Those of our number, by the job of one of its models.

    Args:
        job: a model.
        settings: of its method, config key -> value, that the published number was made with; null: by pair, and not
            said of this one.
        best: our number is that of the best test epochs.
    """
    own = dict(job.hparams)
    same = all(value is not None and own.get(key) == value for key, value in settings.items())
    return {
        "epochs": job.fit.epochs,
        "augmentation": _AUGMENTED[job.data.augment],
        "images": job.data.training_images,
        "epoch": "best" if best else "last",
        "term": term_of(job),
        "recipe": USUAL if same and is_usual(job.fit, job.model.arch) else "another",
    }


def differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    """In what two numbers differ beside what they are compared in: `epochs: 240 there, 30 here`."""
    made = []
    for flag, word in _WORDS.items():
        theirs, ours = there.get(flag, USUAL), here[flag]
        if theirs != ours:
            made.append(f"{word}: {_said(theirs)} there, {_said(ours)} here")
    return made


def _said(value: Any) -> str:
    return whole(value) if isinstance(value, int) else str(value)


def is_published_data(data: DataSpec) -> bool:
    """Whether a data set is CIFAR-100 as it is."""
    return data.name == _DATASET and data.classes == _CLASSES and data.condition is None
