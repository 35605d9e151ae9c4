"""Label noise: some training images are given another class than theirs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction

import numpy as np

from hpmkd.config.specs import DataSpec
from hpmkd.data.conditions.base import Condition, Ints, Part
from hpmkd.data.conditions.draws import draws
from hpmkd.errors import UsageError
from hpmkd.numeric import digits

# Patrini et al. 2017, section 5: classes that are easily confused. CIFAR-10: truck -> automobile, bird -> airplane,
# deer -> horse, cat <-> dog; MNIST: 2 -> 7, 3 -> 8, 5 <-> 6, 7 -> 1. Digits are the same ten figures.
_FIGURES = {2: 7, 3: 8, 5: 6, 6: 5, 7: 1}
CONFUSED: Mapping[str, Mapping[int, int]] = {
    "CIFAR10": {9: 1, 2: 0, 4: 7, 3: 5, 5: 3},
    "MNIST": _FIGURES,
    "Digits": _FIGURES,
}
# True classes, their places in the data set's order, spec -> the class that each image gets if it is flipped.
Target = Callable[[Ints, Ints, DataSpec], Ints]


def any_other(true: Ints, places: Ints, spec: DataSpec) -> Ints:
    """One of the K - 1 other classes, drawn once for each image of the data set."""
    drawn = draws("wrong label", spec.name, _count(places))[places] % np.uint64(spec.classes - 1)
    return drawn.astype(np.int64) + (drawn.astype(np.int64) >= true)


def the_next(true: Ints, places: Ints, spec: DataSpec) -> Ints:
    """The next class, and the first after the last: Han et al. 2018, pair flipping."""
    return (true + 1) % spec.classes


def confused(true: Ints, places: Ints, spec: DataSpec) -> Ints:
    """The class that it is easily taken for; its own where there is none: Patrini et al. 2017."""
    table = np.arange(spec.classes)
    for one, other in CONFUSED[spec.name].items():
        table[one] = other
    return table[true]


TARGETS: dict[str, Target] = {"sym": any_other, "asym": confused, "pair": the_next}
_MEANINGS = {
    "sym": "share of the training images that are given one of the other classes, any of them",
    "asym": f"share of the images of some classes that are given the one they look like; of {', '.join(CONFUSED)}",
    "pair": "share of the training images that are given the next class",
}


def _count(places: Ints) -> int:
    return int(places.max(initial=-1)) + 1


class Noise(Condition):
    """A share of the images that can be flipped is, rounded to a whole image; each class has its share of them up to 1.

    Images are flipped in one order, so those at a rate are flipped at a higher one, too, and to the same class. The
    validation part has the same noise (but see `cleanVal`).
    """

    kind = "noise"

    def __init__(self, word: str) -> None:
        self.word, self.target = word, TARGETS[word]
        self.example, self.meaning = f"{word}0.2", _MEANINGS[word]

    def why_invalid(self, number: float) -> str:
        """See `Condition`."""
        return "" if 0 < number < 1 else "more than 0 and less than 1: a share of the images"

    def described(self, spec: DataSpec, number: float) -> DataSpec:
        """See `Condition`."""
        if self.word == "asym" and spec.name not in CONFUSED:
            raise UsageError(
                f"datasets: {spec.name}@{self.word}{digits(number)}: it is not known which of its classes look alike",
                expected=f"one of {', '.join(CONFUSED)} for asym",
                found=spec.name,
                todo=f"pair{digits(number)} gives images the next class (in the order of their numbers or names), "
                f"sym{digits(number)} any other",
            )
        if spec.classes == 1:
            raise UsageError(f"datasets: {spec.name} has one class", expected="two or more, for label noise",
                             todo="leave the condition out")  # fmt: skip
        return spec

    def applied(self, train: Part, validation: Part, spec: DataSpec, number: float) -> tuple[Part, Part]:
        """See `Condition`."""
        return self._flipped(train, spec, number), self._flipped(validation, spec, number)

    def _flipped(self, part: Part, spec: DataSpec, rate: float) -> Part:
        target = self.target(part.true, part.places, spec)
        chosen = flip_order(part, target != part.true, spec)
        chosen = chosen[: int(Fraction(digits(rate)) * len(chosen) + Fraction(1, 2))]
        given = part.given.copy()
        given[chosen] = target[chosen]
        return part.labelled(given)


def flip_order(part: Part, eligible: np.ndarray, spec: DataSpec) -> Ints:
    """The places within the part of the images that can be flipped, in the order in which they are.

    The j-th of the n images of a class stands at (j + 1/2) / n, so any beginning of the order has of each class its
    share, up to one image.
    """
    which = np.flatnonzero(eligible)
    rank = draws("flip", spec.name, _count(part.places))[part.places[which]]
    within = np.empty(len(which))
    for label in np.unique(part.true[which]):
        mine = np.flatnonzero(part.true[which] == label)
        ordered = mine[np.argsort(rank[mine], kind="stable")]
        within[ordered] = (2 * np.arange(len(mine)) + 1) / (2 * len(mine))
    return which[np.lexsort((rank, within))]
