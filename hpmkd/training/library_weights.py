"""Weights that torchvision and timm have of their networks."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from hpmkd.config.own import locate
from hpmkd.config.specs import ModelSpec
from hpmkd.own_code.fault import Fault


def pretrained(spec: ModelSpec) -> tuple[dict[str, Tensor], list[list[float]]]:
    """The weights that a library proposes for a network, and how images were normalised for them.

    Raises:
        Fault: it has none, or they cannot be had here.
    """
    locator = locate(spec.arch, "teacher") if ":" in spec.arch else None
    if locator is None or not locator.is_library:
        raise Fault(
            "a network of torchvision or timm, such as torchvision:resnet18, or a file with the weights",
            f"pretrained, of {spec.arch}",
            "name a file: --teacher.weights FILE",
        )
    try:
        return (_torchvision if locator.place == "torchvision" else _timm)(locator.factory)
    except Fault:
        raise
    except Exception as error:  # whatever downloads and caches raise
        raise Fault(
            f"weights that {locator.place} downloads, or has in its cache",
            f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}",
            "start it once where there is a network connection, or bring a file: --teacher.weights FILE",
        ) from error


def _torchvision(name: str) -> tuple[dict[str, Tensor], list[list[float]]]:
    from torchvision import models

    known = models.get_model_weights(name)
    if not len(known):
        raise Fault("a network of which torchvision has weights", name, "take another one")
    chosen: Any = known.DEFAULT
    shown = chosen.transforms()
    return dict(chosen.get_state_dict(progress=False, check_hash=True)), [list(shown.mean), list(shown.std)]


def _timm(name: str) -> tuple[dict[str, Tensor], list[list[float]]]:
    import timm

    network: Any = timm.create_model(name, pretrained=True)
    about = network.pretrained_cfg
    return dict(network.state_dict()), [list(about["mean"]), list(about["std"])]
