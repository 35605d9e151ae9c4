"""A row of results.parquet, from the header of one model, search or logits cache."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from hpmkd.audit.lineage import direct
from hpmkd.config.kernels import TORCH
from hpmkd.config.specs import ModelSpec, model_from_json
from hpmkd.numeric import is_defined
from hpmkd.plan.architecture import forward_cost, parameter_count
from hpmkd.plan.roles import NETWORK_SUFFIX, Role
from hpmkd.store.sidecar import Header

COUNTS = ("training_images", "smallest_class", "largest_class", "flipped")
RATES = ("noise_rate", "flipped_rate")


def result_row(stem: str, header: Header, planned: bool) -> dict[str, Any]:
    """What the header of a file says; `planned`: whether it belongs to the present plan."""
    meta = header.metadata
    role, shape, versions = Role.of(meta.get("role")), meta.get("architecture") or {}, meta.get("versions") or {}
    # Of what is no network, `accuracy` is none on the test set: a search reports validation images.
    network = role is None or role.is_network
    return {
        "file": f"{stem}{role.suffix if role else NETWORK_SUFFIX}",
        "dataset": meta.get("dataset"),
        "condition": meta.get("condition"),
        "pair": meta.get("pair"),
        "role": role.value if role else meta.get("role"),
        "baseline": meta.get("baseline"),
        "run": _count(meta.get("run")),
        "accuracy_pct": header.accuracy if network else math.nan,
        "validation_accuracy_pct": meta.get("val_accuracy") if network else header.accuracy,
        **_protocol(meta),
        "train_seconds": header.train_time,
        "prepare_seconds": meta.get("prepare_seconds", math.nan),  # of them, on helper modules before the first step
        # Mean entropy (nats) of the trained attention's weights on validation images, of a student that has one.
        "attention_entropy": _entropy(meta.get("attention")),
        "epochs": _count(meta.get("epochs")),
        # A sweep has one kind of each, and never averages two; tables of several sweeps can tell them apart.
        **_computed_in(meta.get("recipe")),
        "seed": str(meta.get("seed")),
        **_architecture(shape if network else None),
        **_training_data(meta.get("training_data")),
        "device": meta.get("device"),
        "hardware": meta.get("hardware"),
        "timestamp": header.timestamp,
        "fingerprint": meta.get("fingerprint"),
        "sha256": header.sha256,
        "weights_sha256": header.weights,
        "planned": planned,
        "recalled": bool(meta.get("recalled")),
        **{name: versions.get(name) for name in ("hpmkd", "torch", "python")},
        "git_revision": meta.get("git_revision"),
        "parents": " ".join(direct(meta)),
    }


def _protocol(meta: Mapping[str, Any]) -> dict[str, Any]:
    """The best test accuracy of any epoch, where the protocol looks at the test images after each; `accuracy_pct` is
    that of the last."""
    best = {"best_test_accuracy_pct": _number(meta.get("best_test_accuracy_pct"))}
    return {**best, "best_test_epoch": _count(meta.get("best_test_epoch")), "protocol": meta.get("protocol")}


def _training_data(facts: Any) -> dict[str, Any]:
    """How many images a model was trained on, of each class at least and at most; and how many of their labels are
    wrong, asked for and found. Of metadata, in which somebody else may have put anything."""
    known: Mapping[str, Any] = facts if isinstance(facts, Mapping) else {}
    numbers = known.get("images_per_class")
    classes = [one for one in numbers if is_defined(one)] if isinstance(numbers, list) else []
    rates = {name: float(known[name]) if is_defined(known.get(name)) else math.nan for name in RATES}
    return {
        "training_images": sum(map(int, classes)) if classes else None,
        "smallest_class": _count(min(classes)) if classes else None,
        "largest_class": _count(max(classes)) if classes else None,
        **rates,
        "flipped": _count(known.get("flipped")),
    }


def _architecture(shape: Mapping[str, Any] | None) -> dict[str, Any]:
    """Of a network; of what is none, nothing."""
    return {
        "architecture": None if shape is None else shape.get("arch"),
        "channels": None if shape is None else str(shape.get("channels")),
        "parameters": None if shape is None else _counted(parameter_count, shape),
        "multiply_adds": None if shape is None else _counted(forward_cost, shape),  # of the forward pass of an image
    }


def _computed_in(recipe: Any) -> dict[str, str | None]:
    """Precision and kernels, of metadata; None where they have no word for it."""
    known: Mapping[str, Any] = recipe if isinstance(recipe, Mapping) else {}
    found = {"precision": known.get("fit.precision"), "kernels": known.get("fit.kernels", TORCH if known else None)}
    return {name: value if isinstance(value, str) else None for name, value in found.items()}


def _count(value: Any) -> int | None:
    """A whole number of metadata; None where somebody else has put something else there."""
    return int(value) if is_defined(value) and value == int(value) else None


def _entropy(attention: Any) -> float:
    """Of metadata; NaN where there is none."""
    return _number(attention.get("entropy") if isinstance(attention, Mapping) else None)


def _number(value: Any) -> float:
    """Of metadata, in which somebody else may have put anything; NaN where there is none."""
    return float(value) if is_defined(value) else math.nan


def _counted(count: Callable[[ModelSpec], int], shape: Mapping[str, Any]) -> int | None:
    """Of a network by its metadata; None where they do not describe one of ours."""
    try:
        return count(model_from_json(shape))
    except (TypeError, ValueError, KeyError):
        return None
