"""Networks from elsewhere, as they are named: `nets.py:tiny`, `package.module:tiny`, `torchvision:resnet18`,
`timm:resnet10t`. Nothing is imported here."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hpmkd.errors import UsageError

LIBRARIES = ("torchvision", "timm")
_MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
_NAME = re.compile(r"[^\W\d]\w*")


@dataclass(frozen=True)
class Locator:
    """Where a network comes from.

    Args:
        place: a file that ends in `.py`, a module, or one of `LIBRARIES`.
        factory: what makes the network: a function or a class there, or the library's name of it.
    """

    place: str
    factory: str

    @property
    def is_file(self) -> bool:
        """Its place is a file."""
        return self.place.endswith(".py")

    @property
    def is_library(self) -> bool:
        """It is one of a library that knows its networks by name."""
        return self.place in LIBRARIES


def is_own(arch: str) -> bool:
    """Whether a network is named by the place that it comes from."""
    return ":" in arch


def locate(arch: str, where: str) -> Locator:
    """What an `arch` with a colon names; UsageError where it names nothing that could be."""
    place, _, factory = arch.rpartition(":")
    found = Locator(place, factory)
    fitting = _NAME.fullmatch(factory) if not found.is_library else re.fullmatch(r"[\w.-]+", factory)
    if not fitting or not (found.is_file or _MODULE.fullmatch(place)):
        raise UsageError(
            f"{where}.arch: not the place of a network",
            expected="path/to/file.py:FACTORY, package.module:FACTORY, torchvision:NAME or timm:NAME, where FACTORY is "
            "a function or class that makes the network",
            found=repr(arch),
            todo="correct it, or name one of the networks that hpmkd models lists",
        )
    return found


def file_word(arch: str) -> str:
    """What stands for such a network in names of files: `nets-tiny` of `/home/me/nets.py:tiny`."""
    place, _, factory = arch.rpartition(":")
    stem = re.split(r"[/\\]", place)[-1].removesuffix(".py")
    return re.sub(r"[^A-Za-z0-9]+", "-", f"{stem}-{factory}").strip("-")[:40].strip("-") or "network"
