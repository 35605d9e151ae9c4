"""Label noise: some training images are given another class than theirs."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np

from hpmkd.config.conditions import CONFUSING
from hpmkd.config.specs import DataSpec
from hpmkd.data.conditions.base import Condition, Ints, Part
from hpmkd.data.conditions.confusable import PUBLISHED, Confused
from hpmkd.data.conditions.draws import draws
from hpmkd.data.source.listing import count
from hpmkd.errors import UsageError
from hpmkd.numeric import digits

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
    for one, other in pairs_of(spec) or ():
        table[one] = other
    return table[true]


TARGETS: dict[str, Target] = {"sym": any_other, "asym": confused, "pair": the_next}
_MEANINGS = {
    "sym": "share of the training images that are given one of the other classes, any of them",
    "asym": "share of the images of some classes that are given the one they look like, of "
    f"{', '.join(PUBLISHED)} or what data.confused says",
    "pair": "share of the training images that are given the next class",
}


def pairs_of(spec: DataSpec) -> Confused | None:
    """Classes that are easily confused: what the user says, else what is published; None: not known."""
    return spec.confused if spec.confused is not None else PUBLISHED.get(spec.name)


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
        if self.word in CONFUSING and not pairs_of(spec):
            raise UsageError(
                f"datasets: {spec.name}@{self.word}{digits(number)}: it is not known which of its classes look alike",
                expected=f"one of {', '.join(PUBLISHED)}, or classes by name or number in data.confused",
                found=spec.name,
                todo=f"say them: --data.confused '{{{spec.name}: {{CLASS: ONE THAT IT IS TAKEN FOR}}}}'; or take "
                f"pair{digits(number)}, which gives images the next class, or sym{digits(number)}, any other",
            )
        if spec.classes == 1:
            raise UsageError(f"datasets: {spec.name} has one class", expected="two or more, for label noise",
                             todo="leave the condition out")  # fmt: skip
        return spec

    def applied(self, train: Part, validation: Part, spec: DataSpec, number: float) -> tuple[Part, Part]:
        """See `Condition`."""
        noisy = self._flipped(train, spec, number)
        if not (noisy.given != train.given).any():
            raise self._no_effect(train, spec, number)
        return noisy, self._flipped(validation, spec, number)

    def _no_effect(self, train: Part, spec: DataSpec, rate: float) -> UsageError:
        """Two names would stand for the same models."""
        could = int((self.target(train.true, train.places, spec) != train.true).sum())
        word = f"{self.word}{digits(rate)}"
        return UsageError(
            f"datasets: {spec.label}: {word} leaves every label as it is",
            expected="at least one wrong label",
            found=f"{digits(rate)} of {count(could, 'training image')} that can have one is less than half an image"
            if could
            else "no training image of a class that is taken for another",
            todo=("name a larger share, " if could else "name other classes in data.confused, ") + "or leave it out",
        )

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
