"""A job: one model (or search, or logits cache) to make, and everything that its content depends on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

from hpmkd.config.own_method import SOURCE, OwnMethod
from hpmkd.config.specs import DataSpec, FitSpec, ModelSpec
from hpmkd.plan.roles import Role

Hparams = tuple[tuple[str, Any], ...]
TRIALS = "tune.trials"  # a key that only tunings have
SHOWN = "logits.shown"  # a key that only answers to what one run shows have


@dataclass(frozen=True)
class Job:
    """One model to train. Two jobs with equal recipes and parents are the same model, whatever sweep they stand in.

    `baseline`, `number` and `run` name it, `serial` (one model of the baseline at a time) is how it is scheduled,
    `shared` whether the shared memory may give it; the weights do not depend on them. Where the sweep has several pairs
    of networks, `pair` is the name of its own, and `network` that of a teacher's network, which pairs may share.
    `reference` is the key of the teacher that a student's retention is measured against. Teachers, and what is made of
    them, have a `run` where each run has teachers of its own (`teacher.per_run`). `own` is the method, where a user
    brings it.
    """

    role: Role
    data: DataSpec
    model: ModelSpec
    fit: FitSpec
    method: str
    hparams: Hparams
    seed: int
    baseline: str | None = None
    run: int | None = None
    parents: tuple[Job, ...] = ()  # all parents: networks or caches of their logits, and the search if there is one
    number: int | None = None
    serial: bool = False
    shared: bool = field(default=False, compare=False)
    pair: str | None = None
    network: str | None = None
    reference: str | None = field(default=None, compare=False)
    own: OwnMethod | None = field(default=None, compare=False, repr=False)

    @property
    def place(self) -> str:
        """Data set, condition and pair as in files: `CIFAR10`, `CIFAR10@n2500+r56-r20`; see `place_name`."""
        return place_name(self.data.name, self.data.condition, self.pair or self.network)

    @property
    def axes(self) -> dict[str, Any]:
        """Where it stands in the grid, as the trial's config and the results have it."""
        return {"dataset": self.data.name, "condition": self.data.condition, "pair": self.pair}

    @cached_property
    def key(self) -> str:
        """The canonical name without its ending, unique in a sweep: `teacher_D_2`, `student_D_HPM-KD_run3`.

        A logits cache is named after its network, `logits_teacher_D_2`, in the place whose images it has.
        """
        if self.is_shown:
            return f"{self.role}_{replace(self, role=self.parents[0].role, hparams=(), parents=()).key}"
        if self.role is Role.LOGITS:
            network = self.parents[0]
            own = network.data.condition == self.data.condition
            return f"{self.role}_{(network if own else replace(network, data=self.data)).key}"
        number = None if self.number is None else str(self.number)
        run = None if self.run is None else f"run{self.run}"
        return "_".join(part for part in (self.role, self.place, self.baseline, number, run) if part)

    @property
    def file_name(self) -> str:
        """The canonical file name, such as `student_CIFAR10_Direct_run1.pt`."""
        return self.key + self.role.suffix

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) over everything that the weights depend on, parents included."""
        return fingerprint_of(self.recipe(), [job.as_asked.fingerprint for job in self.parents])

    def recipe(self) -> dict[str, Any]:
        """Everything that the weights depend on, parents aside, as flat plain values."""
        flat: dict[str, Any] = {"role": self.role.value, "method": self.method, "seed": self.seed}
        for section in ("data", "model", "fit"):
            for part in fields(getattr(self, section)):
                value = getattr(getattr(self, section), part.name)
                left_out = part.metadata.get("option") and value == part.default
                if part.compare and not left_out:
                    flat[f"{section}.{part.name}"] = list(value) if isinstance(value, tuple) else value
        return flat | dict(self.hparams)

    @property
    def is_tuning(self) -> bool:
        """Whether it is a search that tries settings of one baseline, see `plan/tuning.py`."""
        return self.role is Role.SEARCH and any(name == TRIALS for name, _ in self.hparams)

    @property
    def is_shown(self) -> bool:
        """Whether it holds a network's answers to what one run shows, see `plan/shown.py`."""
        return self.role is Role.LOGITS and (SHOWN, True) in self.hparams

    @property
    def as_asked(self) -> Job:
        """What a child's recipe names: the network itself, where this holds what it would answer, to the bit."""
        return self.parents[0] if self.is_shown else self

    @property
    def teachers(self) -> tuple[Job, ...]:
        """Whom a student of this job learns from: its parents, but for a search."""
        return tuple(parent for parent in self.parents if parent.role is not Role.SEARCH)

    @property
    def sources(self) -> tuple[Job, ...]:
        """Whose identity a file of this job records: its parents, and the networks whose logits a parent holds."""
        direct = [parent.as_asked for parent in self.parents]
        return (*direct, *(parent.parents[0] for parent in direct if parent.role is Role.LOGITS))

    def ancestors(self) -> list[Job]:
        """All parents, parents' parents and so on, each before its children; some may come twice."""
        return [one for parent in self.parents for one in (*parent.ancestors(), parent)]


