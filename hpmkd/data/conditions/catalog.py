"""The conditions there are, and how their words are read: `CIFAR10@n2500`, several joined by dashes. No torch."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from hpmkd.config.specs import DataSpec
from hpmkd.data.conditions.base import Condition
from hpmkd.data.conditions.subset import Subset
from hpmkd.errors import UsageError
from hpmkd.numeric import digits

if TYPE_CHECKING:
    from hpmkd.data.source.images import Images

# Word -> condition, in the order in which they are applied, which is that of canonical names.
CONDITIONS: dict[str, Condition] = {"n": Subset()}
_WORD = re.compile(r"([A-Za-z]+)(\d{1,12}(?:\.\d{1,12})?)")


def canonical(text: str, entry: str) -> str | None:
    """A condition as files have it: words in the order of `CONDITIONS`, numbers in one spelling; None for no condition.

    Args:
        text: behind the `@`; empty: none.
        entry: of `datasets`, for errors.

    Raises:
        UsageError: a word that is none, that comes twice, or a number that it cannot have.
    """
    found: dict[str, float] = {}
    for part in text.split("-") if text else []:
        parts = _WORD.fullmatch(part)
        if parts is None or parts[1] not in CONDITIONS:
            raise UsageError(
                f"datasets: {entry!r} has an unknown condition {part!r}",
                expected="a known one behind the @: "
                + "; ".join(f"{one.example} ({one.meaning})" for one in CONDITIONS.values()),
                todo="correct it (upper and lower case matter), or leave it out",
            )
        wanted = "each condition once" if parts[1] in found else CONDITIONS[parts[1]].why_invalid(float(parts[2]))
        if wanted:
            raise UsageError(f"datasets: {entry!r}: {part}", expected=wanted, found=part, todo="correct the condition")
        found[parts[1]] = float(parts[2])
    return "-".join(f"{word}{digits(found[word])}" for word in CONDITIONS if word in found) or None


def _parts(condition: str | None) -> Iterator[tuple[Condition, float]]:
    for part in condition.split("-") if condition else []:
        parts = _WORD.fullmatch(part)
        assert parts is not None, "canonical"
        yield CONDITIONS[parts[1]], float(parts[2])


def conditioned(spec: DataSpec, condition: str | None) -> DataSpec:
    """The data set under a condition (canonical)."""
    for one, number in _parts(condition):
        spec = one.described(spec, number)
    return replace(spec, condition=condition)


def apply(train: Images, validation: Images, spec: DataSpec) -> tuple[Images, Images]:
    """The training and the validation images under the conditions of a spec, one after the other."""
    for one, number in _parts(spec.condition):
        train, validation = one.applied(train, validation, spec=spec, number=number)
    return train, validation
