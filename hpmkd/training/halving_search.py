"""Adaptive configuration: chooses students' settings by successive halving on validation images."""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from hpmkd.data.source.images import Images
from hpmkd.errors import Diverged
from hpmkd.plan.events import EpochResult
from hpmkd.plan.halving import rungs
from hpmkd.plan.trials import WORST
from hpmkd.store.search_file import SearchResult
from hpmkd.training.judging import Losses, judged, standard_error
from hpmkd.training.train import Training
from hpmkd.training.within_epoch import Between, position, read_position
from hpmkd.training.work import Product

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Rules:
    """How candidates are compared.

    Args:
        reduction_factor: keep 1 of this many candidates per rung.
        epochs: of the last rung.
        metric: see `judging.judged`.
        one_standard_error: of the last rung choose the first candidate, unless the best one is better by more than a
            standard error of their difference, image by image.
    """

    reduction_factor: int
    epochs: int
    metric: str = "likelihood"
    one_standard_error: bool = False


class HalvingSearch:
    """Successive halving in units that can be interrupted between: one candidate trained to the end of one rung.

    It is driven like a `Training`: `epochs()` yields after each unit, `state_dict` holds everything.

    Args:
        make: a fresh training of the candidate with these values.
        candidates: the values to choose from; the first are the config's own, and win a tie.
        rules: how is chosen.
        device: where the trainings are made.
    """

    def __init__(
        self, make: Callable[[Values], Training], candidates: Sequence[Values], rules: Rules, device: torch.device
    ) -> None:
        self.make, self.candidates, self.rules = make, list(candidates), rules
        self.plan = rungs(len(candidates), rules.reduction_factor, rules.epochs)
        self.total = sum(count for count, _ in self.plan)
        self.epoch, self.train_seconds = 0, 0.0
        self.evidence: list[dict[str, Any]] = []
        self.states: dict[int, dict[str, Any]] = {}
        self.losses: dict[int, list[float]] = {}  # of each validation image, after the last rung
        self.steps, self.between = 0, Between()  # of the unit that is under way; what is done between them
        self._under_way: tuple[int, Training] | None = None  # a candidate's number, and its training
        self._begun = 0.0  # what its training had taken before this unit, in seconds
        self.device = device

    def epochs(self) -> Iterator[EpochResult]:
        """Works off the units that are left."""
        while self.epoch < self.total:
            rung, place = self._where()
            number, end = self._field(rung)[place], self.plan[rung][1]
            result, losses, accuracy = self._train(number, end)
            if rung == len(self.plan) - 1:
                self.losses[number] = [float(loss) for loss in losses]
            self.evidence.append(
                {
                    "rung": rung, "epochs": end, "validation_loss": float(losses.mean()),
                    "standard_error": standard_error(losses), "validation_accuracy_pct": accuracy,
                    **self.candidates[number], "train_seconds": result.train_seconds,
                }
            )  # fmt: skip
            self.train_seconds += result.train_seconds
            self.epoch += 1
            self._need_one()
            yield EpochResult(
                self.epoch,
                result.train_loss,
                terms=result.terms,
                validation_accuracy_pct=accuracy,
                lr=result.lr,
                train_seconds=self.train_seconds,
                of=self.total,
            )

    def _train(self, number: int, end: int) -> tuple[EpochResult, Losses, float]:
        """Trains a candidate to the end of epoch `end`: its last epoch with the seconds of this rung, the loss of each
        validation image, the accuracy in percent. One that diverges is the worst.

        The training ends here, with its images and its recorded steps: the next one needs the same memory.
        """
        if self.device.type == "cuda":
            gc.collect()  # the first optimiser of a process leaves a cycle that holds the training
        training = self.make(self.candidates[number])
        if number in self.states:
            training.load_state_dict(self.states[number])
        before, result = self._begun if self.steps else training.train_seconds, None
        self._begun = before
        if self.between.act is not None:
            training.between.act, self._under_way = self._pause, (number, training)
        try:
            *_, result = training.epochs(end)
        except Diverged:
            self.states.pop(number, None)
            nothing = np.full(len(training.validation), WORST)
            return self._unit(end, result, training.train_seconds - before), nothing, 0.0
        finally:
            self.steps, self._under_way = 0, None
        self.states[number] = training.state_dict()
        return self._unit(end, result, training.train_seconds - before), *judged(training, self.rules.metric)

    def _pause(self) -> None:
        assert self._under_way is not None, "it is called by that training"
        training = self._under_way[1]
        self.steps = training.epoch * len(training.batches.bounds()) + training.steps
        self.between.begin()
        self.between()

    def _need_one(self) -> None:
        """Diverged, where that is all that there is to choose from."""
        last = [row for row in self.evidence if row["rung"] == len(self.plan) - 1]
        if self.epoch == self.total and all(row["validation_loss"] >= WORST for row in last):
            raise Diverged(
                f"the training diverges with each of the {len(last)} settings that were tried to the end",
                todo="try a smaller fit.lr, or smaller adaptive.lr_factors",
            )

    @staticmethod
    def _unit(end: int, last: EpochResult | None, seconds: float) -> EpochResult:
        lr, loss = (last.lr, last.train_loss) if last else (math.nan, math.nan)
        terms = dict(last.terms) if last else {}
        return EpochResult(
            end, loss, terms=terms, validation_accuracy_pct=math.nan, lr=lr, train_seconds=seconds, of=end
        )

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
        scores = {number: row["validation_loss"] for number, row in self._rows(rung).items()}
        return sorted(self._field(rung), key=lambda number: (scores[number], number))

    def _rows(self, rung: int) -> dict[int, dict[str, Any]]:
        """The evidence of a rung that is done, by candidate."""
        rows = [row for row in self.evidence if row["rung"] == rung]
        return dict(zip(self._field(rung), rows, strict=True))

    def winner(self) -> tuple[Values, float]:
        """The chosen values and their accuracy on validation images, in percent."""
        last = len(self.plan) - 1
        best = self._ranked(last)[0]
        if self.rules.one_standard_error and 0 in self.losses:
            apart = np.array(self.losses[0]) - np.array(self.losses[best])
            best = 0 if apart.mean() <= standard_error(apart) else best
        return self.candidates[best], float(self._rows(last)[best]["validation_accuracy_pct"])

    @property
    def other_seconds(self) -> dict[str, float]:
        """See `work.Work`: its trainings count as a whole."""
        return {"report": self.between.seconds}

    def product(self, test: Images) -> Product:
        """What was chosen, and the evidence; the test images are not looked at."""
        chosen, validation_pct = self.winner()
        text = ", ".join(f"{name} {value:g}" for name, value in chosen.items())
        summary = f"{text} ({validation_pct:.2f}% on validation)"
        about = {"val_accuracy": validation_pct}
        return Product(SearchResult(chosen, self.evidence), validation_pct, about, summary=summary)

    def state_dict(self) -> dict[str, Any]:
        """Everything that the rest of the search depends on; states of losers are dropped."""
        alive = set(range(len(self.candidates)))
        if self.epoch < self.total:
            alive = set(self._field(self._where()[0]))
        states = {number: state for number, state in self.states.items() if number in alive}
        if self._under_way is not None:
            number, training = self._under_way
            states[number] = training.state_dict()
        known = {"evidence": self.evidence, "states": states, "losses": self.losses}
        where = position(self.epoch, self.steps, lambda: {"begun": self._begun})
        return {**where, "train_seconds": self.train_seconds, **known}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from a `state_dict`."""
        self.epoch, self.steps, within = read_position(state)
        self._begun, self.train_seconds = float(within.get("begun", 0.0)), float(state["train_seconds"])
        self.evidence, self.states = list(state["evidence"]), dict(state["states"])
        self.losses = dict(state["losses"])
