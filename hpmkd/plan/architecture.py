"""Arithmetic of architectures without torch: parameter counts, and assistants of a wanted count.

`models/` builds the networks; a test holds both against each other.
"""

from __future__ import annotations

import difflib
import functools
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from hpmkd.config.specs import LENET5_NAMES, RESNET_DEPTHS, DataSpec, ModelSpec, depth_of
from hpmkd.errors import UsageError

if TYPE_CHECKING:
    from hpmkd.config.networks import ModelConfig

_ENLARGED = 32  # what LeNet-5 was made for
LENET5_TEACHER = (20, 50, 500)
LENET5_STUDENT = (10, 20, 100)
RESNET_STAGES = (16, 32, 64)
LENET5_WIDTHS = {"lenet5": LENET5_TEACHER, "lenet5_teacher": LENET5_TEACHER, "lenet5_student": LENET5_STUDENT}
ARCHITECTURES = (*LENET5_NAMES, *(f"resnet{depth}" for depth in RESNET_DEPTHS))


def resolve(config: ModelConfig, data: DataSpec, where: str) -> ModelSpec:
    """The architecture `config` names, shaped for `data`; UsageError for an unknown name or wrong widths."""
    if config.arch not in ARCHITECTURES:
        close = difflib.get_close_matches(config.arch, ARCHITECTURES, 1)
        raise UsageError(
            f"{where}.arch: unknown architecture",
            expected="one of " + ", ".join(ARCHITECTURES),
            found=repr(config.arch),
            todo=f"did you mean {close[0]}?" if close else f"name one of these for {where}.arch",
        )
    lenet = config.arch in LENET5_NAMES
    default = LENET5_WIDTHS[config.arch] if lenet else RESNET_STAGES
    channels = tuple(config.channels or default)
    if len(channels) != len(default):
        raise UsageError(
            f"{where}.channels: wrong number of widths",
            expected=f"{len(default)} for {config.arch}, such as {list(default)}",
            found=str(list(channels)),
            todo=f"correct {where}.channels, or leave it out",
        )
    if lenet and data.image_size < 16:
        raise UsageError(
            f"{where}.arch: {config.arch} needs images of at least 16x16 pixels",
            found=f"{data.name} has {data.image_size}x{data.image_size}",
            todo=f"have the images enlarged: --data.image_size {_ENLARGED}; or choose a resnet for {where}.arch",
        )
    arch = "lenet5" if lenet else config.arch
    return ModelSpec(arch, channels, in_channels=data.channels, image_size=data.image_size, classes=data.classes)


def identity_of(config: ModelConfig) -> tuple[str, tuple[int, ...], float | None]:
    """What two configs of one network have alike, however they write it: `lenet5` has its widths by several names."""
    lenet = config.arch in LENET5_NAMES
    default = LENET5_WIDTHS[config.arch] if lenet else RESNET_STAGES
    ratio: float | None = getattr(config, "ratio", None)
    return "lenet5" if lenet else config.arch, tuple(config.channels or default), ratio


def network_name(spec: ModelSpec) -> str:
    """A network's name in files: `resnet56`, `lenet5-10-20-100`; widths only where they are not the default ones."""
    default = LENET5_TEACHER if spec.arch in LENET5_NAMES else RESNET_STAGES
    return "-".join([spec.arch, *(map(str, spec.channels) if spec.channels != default else ())])


