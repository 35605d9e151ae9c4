"""Arithmetic of architectures without torch: parameter counts, and assistants of a wanted count.

`models/` builds the networks; a test holds both against each other.
"""

from __future__ import annotations

import difflib
import functools
import itertools
import json
import math
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from hpmkd.config.architectures import ARCHITECTURES, CANONICAL, FAMILIES, SUMMARY, family_of
from hpmkd.config.own import file_word, is_own
from hpmkd.config.specs import DataSpec, ModelSpec
from hpmkd.errors import UsageError
from hpmkd.plan.families import LAYERS
from hpmkd.plan.layers import Layer, total
from hpmkd.plan.own import Networks, is_noted, known_network, need_own
from hpmkd.plan.reused import reused_layers

if TYPE_CHECKING:
    from hpmkd.config.networks import ModelConfig

_ENLARGED = 32  # what most of these networks were made for
_NONE: Networks = {}
_LONGEST = 80  # characters of a network's name in files


def resolve(config: ModelConfig, data: DataSpec, where: str, networks: Networks = _NONE) -> ModelSpec:
    """The architecture `config` names, shaped for `data`; UsageError for an unknown name or wrong widths.

    `networks`: what is known of those from elsewhere.
    """
    if is_noted(config):
        return known_network(config, data, networks, where)
    need_own(config, where)
    if config.arch not in ARCHITECTURES:
        close = difflib.get_close_matches(config.arch, ARCHITECTURES, 1)
        raise UsageError(
            f"{where}.arch: unknown architecture",
            expected=f"one of {SUMMARY} (hpmkd models lists them), or one of your own, such as nets.py:tiny",
            found=repr(config.arch),
            todo=f"did you mean {close[0]}?" if close else f"name one of these for {where}.arch",
        )
    channels = tuple(config.channels or ARCHITECTURES[config.arch].channels)
    _need_widths(config.arch, channels, where)
    smallest = FAMILIES[family_of(config.arch)].smallest
    if data.image_size < smallest:
        raise UsageError(
            f"{where}.arch: {config.arch} needs images of at least {smallest}x{smallest} pixels",
            found=f"{data.name} has {data.image_size}x{data.image_size}",
            todo=f"have the images enlarged: --data.image_size {_ENLARGED}; or choose a resnet for {where}.arch",
        )
    arch = CANONICAL.get(config.arch, config.arch)
    return ModelSpec(arch, channels, in_channels=data.channels, image_size=data.image_size, classes=data.classes)


def _need_widths(arch: str, channels: tuple[int, ...], where: str) -> None:
    usual, family = ARCHITECTURES[arch].channels, FAMILIES[family_of(arch)]
    if len(channels) != len(usual):
        raise UsageError(
            f"{where}.channels: wrong number of widths",
            expected=f"{len(usual)} for {arch}, such as {list(usual)}",
            found=str(list(channels)),
            todo=f"correct {where}.channels, or leave it out",
        )
    wrong = [width for place, width in enumerate(channels) if width % family.multiple(place)]
    falling = family.rising and any(b <= a for a, b in itertools.pairwise(channels))
    if wrong or falling:
        rule = f"{family.widths}: multiples of {', '.join(map(str, family.multiples))}"
        raise UsageError(
            f"{where}.channels: widths that {arch} cannot have",
            expected=rule + ", each larger than the one before" * family.rising + f", such as {list(usual)}",
            found=str(list(channels)),
            todo=f"correct {where}.channels, or leave it out",
        )


def identity_of(config: ModelConfig) -> tuple[str, tuple[int, ...], float | None, str]:
    """What two configs of one network have alike, however they write it: `lenet5` has its widths by several names."""
    known = ARCHITECTURES.get(config.arch)
    default = known.channels if known else ()
    ratio: float | None = getattr(config, "ratio", None)
    given = config.model_dump(include={"args", "taps", "head", "weights", "normalisation"}, exclude_none=True)
    own = json.dumps(given, sort_keys=True)
    return CANONICAL.get(config.arch, config.arch), tuple(config.channels or default), ratio, own


def network_name(spec: ModelSpec) -> str:
    """A network's name in files: `resnet56`, `wrn-40-2`, `lenet5-10-20-100`, `nets-tiny-width-16`; widths only where
    they are not the usual ones."""
    if spec.weights is not None:
        return f"{network_name(spec.untrained)}-given-{spec.weights[:6]}"
    if is_own(spec.arch):
        words = [file_word(spec.arch), *re.findall(r"[A-Za-z0-9]+", spec.arguments or "")]
        return "-".join(words)[:_LONGEST].strip("-")
    usual = ARCHITECTURES[spec.arch].channels
    return "-".join([spec.arch.replace("_", "-"), *(map(str, spec.channels) if spec.channels != usual else ())])


