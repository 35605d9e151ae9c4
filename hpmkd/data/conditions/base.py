"""What a condition is: a word and a number behind the name of a data set, such as `n2500` in `CIFAR10@n2500`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hpmkd.config.specs import DataSpec

if TYPE_CHECKING:
    from hpmkd.data.source.images import Images


class Condition:
    """Something done to the training images of a data set; what it leaves alone is as without it.

    A subclass is a file in this package and a line in `catalog.CONDITIONS`. It does not import torch at its top: the
    plan asks it, too. Whatever it draws, it draws from a generator that is seeded by `spec.name`, the bare name, so
    that all methods and runs see the same images and labels.

    Attributes:
        example: a word with a number, for errors and documentation.
        meaning: what the number is.
    """

    example: str
    meaning: str

    def why_invalid(self, number: float) -> str:
        """What the number would have to be; empty where it is good."""
        raise NotImplementedError

    def described(self, spec: DataSpec, number: float) -> DataSpec:
        """The data set as models see it, where that is known without images, such as how many there are."""
        return spec

    def applied(self, train: Images, validation: Images, spec: DataSpec, number: float) -> tuple[Images, Images]:
        """The training and the validation images under the condition, with their labels; test images stay as they are.

        Args:
            train: of the split, after the conditions before this one.
            validation: likewise.
            spec: of the data set, with its bare name.
            number: behind the word.
        """
        return train, validation
