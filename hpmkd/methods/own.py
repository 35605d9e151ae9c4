"""Methods that users bring: their classes, from the copy of the source in the output of a sweep."""

from __future__ import annotations

from typing import Any

from hpmkd.config.own import Locator
from hpmkd.config.own_method import OwnMethod
from hpmkd.methods.base import Distiller
from hpmkd.own_code.importing import find, importing


def locator_of(place: str) -> Locator:
    """Of `path/to/file.py:Class` or `package.module:Class`."""
    module, _, name = place.rpartition(":")
    return Locator(module, name)


def load_own(method: OwnMethod) -> type[Distiller]:
    """Its class; whatever the import raises."""
    locator = locator_of(method.place)
    with importing(locator, method.origin):
        return as_own(find(locator, method.origin), method.section)


def as_own(found: Any, section: str) -> type[Distiller]:
    """The class, marked as a user's, with the section of its settings."""
    kind: type[Distiller] = found
    kind.is_own, kind.section = True, section
    return kind