@functools.lru_cache(maxsize=4096)
def _whole(spec: ModelSpec) -> Layer:
    """All layers together."""
    if spec.counts is not None:
        return Layer(*spec.counts)
    return total(list(LAYERS[family_of(spec.arch)](spec)) if spec.reuses is None else reused_layers(spec))


def parameter_count(spec: ModelSpec) -> int:
    """Parameters of the network that `models.build(spec)` returns, a classifier of its teacher's included."""
    return _whole(spec).parameters


def forward_cost(spec: ModelSpec) -> int:
    """Multiply-adds of one image's forward pass, convolutions and linear layers."""
    return _whole(spec).multiply_adds


def layer_count(spec: ModelSpec) -> int:
    """Layers with weights on the longest way through the network."""
    return _whole(spec).depth


def activation_count(spec: ModelSpec) -> int:
    """Numbers that the convolutions of one image's forward pass give, the image itself included."""
    return spec.in_channels * spec.image_size**2 + _whole(spec).activations


def geometric_sizes(teacher: int, student: int, steps: int) -> list[int]:
    """Parameter counts of `steps - 1` assistants, t_i = teacher * (student / teacher)^(i / steps)."""
    return [round(teacher * (student / teacher) ** (i / steps)) for i in range(1, steps)]


@functools.lru_cache(maxsize=4096)
def sized(teacher: ModelSpec, student: ModelSpec, parameters: float) -> ModelSpec:
    """A network of about `parameters` parameters between student and teacher, in the teacher's family, or the student's
    where the teacher is from elsewhere.

    LeNet5: all three widths move together along the line from student to teacher. Others: the deepest net that
    is not larger at full width is widened until the count fits, so that a step in size is first a step in depth.

    Returns:
        The spec whose parameter count is nearest to the wanted one among the widths tried.
    """
    teacher = _largest(student) if is_own(teacher.arch) else teacher.untrained
    if teacher.arch == "lenet5":
        low = student.channels if student.arch == "lenet5" else ARCHITECTURES["lenet5_student"].channels
        base, widths = teacher, [_mix(teacher, low, step / 1000) for step in range(-200, 1501)]
    else:
        depths = sorted((replace(teacher, arch=arch) for arch in _no_deeper(teacher.arch)), key=parameter_count)
        fitting = [spec for spec in depths if parameter_count(spec) <= parameters]
        base = fitting[-1] if fitting else depths[0]
        widths = [scaled(base, step / 500) for step in range(25, 1501)]
    candidates = [replace(base, channels=channels) for channels in dict.fromkeys(widths)]
    return min(candidates, key=lambda spec: abs(math.log(parameter_count(spec) / parameters)))


def _largest(spec: ModelSpec) -> ModelSpec:
    """The deepest network of a family and of usual widths; UsageError where the family is not known."""
    if is_own(spec.arch):
        raise UsageError(
            "the chain: no assistants between two networks from elsewhere",
            expected="a teacher or a student of a family that hpmkd knows, whose depth and widths can be chosen",
            found=f"{spec.arch} and a teacher from elsewhere",
            todo="leave TAKD out, and the chain: HPM-KD-noChain",
        )
    arch = [name for name, one in ARCHITECTURES.items() if one == ARCHITECTURES[spec.arch]][-1]
    return replace(spec, arch=CANONICAL.get(arch, arch), channels=ARCHITECTURES[arch].channels)


def _no_deeper(arch: str) -> list[str]:
    """The networks of the same family and widths that are as deep as it, or less."""
    names = [name for name, one in ARCHITECTURES.items() if one == ARCHITECTURES[arch]]
    return names[: names.index(arch) + 1]


def _mix(teacher: ModelSpec, low: Sequence[int], part: float) -> tuple[int, ...]:
    pairs = zip(low, teacher.channels, strict=True)
    return tuple(max(1, round(a + part * (b - a))) for a, b in pairs)


def scaled(base: ModelSpec, factor: float) -> tuple[int, ...]:
    """Its widths times `factor`, whole, at least 1, and as its family can have them."""
    family, widths = FAMILIES[family_of(base.arch)], list[int]()
    for place, width in enumerate(base.channels):
        step = family.multiple(place)
        least = widths[-1] + step if family.rising and widths else step
        widths.append(max(least, step * round(width * factor / step)))
    return tuple(widths)
