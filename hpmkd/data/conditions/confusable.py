"""Which classes are easily taken for which others: what is published, and what users say of their own images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hpmkd.errors import UsageError

Confused = tuple[tuple[int, int], ...]

# Patrini et al. 2017, section 5. MNIST: 2 -> 7, 3 -> 8, 5 <-> 6, 7 -> 1; Digits are the same ten figures.
_FIGURES = ((2, 7), (3, 8), (5, 6), (6, 5), (7, 1))
_CIFAR10 = {"truck": "automobile", "bird": "airplane", "deer": "horse", "cat": "dog", "dog": "cat"}
CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
PUBLISHED: Mapping[str, Confused] = {
    "CIFAR10": tuple((CIFAR10_CLASSES.index(one), CIFAR10_CLASSES.index(two)) for one, two in _CIFAR10.items()),
    "MNIST": _FIGURES,
    "Digits": _FIGURES,
}


def confusable(name: str, said: Mapping[int | str, int | str] | None, classes: Sequence[str]) -> Confused | None:
    """Pairs of a class and the one that it is taken for, by number, in the order of the first; None: not known.

    Args:
        name: of the data set.
        said: `data.confused` of it, classes by name or by number; None: nothing is said.
        classes: names of all of them; a user's own that have no names are called by their numbers.

    Raises:
        UsageError: there is no such class, or one is taken for itself.
    """
    if said is not None:
        return tuple(sorted(_pair(name, one, other, classes) for one, other in said.items()))
    if sorted(map(str.casefold, classes)) == sorted(CIFAR10_CLASSES):  # CIFAR-10 as a folder or a table with names
        places = {one.casefold(): place for place, one in enumerate(classes)}
        return tuple(sorted((places[one], places[other]) for one, other in _CIFAR10.items()))
    return None


def _pair(name: str, one: int | str, other: int | str, classes: Sequence[str]) -> tuple[int, int]:
    pair = (_number(name, one, classes), _number(name, other, classes))
    if pair[0] == pair[1]:
        raise UsageError(
            f"data.confused: {name}: {one!r} is taken for itself", expected="another class", found=repr(other),
            todo="correct it, or leave it out",
        )  # fmt: skip
    return pair


def _number(name: str, one: int | str, classes: Sequence[str]) -> int:
    """By name first: classes may be called by numbers that are not their places."""
    if str(one) in classes:
        return classes.index(str(one))
    if isinstance(one, int) and 0 <= one < len(classes):
        return one
    few = ", ".join(classes[:10]) + (f" and {len(classes) - 10} more" if len(classes) > 10 else "")
    raise UsageError(
        f"data.confused: {name} has no such class", expected=f"one of {few}; or a number from 0 to {len(classes) - 1}",
        found=repr(one), todo=f"correct data.confused; hpmkd data shows the classes of {name}",
    )  # fmt: skip
