"""The conditions there are, and how their words are read: `CIFAR10@n2500`, several joined by dashes. No torch."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from hpmkd.config.conditions import CLEAN_TEACHER, CLEAN_VALIDATION, parts_of, read_word
from hpmkd.config.specs import DataSpec
from hpmkd.data.conditions.base import Condition, Part
from hpmkd.data.conditions.imbalance import Imbalance
from hpmkd.data.conditions.noise import Noise
from hpmkd.data.conditions.subset import Subset
from hpmkd.data.conditions.switches import CleanTeacher, CleanValidation
from hpmkd.errors import UsageError
from hpmkd.numeric import digits

# Word -> condition, in the order in which they are applied, which is that of canonical names.
CONDITIONS: dict[str, Condition] = {
    "n": Subset(),
    "exp": Imbalance("exp"),
    "step": Imbalance("step"),
    "evenexp": Imbalance("evenexp", even=True),
    "evenstep": Imbalance("evenstep", even=True),
    "sym": Noise("sym"),
    "asym": Noise("asym"),
    "pair": Noise("pair"),
    CLEAN_VALIDATION: CleanValidation(),
    CLEAN_TEACHER: CleanTeacher(),
}


def canonical(text: str, entry: str, key: str = "datasets") -> str | None:
    """A condition as files have it: words in the order of `CONDITIONS`, numbers in one spelling; None for no condition.

    Args:
        text: behind the `@`; empty: none.
        entry: of `datasets`, for errors.
        key: of the config in which it stands, for errors.

    Raises:
        UsageError: a word that is none, that comes twice or beside one that excludes it, that changes nothing, or a
            number that it cannot have.
    """
    found: dict[str, float] = {}
    for part in parts_of(text):
        word, number = read_word(part) or ("", None)
        one = CONDITIONS.get(word)
        if one is None or one.numbered != (number is not None):
            lacks = one is not None and one.numbered
            raise UsageError(
                f"{key}: {entry!r}: {part} has no number, or one that is none"
                if lacks
                else f"{key}: {entry!r} has an unknown condition {part!r}",
                expected=f"such as {one.example}: {one.meaning}"
                if one is not None and lacks
                else "a known one behind the @: "
                + "; ".join(f"{one.example} ({one.meaning})" for one in CONDITIONS.values()),
                todo="correct it (upper and lower case matter), or leave it out",
            )
        value = float(number or 1)
        same = [other for other in found if CONDITIONS[other].kind == one.kind]
        wanted = _once(word, same[0], one.kind) if same else one.why_invalid(value)
        if wanted:
            raise UsageError(f"{key}: {entry!r}: {part}", expected=wanted, found=part, todo="correct the condition")
        found[word] = value
    _need_effect(found, entry, key)
    return "-".join(_spelled(word, found[word]) for word in CONDITIONS if word in found) or None


def _once(word: str, other: str, kind: str) -> str:
    return "each condition once" if word == other else f"one kind of {kind}, not {other} beside {word}"


def _spelled(word: str, number: float) -> str:
    return f"{word}{digits(number)}" if CONDITIONS[word].numbered else word


def _need_effect(found: dict[str, float], entry: str, key: str) -> None:
    """UsageError where a word changes nothing: two names would stand for the same models."""
    kinds = {CONDITIONS[word].kind for word in found}
    for word in found:
        needs = CONDITIONS[word].needs
        if needs and not kinds & set(needs):
            examples = [one.example for one in CONDITIONS.values() if one.kind in needs]
            raise UsageError(
                f"{key}: {entry!r}: {word} changes nothing there",
                expected=f"beside it one of {', '.join(examples)}",
                found=word,
                todo="leave it out, or add one of these",
            )


def _parts(condition: str | None) -> Iterator[tuple[Condition, float]]:
    for part in parts_of(condition):
        word, number = read_word(part) or ("", None)
        yield CONDITIONS[word], float(number or 1)


def conditioned(spec: DataSpec, condition: str | None) -> DataSpec:
    """The data set under a condition (canonical).

    Raises:
        UsageError: the data set cannot be under it.
    """
    for one, number in _parts(condition):
        spec = one.described(spec, number)
    return spec.under(condition)


def parts(labels: npt.NDArray[np.integer], spec: DataSpec) -> tuple[Part, Part]:
    """Which images are trained on and which are kept for validation, and their labels, under the condition of a spec.

    Args:
        labels: true classes of all training images, in the random order of the data set, `(N,)`.
        spec: of the data set.

    Raises:
        UsageError: there are fewer images than are asked for.
    """
    true, places = labels.astype(np.int64), np.arange(len(labels))
    whole, kept = Part(places, true, true), spec.validation_count(len(labels))
    end = None if spec.train_images is None else kept + spec.train_images
    train, validation = whole.take(places[kept:end]), whole.take(places[:kept])
    for one, number in _parts(spec.condition):
        train, validation = one.applied(train, validation, spec=spec, number=number)
    return train, validation