def place_name(dataset: str, condition: str | None, pair: str | None) -> str:
    """The part of a file's name that says on what a model was trained: `DATASET[@CONDITION][+PAIR]`.

    Names of data sets have neither `@` nor `+`, conditions no `+`, and none of them an underscore, so a file's name can
    be taken apart again: `ROLE_PLACE[_BASELINE][_NUMBER][_runN]`.
    """
    return dataset + (f"@{condition}" if condition else "") + (f"+{pair}" if pair else "")


def fingerprint_of(recipe: Mapping[str, Any], parents: Sequence[str]) -> str:
    """SHA-256 (hex) of a recipe and the fingerprints of all parents, in their order."""
    # As hpmkd 0.1 hashed them, so that what both mean by the same recipe has one fingerprint.
    text = json.dumps({**recipe, "teachers": list(parents)}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def seed_of(sweep_seed: int, dataset: str, run: int | None, teacher: int = 1) -> int:
    """Seed of a model in [0, 2^63): a function of sweep seed, data set and run, never of the method.

    So run r of every baseline shares initial weights, order and augmentation, and runs are paired. Further
    teachers (from 2) have seeds of their own.
    """
    return _number(f"hpmkd:{sweep_seed}:{dataset}:{run or 0}" + (f":teacher{teacher}" if teacher > 1 else ""))


def teacher_seed(sweep_seed: int, dataset: str, number: int = 1, run: int | None = None) -> int:
    """Seed of a teacher: of run `run` alone, or (None) of all runs.

    That of a run is not the seed of the run's students, or a teacher of their size would be one of them; nor do other
    runs matter to it, so that more of them change nothing.
    """
    if run is None:
        return seed_of(sweep_seed, dataset, None, number)
    return _number(f"hpmkd:{sweep_seed}:{dataset}:{run}:teacher{number}")


def _number(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


# Of entries that are no setting: what a user may have changed.
_COMES_FROM = {
    "data.content": " (images, their labels, or the setting data.image_size)",
    "model.source": " (the network's source: its file, or one that it imports)",
    SOURCE: " (the method's source: its file, or one that it imports)",
}


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Readable differences of two recipes, such as "`fit.lr` 0.001 -> 0.01"."""
    keys = sorted(then.keys() | now.keys())
    missing = object()
    changed = [key for key in keys if then.get(key, missing) != now.get(key, missing)]
    return [
        f"`{key}`{_COMES_FROM.get(key, '')} {then.get(key, _left_out(key))} -> {now.get(key, _left_out(key))}"
        for key in changed
    ]


def _left_out(key: str) -> Any:
    """What a recipe without the key means: an option that is off, or nothing known."""
    section, _, name = key.partition(".")
    kind = {"fit": FitSpec, "data": DataSpec, "model": ModelSpec}.get(section)
    off = {one.name: one.default for one in fields(kind) if one.metadata.get("option")} if kind else {}
    found = off.get(name)
    return "not there" if found is None else found


def label(job: Job, runs: int) -> str:
    """How a line names a job: `Direct run 3/5 CIFAR10`, `teacher CIFAR10`, `TAKD assistant CIFAR10`."""
    if job.role is Role.LOGITS:
        whom = label(job.parents[0], runs)
        return f"logits of {whom}" + f" for {f'run {job.run}/{runs}' if job.run else 'searches'}" * job.is_shown
    number = f" {job.number}" if job.number else ""
    run = f" run {job.run}/{runs}" if job.run else ""
    if job.role is Role.TEACHER:
        return f"teacher{number}{run} {job.place}"
    if job.role is Role.SEARCH:
        return f"{f'{job.baseline} tuning' if job.is_tuning else 'search'}{run} {job.place}"
    if job.role is Role.ASSISTANT:
        return f"{job.baseline} assistant{number}{run} {job.place}"
    return f"{job.baseline}{run} {job.place}"
