"""What any job's work looks like while it is done, and what it leaves: the loop in `trial` knows no more of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from hpmkd.data.source.images import Images
from hpmkd.plan.events import EpochResult
from hpmkd.store.epoch_checkpoint import Resumable
from hpmkd.store.predictions import Predictions
from hpmkd.training.within_epoch import Between


@dataclass(frozen=True)
class Product:
    """What finished work leaves for its file.

    Args:
        content: as the file's handler takes it (see `store.handlers`).
        accuracy_pct: of a network on test images, of all else on validation images.
        metadata: what only this kind of work has to say.
        summary: for people, in place of the accuracy; empty: nothing.
        predictions: a network's answers to the test images; None of all else.
    """

    content: Any
    accuracy_pct: float
    metadata: Mapping[str, Any] = field(default_factory=dict)
    summary: str = ""
    predictions: Predictions | None = None


class Work(Resumable, Protocol):
    """A training, a search, or a logits cache in the making. `epoch` of `total` units are done.

    `between` is called between the steps of a unit; what it does may save the work as it is then.
    """

    train_seconds: float
    between: Between

    @property
    def other_seconds(self) -> Mapping[str, float]:
        """What this attempt's epochs spent on other things than training, by part of the profile."""

    def epochs(self) -> Iterator[EpochResult]:
        """Works off the units that are left, and yields after each."""

    def product(self, test: Images) -> Product:
        """What finished work leaves. A network looks at the test images here, and only here."""
