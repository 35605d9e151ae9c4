"""What a network from elsewhere is, found out by asking it: whether it can be trained here, its size, its maps."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from hpmkd.config.specs import ModelSpec
from hpmkd.models.own import Tapped, bare
from hpmkd.models.tried import need_logits, need_training
from hpmkd.own_code.fault import Fault

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_POOLS = (nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d, nn.AvgPool2d, nn.MaxPool2d, nn.Flatten, nn.Dropout, nn.Identity)
_SEED, _OTHER_SEED = 7, 8


def facts(spec: ModelSpec) -> tuple[ModelSpec, list[str]]:
    """The spec with taps, head and counts, after the network was tried; and what a user should know of it.

    Raises:
        Fault: it cannot be trained here.
    """
    network = _made(spec)
    notes = _notes(network, spec)
    images = torch.randn(2, spec.in_channels, spec.image_size, spec.image_size)
    need_logits(network, images, spec)
    need_training(network, images, spec)
    taps, head, counts = _seen(network.eval(), images, spec)
    _need_modules(network, taps, head)
    found = replace(spec, channels=(), taps=taps, head=head, counts=counts)
    _need_maps(found, network, images)
    return found, notes


def _from_seed(spec: ModelSpec, seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return bare(spec)


def _made(spec: ModelSpec) -> nn.Module:
    made = [_from_seed(spec, _SEED) for _ in range(2)]
    network: Any = made[0]
    if not isinstance(network, nn.Module):
        raise Fault("a torch.nn.Module", f"{type(network).__name__}", "have the factory return the network")
    if not any(one.requires_grad for one in network.parameters()):
        raise Fault("trainable parameters", "none", "name the factory of a network with weights")
    _need_float32(network)
    states = [one.state_dict() for one in made]
    unlike = sorted(states[0].keys() ^ states[1].keys())
    unlike += [name for name, value in states[0].items() if not unlike and not _same(value, states[1][name])]
    if unlike:
        raise Fault(
            "the same initial weights twice, as torch's, numpy's and Python's seeds are the same",
            f"other values of {unlike[0]}",
            "draw initial weights from the global generators, not from one of its own or from the system",
        )
    return network


def _same(one: Any, other: Any) -> bool:
    """Tensors of the same values, NaN included; what else a state may hold is nobody's weights."""
    if not (isinstance(one, Tensor) and isinstance(other, Tensor)):
        return True
    return torch.equal(one, other) or torch.equal(one.nan_to_num(), other.nan_to_num())


def _need_float32(network: nn.Module) -> None:
    others = {one.dtype for one in network.parameters() if one.is_floating_point()} - {torch.float32}
    found = torch.get_default_dtype() if torch.get_default_dtype() != torch.float32 else next(iter(others), None)
    if found is not None:
        raise Fault(
            "weights of torch.float32, and that as torch's default type",
            str(found),
            "leave the type as it is; fit.precision bf16 is for speed",
        )


def _notes(network: nn.Module, spec: ModelSpec) -> list[str]:
    """Weights that are the same for every seed: a seed that is set in a module, or weights that it loads."""
    mine, other = (dict(one.named_parameters()) for one in (network, _from_seed(spec, _OTHER_SEED)))
    differ = any(name not in other or not _same(one, other[name]) for name, one in mine.items())
    if differ:
        return []
    return [
        "its initial weights are the same for every seed, so runs differ by the order of images alone, and their "
        "intervals are too narrow; where that is not meant, set no seed in the module and load no weights there"
    ]


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
