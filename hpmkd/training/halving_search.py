"""Adaptive configuration: chooses temperature and alpha by successive halving on validation images."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch

from hpmkd.data.source.images import Images
from hpmkd.plan.events import EpochResult
from hpmkd.plan.halving import rungs
from hpmkd.store.search_file import SearchResult
from hpmkd.training.train import Training
from hpmkd.training.work import Product

Values = Mapping[str, Any]


class HalvingSearch:
    """Successive halving in units that can be interrupted between: one candidate trained to the end of one rung.

    It is driven like a `Training`: `epochs()` yields after each unit, `state_dict` holds everything.

    Args:
        make: a fresh training of the candidate with these values.
        candidates: the values to choose from; the first wins a tie.
        reduction_factor: keep 1 of this many candidates per rung.
        epochs: of the last rung.
        device: where the trainings are made.
    """

    def __init__(
        self,
        make: Callable[[Values], Training],
        candidates: Sequence[Values],
        reduction_factor: int,
        epochs: int,
        device: torch.device,
    ) -> None:
        self.make, self.candidates, self.plan = make, list(candidates), rungs(len(candidates), reduction_factor, epochs)
        self.total = sum(count for count, _ in self.plan)
        self.epoch, self.train_seconds = 0, 0.0
        self.evidence: list[dict[str, Any]] = []
        self.states: dict[int, dict[str, Any]] = {}
        self.device = device

    def epochs(self) -> Iterator[EpochResult]:
        """Works off the units that are left."""
        while self.epoch < self.total:
            rung, place = self._where()
            number, end = self._field(rung)[place], self.plan[rung][1]
            result, seconds = self._train(number, end)
            self.train_seconds += seconds
            accuracy = result.validation_accuracy_pct
            row = {"rung": rung, "epochs": end, "validation_accuracy_pct": accuracy, **self.candidates[number]}
            self.evidence.append({**row, "train_seconds": seconds})
            self.epoch += 1
            yield EpochResult(
                self.epoch,
                result.train_loss,
                terms=result.terms,
                validation_accuracy_pct=accuracy,
                lr=result.lr,
                train_seconds=self.train_seconds,
                of=self.total,
            )

    def _train(self, number: int, end: int) -> tuple[EpochResult, float]:
        """Trains a candidate to the end of epoch `end`; its last epoch and the seconds.

        The training ends here, with its images and its recorded steps: the next one needs the same memory.
        """
        if self.device.type == "cuda":
            gc.collect()  # the first optimiser of a process leaves a cycle that holds the training
        training = self.make(self.candidates[number])
        if number in self.states:
            training.load_state_dict(self.states[number])
        before = training.train_seconds
        *_, result = training.epochs(end)
        self.states[number] = training.state_dict()
        return result, training.train_seconds - before

    def _where(self) -> tuple[int, int]:
        left = self.epoch
        for rung, (count, _) in enumerate(self.plan):
            if left < count:
                return rung, left
            left -= count
        raise IndexError(self.epoch)

    def _field(self, rung: int) -> list[int]:
        """The numbers of the candidates in a rung, best first; all of them in the first."""
        if rung == 0:
            return list(range(len(self.candidates)))
        return self._ranked(rung - 1)[: self.plan[rung][0]]

    def _ranked(self, rung: int) -> list[int]:
        field = self._field(rung)
        rows = [row for row in self.evidence if row["rung"] == rung]
        scores = {number: row["validation_accuracy_pct"] for number, row in zip(field, rows, strict=True)}
        return sorted(field, key=lambda number: (-scores[number], number))

    def winner(self) -> tuple[Values, float]:
        """The chosen values and their accuracy on validation images, in percent."""
        last = len(self.plan) - 1
        best = self._ranked(last)[0]
        rows = [row for row in self.evidence if row["rung"] == last]
        return self.candidates[best], float(rows[self._field(last).index(best)]["validation_accuracy_pct"])

    @property
    def other_seconds(self) -> dict[str, float]:
        """See `work.Work`: its trainings count as a whole."""
        return {}

    def product(self, test: Images) -> Product:
        """What was chosen, and the evidence; the test images are not looked at."""
        chosen, validation_pct = self.winner()
        text = ", ".join(f"{name} {value:g}" for name, value in chosen.items())
        summary = f"{text} ({validation_pct:.2f}% on validation)"
        return Product(SearchResult(chosen, self.evidence), validation_pct, summary=summary)

    def state_dict(self) -> dict[str, Any]:
        """Everything that the rest of the search depends on; states of losers are dropped."""
        alive = set(range(len(self.candidates)))
        if self.epoch < self.total:
            alive = set(self._field(self._where()[0]))
        states = {number: state for number, state in self.states.items() if number in alive}
        return {"epoch": self.epoch, "train_seconds": self.train_seconds, "evidence": self.evidence, "states": states}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from a `state_dict`."""
        self.epoch, self.train_seconds = int(state["epoch"]), float(state["train_seconds"])
        self.evidence, self.states = list(state["evidence"]), dict(state["states"])
