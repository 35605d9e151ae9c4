"""`n2500`: fewer training images."""

from __future__ import annotations

from dataclasses import replace

from hpmkd.config.specs import DataSpec
from hpmkd.data.conditions.base import Condition


class Subset(Condition):
    """The first images of the one random order that a data set has, those that `data.train_images` takes.

    So smaller sets are inside larger ones, and the validation part is that of the whole. They are what conditions
    behind this one choose from. `conditions.catalog.parts` takes them.
    """

    example = "n2500"
    meaning = "number of training images, the same ones for every model; smaller sets are inside larger ones"
    kind = "subset"

    def why_invalid(self, number: float) -> str:
        """See `Condition`."""
        return "" if number == int(number) and number >= 1 else "a whole number of images, 1 or more"

    def described(self, spec: DataSpec, number: float) -> DataSpec:
        """See `Condition`."""
        return replace(spec, train_images=int(number))
