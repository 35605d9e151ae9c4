"""What a network from elsewhere is, found out by asking it: whether it can be trained here, its size, its maps."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hpmkd.config.specs import ModelSpec
from hpmkd.models.own import Tapped, bare, logits_of

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_POOLS = (nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d, nn.AvgPool2d, nn.MaxPool2d, nn.Flatten, nn.Dropout, nn.Identity)
_SEED = 7


class Fault(Exception):
    """Why a network cannot be used: what was expected, what was found, what to do."""

    def __init__(self, expected: str, found: str, todo: str) -> None:
        self.words = {"expected": expected, "found": found, "todo": todo}
        super().__init__(found)


def facts(spec: ModelSpec) -> ModelSpec:
    """The spec with taps, head and counts, after the network was tried.

    Raises:
        Fault: it cannot be trained here.
    """
    network = _made(spec)
    images = torch.randn(2, spec.in_channels, spec.image_size, spec.image_size)
    _need_logits(network, images, spec)
    _need_training(network, images, spec)
    taps, head, counts = _seen(network.eval(), images, spec)
    _need_modules(network, taps, head)
    found = replace(spec, channels=(), taps=taps, head=head, counts=counts)
    _need_maps(found, network, images)
    return found


def _made(spec: ModelSpec) -> nn.Module:
    made = []
    for _ in range(2):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(_SEED)
            made.append(bare(spec))
    network: Any = made[0]
    if not isinstance(network, nn.Module):
        raise Fault("a torch.nn.Module", f"{type(network).__name__}", "have the factory return the network")
    if not any(one.requires_grad for one in network.parameters()):
        raise Fault("trainable parameters", "none", "name the factory of a network with weights")
    states = [one.state_dict() for one in made]
    unlike = [name for name, value in states[0].items() if not torch.equal(value, states[1][name])]
    if unlike:
        raise Fault(
            "the same initial weights twice, as torch's, numpy's and Python's seeds are the same",
            f"other values of {unlike[0]}",
            "draw initial weights from the global generators, not from one of its own or from the system",
        )
    return network


def _need_logits(network: nn.Module, images: Tensor, spec: ModelSpec) -> None:
    shape = f"{spec.in_channels}x{spec.image_size}x{spec.image_size}"
    for training in (True, False):
        try:
            with torch.no_grad():
                made = [network.train(training)(images.clone()) for _ in range(2)]
        except Exception as error:
            said = next(iter(str(error).splitlines()), "")
            raise Fault(
                f"a network that takes images of {shape} as one tensor (N, C, H, W)",
                f"{type(error).__name__}: {said}",
                "correct its layers or args for this size, or have images resized: --data.image_size N",
            ) from error
        try:
            logits = [logits_of(one) for one in made]
        except AttributeError as error:
            raise Fault(
                "logits (N, K): a tensor, or something that has one as `logits`",
                type(made[0]).__name__,
                "have it return its logits alone (of torchvision's googlenet and inception: args {aux_logits: false})",
            ) from error
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


def _need_training(network: nn.Module, images: Tensor, spec: ModelSpec) -> None:
    network.train()
    logits = logits_of(network(images))
    if not logits.requires_grad:
        raise Fault("logits that depend on its parameters", "no gradient", "let forward run with gradients")
    loss = F.cross_entropy(logits.float(), torch.arange(len(images)) % spec.classes)
    loss.backward()  # type: ignore[no-untyped-call]
    network.zero_grad(set_to_none=True)


def _seen(
    network: nn.Module, images: Tensor, spec: ModelSpec
) -> tuple[tuple[str, ...], str | None, tuple[int, int, int, int]]:
    """Feature maps, the last linear layer, and the numbers of `plan.layers.Layer`."""
    from torch.utils.flop_counter import FlopCounterMode

    maps: dict[tuple[int, ...], str] = {}
    linear: list[str] = []
    activations, depth = list[int](), [0]

    def note(name: str, layer: nn.Module, made: Any) -> None:
        if not isinstance(made, Tensor):
            return
        if isinstance(layer, (*_CONVOLUTIONS, nn.Linear)):
            depth[0] += 1
        if isinstance(layer, _CONVOLUTIONS):
            activations.append(made[0].numel())
        if isinstance(layer, nn.Linear) and made.shape[-1] == spec.classes:
            linear.append(name)
        if made.dim() == 4 and not isinstance(layer, _POOLS) and name:
            maps[tuple(made.shape[2:])] = name

    hooks = [
        layer.register_forward_hook(lambda layer, given, made, name=name: note(name, layer, made))
        for name, layer in network.named_modules()
    ]
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(images[:1])
    for hook in hooks:
        hook.remove()
    taps = spec.taps if spec.taps is not None else tuple(maps.values())
    head = spec.head or (linear[-1] if linear else None)
    parameters = sum(one.numel() for one in network.parameters() if one.requires_grad)
    # A multiply-add is two operations there.
    return taps, head, (parameters, counter.get_total_flops() // 2, sum(activations), max(1, depth[0]))


def _need_modules(network: nn.Module, taps: tuple[str, ...], head: str | None) -> None:
    known = [name for name, _ in network.named_modules() if name]
    for key, name in (*(("taps", one) for one in taps), *([("head", head)] if head else [])):
        if name not in known:
            import difflib

            close = difflib.get_close_matches(name, known, 1)
            raise Fault(
                f"{key}: names of its modules, such as {', '.join(known[:6])}",
                repr(name),
                f"did you mean {close[0]}?" if close else "name one of them",
            )


def _need_maps(spec: ModelSpec, network: nn.Module, images: Tensor) -> None:
    """Asked for feature maps and embedding, as methods do."""
    try:
        with torch.no_grad():
            found = Tapped(network, spec.taps or (), spec.head)(images, features=True, embedding=True)
    except (KeyError, AttributeError, IndexError) as error:
        raise Fault(
            "taps and a head that run once for each batch, and give and take a tensor",
            f"{type(error).__name__}: {error}",
            "name other modules in taps, or head",
        ) from error
    for name, one in zip(spec.taps or (), found.features, strict=True):
        if one.dim() != 4 or math.prod(one.shape[1:]) == 0:
            raise Fault("taps that give maps (N, C, H, W)", f"{name} gives {tuple(one.shape)}", "name other modules")
