"""What is counted of a student that ends in its teacher's classifier (SimKD). No torch."""

from __future__ import annotations

import functools
from dataclasses import replace

from hpmkd.config.architectures import MOBILE_STAGES, VGG_LAST_POOL, family_of
from hpmkd.config.specs import ModelSpec, reused_of
from hpmkd.plan.families import LAYERS, halved
from hpmkd.plan.layers import Layer, conv, linear, norm

# How often a family halves its maps, rounding up.
_HALVINGS = {
    "resnet": 2, "wrn": 2, "bigresnet": 3, "shufflenetv1": 3, "shufflenetv2": 3,
    "mobilenetv2": 1 + sum(stride == 2 for _, _, stride in MOBILE_STAGES),
}  # fmt: skip


def last_maps(spec: ModelSpec) -> tuple[int, int]:
    """Width and side of the maps whose mean is the embedding, see `ModelOutput.last_maps`."""
    *_, classifier = LAYERS[family_of(spec.arch)](spec)
    return classifier.multiply_adds // spec.classes, _last_side(spec)


def _last_side(spec: ModelSpec) -> int:
    family = family_of(spec.arch)
    if family == "lenet5":
        return 1
    if family == "vgg":
        return int(spec.image_size // 2 ** (3 + (spec.image_size >= VGG_LAST_POOL)))
    return functools.reduce(lambda side, _: halved(side), range(_HALVINGS[family]), spec.image_size)


def reused_layers(spec: ModelSpec) -> list[Layer]:
    """The student without its classifier, the projector, the teacher's classifier."""
    own, (teacher, reduction) = replace(spec, reuses=None), reused_of(spec)
    *encoder, _ = LAYERS[family_of(spec.arch)](own)
    (inside, side_in), (width, side) = last_maps(own), last_maps(teacher)
    inner, side = max(1, width // reduction), min(side_in, side)
    middle = conv(inner, inner, 3 if side > 1 else 1, side)
    projector = [
        conv(inside, inner, 1, side),
        norm(inner),
        middle,
        norm(inner),
        conv(inner, width, 1, side),
        norm(width),
    ]
    return [*encoder, *projector, linear(width, spec.classes)]
