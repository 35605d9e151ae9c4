"""A network from elsewhere is asked, and trained for a step: what it must do to be a student or a teacher here."""

from __future__ import annotations

import re
from collections.abc import Set

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hpmkd.config.specs import ModelSpec
from hpmkd.models.own import logits_of
from hpmkd.own_code.fault import Fault, place


def need_logits(network: nn.Module, images: Tensor, spec: ModelSpec) -> None:
    """In training and for evaluation, finite ones and as many as there are classes; the same twice after `eval()`.

    Raises:
        Fault: it does not, or changes what it is given, or itself.
    """
    names = set(network.state_dict())
    for training in (True, False):
        network.train(training)
        logits = _asked_twice(network, images, spec, names)
        if tuple(logits[0].shape) != (len(images), spec.classes):
            raise Fault(
                f"logits ({len(images)}, {spec.classes}) for {len(images)} images of {spec.classes} classes",
                f"a tensor {tuple(logits[0].shape)}",
                "name the parameter of its factory for the number of classes num_classes, or set it in args",
            )
        if not torch.isfinite(logits[0]).all():
            raise Fault("finite logits", "NaN or infinite ones of random images", "check its initial weights")
    if not torch.equal(*logits):
        raise Fault(
            "the same logits twice for the same images after eval()",
            f"they differ by up to {float((logits[0] - logits[1]).abs().max()):.2g}",
            "let dropout and the like be off in eval mode (F.dropout needs training=self.training)",
        )


def _asked_twice(network: nn.Module, images: Tensor, spec: ModelSpec, names: Set[str]) -> list[Tensor]:
    """Its logits. `names`: of what its state is made of."""
    shown = [images.clone() for _ in range(2)]
    try:
        with torch.no_grad():
            made = [network(one) for one in shown]
    except Exception as error:
        said = next(iter(str(error).splitlines()), "")
        raise Fault(
            f"a network that takes images of {spec.in_channels}x{spec.image_size}x{spec.image_size} as one tensor "
            "(N, C, H, W)",
            f"{type(error).__name__}: {said}{place(error)}",
            _remedy(said),
        ) from error
    if not all(torch.equal(one, images) for one in shown):
        raise Fault(
            "a forward that leaves the images that it is given as they are: others are shown the same ones",
            "they were changed in place",
            "have it work on a new tensor: x = x * 2 instead of x.mul_(2)",
        )
    added = sorted(set(network.state_dict()) ^ names)
    if added:
        raise Fault(
            "all its weights when it is made",
            f"{', '.join(added[:3])}, which the first images bring or take away",
            "make every layer in __init__",
        )
    try:
        return [logits_of(one) for one in made]
    except AttributeError as error:
        raise Fault(
            "logits (N, K): a tensor, or something that has one as `logits`",
            type(made[0]).__name__,
            "have it return its logits alone (of torchvision's googlenet and inception: args {aux_logits: false})",
        ) from error


def _remedy(said: str) -> str:
    channels = re.search(r"to have (\d+) channels, but got (\d+) channels", said)
    if channels:
        return (
            f"it is made for {channels[1]} channels, and the images have {channels[2]}: have its factory take "
            f"in_channels, or set that in args"
        )
    return "correct its layers or args for this size, or have images resized: --data.image_size N"


def need_training(network: nn.Module, images: Tensor, spec: ModelSpec) -> None:
    """Gradients. Raises Fault."""
    network.train()
    logits = logits_of(network(images))
    if not logits.requires_grad:
        raise Fault("logits that depend on its parameters", "no gradient", "let forward run with gradients")
    loss = F.cross_entropy(logits.float(), torch.arange(len(images)) % spec.classes)
    loss.backward()  # type: ignore[no-untyped-call]
    network.zero_grad(set_to_none=True)
