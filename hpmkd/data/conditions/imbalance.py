"""Imbalance: classes with fewer training images than others."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from hpmkd.config.specs import DataSpec
from hpmkd.data.conditions.base import Condition, Ints, Part
from hpmkd.data.conditions.draws import class_order
from hpmkd.data.source.listing import count
from hpmkd.errors import UsageError
from hpmkd.numeric import digits


def exponential(largest: int, factor: Fraction, classes: int) -> list[int]:
    """n_k = floor(n_max f^(-k / (K - 1))), k = 0 ... K - 1: Cui et al. 2019, Cao et al. 2019. Exact: a floor of powers
    in floating point can be one too few."""
    return [_floor_power(largest, factor, k, classes - 1) for k in range(classes)]


def _floor_power(largest: int, factor: Fraction, k: int, of: int) -> int:
    """The largest m with m^of * f^k <= n_max^of; whole numbers decide where floating point could be mistaken."""
    value = largest * float(factor) ** (-k / of)
    near: int = round(value)
    if abs(value - near) > 1e-6 * max(1.0, value):
        return int(value)
    fits = near**of * factor.numerator**k <= largest**of * factor.denominator**k
    return near if fits else near - 1


def step(largest: int, factor: Fraction, classes: int) -> list[int]:
    """n_max for the first half of the classes (of an odd number the larger), floor(n_max / f) for the others: Buda et
    al. 2018, with a fraction of minority classes of a half."""
    minorities = classes // 2
    return [largest] * (classes - minorities) + [int(largest / factor)] * minorities


def balanced(numbers: Sequence[int]) -> list[int]:
    """As many images in all, the same number of each class up to 1."""
    each, rest = divmod(sum(numbers), len(numbers))
    return [each + (k < rest) for k in range(len(numbers))]


class Imbalance(Condition):
    """Of each class the first images of the data set's random order, so the images under a factor are among those under
    a smaller one.

    n_max is the number of images of the smallest class, so that every class has as many as it must; it does not depend
    on the factor. Which class has how many: see `draws.class_order`. The validation part loses the same share of each
    class, but for one image that stays of each.

    Args:
        word: that of the condition.
        even: as many images, but the same number of each class.
    """

    kind = "imbalance"

    def __init__(self, word: str, even: bool = False) -> None:
        shape = word.removeprefix("even")
        self.make = {"exp": exponential, "step": step}[shape]
        self.even, self.example = even, f"{word}100"
        halves = {"exp": "falling exponentially from class to class", "step": "half of the classes have the fewest"}
        self.meaning = (
            f"as many images as {shape}100, each class alike"
            if even
            else f"how many times more images the largest class has than the smallest, {halves[shape]}"
        )
        self.least = 1 if word == "exp" else None

    def why_invalid(self, number: float) -> str:
        """See `Condition`; `exp1` is that of both kinds."""
        if number > 1 or number == self.least:
            return ""
        return "1 or more" if self.least else "more than 1 (exp1: each class has as many as the smallest)"

    def described(self, spec: DataSpec, number: float) -> DataSpec:
        """See `Condition`."""
        if spec.classes == 1:
            raise UsageError(f"datasets: {spec.name} has one class", expected="two or more, for imbalance",
                             todo="leave the condition out")  # fmt: skip
        return spec

    def numbers(self, available: Ints, name: str, number: float) -> Ints:
        """Images of each class, by its number, of so many that there are."""
        found = self.make(int(available.min()), Fraction(digits(number)), len(available))
        made = np.zeros(len(available), dtype=np.int64)
        made[class_order(name, len(available))] = balanced(found) if self.even else found
        return made

    def applied(self, train: Part, validation: Part, spec: DataSpec, number: float) -> tuple[Part, Part]:
        """See `Condition`."""
        available = np.bincount(train.true, minlength=spec.classes)
        numbers = self.numbers(available, spec.name, number)
        if numbers.min() < 1:
            raise self._too_few(spec, int(available.min()), number)
        there = np.bincount(validation.true, minlength=spec.classes)
        kept = (2 * there * numbers + available) // (2 * available)  # rounded half up
        return first_of(train, numbers), first_of(validation, np.maximum(kept, np.minimum(1, there)))

    def _too_few(self, spec: DataSpec, largest: int, number: float) -> UsageError:
        shape = self.example.rstrip("0123456789")
        factor = f"{shape}{digits(number)}"
        if not largest:
            return UsageError(
                f"datasets: {spec.label}: {factor} needs images of every class", expected="one or more of each class",
                found="a class without an image to train on",
                todo="train on more images (data.train_images, the condition n), or leave the imbalance out",
            )  # fmt: skip
        return UsageError(
            f"datasets: {spec.label}: {factor} leaves a class without an image",
            expected=f"a factor of at most {largest:,}, the number of training images of the smallest class",
            found=f"{count(largest, 'image')} / {digits(number)} is less than one",
            todo=(f"name a smaller factor, such as {shape}{max(2, largest // 5)}, or " if largest > 1 else "")
            + "train on more images, or leave the imbalance out",
        )


def first_of(part: Part, numbers: Ints) -> Part:
    """The first images of each class, as many as `numbers` says, in the order in which they were."""
    kept = [np.flatnonzero(part.true == label)[:number] for label, number in enumerate(numbers)]
    return part.take(np.sort(np.concatenate(kept)))
