"""Networks of every name, narrow enough for quick tests."""

from __future__ import annotations

from dataclasses import replace

from hpmkd.config.architectures import ARCHITECTURES, CANONICAL
from hpmkd.config.specs import ModelSpec
from hpmkd.plan.architecture import scaled

# Each network once, whatever other names it has.
NETWORKS = [name for name in ARCHITECTURES if CANONICAL.get(name, name) == name]
# Of each family the smallest network: what differs between them is repetition.
SMALLEST = list({ARCHITECTURES[name].family: name for name in reversed(NETWORKS)}.values())


def usual(arch: str, image_size: int = 32, classes: int = 100) -> ModelSpec:
    """The network as the literature has it."""
    return ModelSpec(arch, ARCHITECTURES[arch].channels, in_channels=3, image_size=image_size, classes=classes)


def narrow(arch: str, image_size: int = 18, classes: int = 4) -> ModelSpec:
    """An eighth of the usual widths, or what comes near."""
    spec = usual(arch, image_size, classes)
    return replace(spec, channels=scaled(spec, 1 / 8))