def parameter_count(spec: ModelSpec) -> int:
    """Trainable parameters of the network that `models.build(spec)` returns."""
    if spec.arch == "lenet5":
        first, second, hidden = spec.channels
        side = ((spec.image_size - 4) // 2 - 4) // 2
        convs = (25 * spec.in_channels + 1) * first + (25 * first + 1) * second
        return convs + (second * side * side + 1) * hidden + (hidden + 1) * spec.classes
    blocks = (depth_of(spec.arch) - 2) // 6
    total, width_in = 9 * spec.in_channels * spec.channels[0] + 2 * spec.channels[0], spec.channels[0]
    for stage, width in enumerate(spec.channels):
        if stage > 0 or width != width_in:
            total += width_in * width + 2 * width
        total += 9 * width_in * width + 9 * width * width + 4 * width
        total += (blocks - 1) * (18 * width * width + 4 * width)
        width_in = width
    return total + (width_in + 1) * spec.classes


def forward_cost(spec: ModelSpec) -> int:
    """Multiply-adds of one image's forward pass, convolutions and linear layers."""
    if spec.arch == "lenet5":
        first, second, hidden = spec.channels
        side = spec.image_size - 4
        cost = 25 * spec.in_channels * first * side**2
        side = side // 2 - 4
        cost += 25 * first * second * side**2
        return cost + second * (side // 2) ** 2 * hidden + hidden * spec.classes
    blocks, side = (depth_of(spec.arch) - 2) // 6, spec.image_size
    cost, width_in = 9 * spec.in_channels * spec.channels[0] * side**2, spec.channels[0]
    for stage, width in enumerate(spec.channels):
        if stage > 0:
            side = (side + 1) // 2
        if stage > 0 or width != width_in:
            cost += width_in * width * side**2
        cost += (9 * width_in * width + 9 * width * width * (2 * blocks - 1)) * side**2
        width_in = width
    return cost + width_in * spec.classes


def layer_count(spec: ModelSpec) -> int:
    """Layers with weights on the longest way through the network."""
    return 4 if spec.arch == "lenet5" else depth_of(spec.arch)


def activation_count(spec: ModelSpec) -> int:
    """Numbers that the convolutions of one image's forward pass give, the image itself included."""
    side, count = spec.image_size, spec.in_channels * spec.image_size**2
    if spec.arch == "lenet5":
        first, second = side - 4, (side - 4) // 2 - 4
        return count + spec.channels[0] * first**2 + spec.channels[1] * second**2
    blocks = (depth_of(spec.arch) - 2) // 6
    count += spec.channels[0] * side**2
    for stage, width in enumerate(spec.channels):
        side = (side + 1) // 2 if stage else side
        count += 2 * blocks * width * side**2
    return count


def geometric_sizes(teacher: int, student: int, steps: int) -> list[int]:
    """Parameter counts of `steps - 1` assistants, t_i = teacher * (student / teacher)^(i / steps)."""
    return [round(teacher * (student / teacher) ** (i / steps)) for i in range(1, steps)]


@functools.lru_cache(maxsize=4096)
def sized(teacher: ModelSpec, student: ModelSpec, parameters: float) -> ModelSpec:
    """A network of about `parameters` parameters between student and teacher, in the teacher's family.

    LeNet5: all three widths move together along the line from student to teacher. ResNet: the deepest net that
    is not larger at full width is widened until the count fits, so that a step in size is first a step in depth.

    Returns:
        The spec whose parameter count is nearest to the wanted one among the widths tried.
    """
    if teacher.arch == "lenet5":
        low = student.channels if student.arch == "lenet5" else LENET5_STUDENT
        base, widths = teacher, [_mix(teacher, low, step / 1000) for step in range(-200, 1501)]
    else:
        archs = [f"resnet{depth}" for depth in RESNET_DEPTHS if depth <= depth_of(teacher.arch)]
        fitting = [arch for arch in archs if parameter_count(replace(teacher, arch=arch)) <= parameters]
        base = replace(teacher, arch=fitting[-1] if fitting else archs[0])
        widths = [scaled(base, step / 500) for step in range(25, 1501)]
    candidates = [replace(base, channels=channels) for channels in dict.fromkeys(widths)]
    return min(candidates, key=lambda spec: abs(math.log(parameter_count(spec) / parameters)))


def _mix(teacher: ModelSpec, low: Sequence[int], part: float) -> tuple[int, ...]:
    pairs = zip(low, teacher.channels, strict=True)
    return tuple(max(1, round(a + part * (b - a))) for a, b in pairs)


def scaled(base: ModelSpec, factor: float) -> tuple[int, ...]:
    """Its widths times `factor`, whole and at least 1."""
    return tuple(max(1, round(width * factor)) for width in base.channels)
