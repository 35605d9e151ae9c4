"""What a condition is: a word behind the name of a data set, such as `n2500` in `CIFAR10@n2500`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from hpmkd.config.specs import DataSpec

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Part:
    """Which images a part of the split has, and how they are labelled.

    Args:
        places: of the images in the random order of the data set (see `data.images.order_of`), ascending, `(N,)`.
        true: their classes, `(N,)`.
        given: the labels that a model is shown, `(N,)`.
    """

    places: Ints
    true: Ints
    given: Ints

    def __len__(self) -> int:
        return len(self.places)

    def take(self, index: npt.NDArray[Any]) -> Part:
        """The images at `index`, or where it is true."""
        return Part(self.places[index], self.true[index], self.given[index])

    def labelled(self, given: Ints) -> Part:
        """The same images with other labels."""
        return replace(self, given=given)


class Condition:
    """Something done to the training images of a data set; what it leaves alone is as without it.

    A subclass is in this package and a line in `catalog.CONDITIONS`, in the order of `config.conditions.WORDS`. It does
    not import torch: the plan asks it, too. Whatever it draws, it draws from a generator that is seeded by `spec.name`,
    the bare name, so that all methods and runs see the same images and labels.

    Attributes:
        example: a word with a number, for errors and documentation.
        meaning: what the number is.
        numbered: whether there is a number behind the word.
        kind: conditions of one kind exclude each other.
        needs: kinds of which there must be one for this condition to do anything; empty: none.
    """

    example: str
    meaning: str
    numbered: ClassVar[bool] = True
    kind: ClassVar[str]
    needs: ClassVar[tuple[str, ...]] = ()

    def why_invalid(self, number: float) -> str:
        """What the number would have to be; empty where it is good."""
        raise NotImplementedError

    def described(self, spec: DataSpec, number: float) -> DataSpec:
        """The data set as models see it, where that is known without images, such as how many there are.

        Raises:
            UsageError: the data set cannot be under the condition.
        """
        return spec

    def applied(self, train: Part, validation: Part, spec: DataSpec, number: float) -> tuple[Part, Part]:
        """The training and the validation part under the condition; test images stay as they are.

        Args:
            train: of the split, after the conditions before this one.
            validation: likewise.
            spec: of the data set, with its bare name.
            number: behind the word.

        Raises:
            UsageError: there are too few images.
        """
        return train, validation


class Switch(Condition):
    """A word without a number."""

    numbered = False

    def why_invalid(self, number: float) -> str:
        """See `Condition`."""
        return ""
