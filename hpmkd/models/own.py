"""Networks from elsewhere: a user's own file or module, torchvision's, timm's."""

from __future__ import annotations

import contextlib
import difflib
import inspect
import json
import random
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hpmkd.config.own import Locator, locate
from hpmkd.config.specs import ModelSpec
from hpmkd.models.output import ModelOutput
from hpmkd.own_code import importing

# Names by which factories are told the number of classes, channels and pixels; those that a factory has are given.
CLASSES = ("num_classes", "classes", "n_classes", "num_labels")
CHANNELS = ("in_channels", "in_chans", "channels", "num_channels")
SIDES = ("image_size", "img_size", "input_size")


class Tapped(nn.Module):
    """A network that returns logits alone, as all others here: it also gives feature maps and the embedding.

    Its state is the network's own, so that its weights can be loaded into the network without this package.

    Args:
        network: returns logits `(N, K)`, or something that has them as `logits`.
        taps: names of its modules whose outputs are the feature maps.
        head: the name of the module whose input is the embedding; None: the logits stand for it.
    """

    def __init__(self, network: nn.Module, taps: tuple[str, ...], head: str | None) -> None:
        super().__init__()
        self.network, self.taps, self.head = network, taps, head

    def forward(self, images: Tensor, features: bool = False, embedding: bool = False) -> ModelOutput:
        """Images float `(N, C, H, W)` -> `ModelOutput`; neither pre-activations nor last maps are known of it."""
        if not (features or embedding):
            return ModelOutput(logits_of(self.network(images)))
        kept: dict[str, Tensor] = {}
        hooks = [self._tap(name, kept) for name in self.taps if features]
        if embedding and self.head is not None:
            layer = self.network.get_submodule(self.head)
            hooks.append(layer.register_forward_pre_hook(lambda module, given: _keep(kept, "", given[0].flatten(1))))
        try:
            logits = logits_of(self.network(images))
        finally:
            for hook in hooks:
                hook.remove()
        embedded = kept.get("", logits) if embedding else None
        return ModelOutput(logits, tuple(kept[name] for name in self.taps if features), embedded)

    def _tap(self, name: str, kept: dict[str, Tensor]) -> Any:
        layer = self.network.get_submodule(name)
        return layer.register_forward_hook(lambda module, given, made: _keep(kept, name, made))

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """The network's own."""
        return self.network.state_dict(*args, **kwargs)

    def load_state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """The network's own."""
        return self.network.load_state_dict(*args, **kwargs)


def _keep(kept: dict[str, Tensor], name: str, value: Tensor) -> None:
    kept[name] = value


def logits_of(made: Any) -> Tensor:
    """What a network returns, or the `logits` of it."""
    logits: Tensor = made if isinstance(made, Tensor) else made.logits
    return logits


def build_own(spec: ModelSpec) -> nn.Module:
    """The network with weights that depend on torch's, numpy's and Python's seeds alone."""
    made = bare(spec)
    return Tapped(made, spec.taps or (), spec.head)


def bare(spec: ModelSpec) -> nn.Module:
    """What the factory makes, with all three generators seeded by torch's, and left as they were."""
    locator = locate(spec.arch, "network")
    before = random.getstate(), np.random.get_state()
    seed = int(torch.randint(2**31, (1,)))
    random.seed(seed)
    np.random.seed(seed)
    try:
        # Standard output is for answers, which may be JSON.
        with importing.importing(locator, spec.origin), contextlib.redirect_stdout(sys.stderr):
            return made(spec)
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])


def made(spec: ModelSpec) -> nn.Module:
    """What the factory makes; its module is imported as things are."""
    factory = find(locate(spec.arch, "network"), spec.origin)
    network: nn.Module = factory(**arguments(factory, spec))
    return network


def arguments(factory: Callable[..., Any], spec: ModelSpec) -> dict[str, Any]:
    """The user's arguments, and what the factory asks for of the number of classes, channels and pixels."""
    given: dict[str, Any] = json.loads(spec.arguments) if spec.arguments else {}
    asked = parameters_of(factory)
    sizes = ((CLASSES, spec.classes), (CHANNELS, spec.in_channels), (SIDES, spec.image_size))
    told = {name: value for names, value in sizes for name in names if name in asked}
    if asked and all(one.kind is one.VAR_KEYWORD for one in asked.values()):
        told = {CLASSES[0]: spec.classes}
    return {**told, **given}


def parameters_of(factory: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """Name -> parameter; none where Python does not know them."""
    try:
        return inspect.signature(factory).parameters
    except (TypeError, ValueError):
        return {}


def find(locator: Locator, origin: str | None) -> Callable[..., Any]:
    """The factory. Its module is imported here, from `origin` where there is a copy of its source.

    Raises:
        AttributeError: the module has no such name. Whatever the import raises.
    """
    found: Callable[..., Any] = _of_library(locator) if locator.is_library else importing.find(locator, origin)
    return found


def _of_library(locator: Locator) -> Callable[..., Any]:
    """Without weights of its own: a sweep says which a network starts with."""
    name = locator.factory
    if locator.place == "torchvision":
        from torchvision import models

        def make(num_classes: int, **given: Any) -> Any:
            usual = {"weights": None}
            if "weights_backbone" in inspect.signature(models.get_model_builder(name)).parameters:
                usual["weights_backbone"] = None
            return models.get_model(name, num_classes=num_classes, **{**usual, **given})

        return make
    import timm

    def create(num_classes: int, in_chans: int, **given: Any) -> Any:
        return timm.create_model(name, num_classes=num_classes, in_chans=in_chans, **{"pretrained": False, **given})

    return create


def near(locator: Locator) -> str:
    """The name in a library that is nearest to one that it does not have; empty where it has it, or none is near."""
    if locator.place == "torchvision":
        from torchvision import models

        known = models.list_models()
    else:
        import timm

        known = timm.list_models()
    close = difflib.get_close_matches(locator.factory, known, 1)
    return "" if locator.factory in known or not close else close[0]
