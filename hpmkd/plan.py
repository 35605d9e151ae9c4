"""Config -> jobs: a DAG of teachers, assistants and students, with file names, seeds and fingerprints."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Literal

from hpmkd.architecture import geometric_sizes, parameter_count, resolve, sized
from hpmkd.config import SweepConfig
from hpmkd.errors import UsageError
from hpmkd.specs import DataSpec, FitSpec, ModelSpec

Role = Literal["teacher", "assistant", "student"]
Hparams = tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Lineage:
    """Which parents the students of a baseline learn from, and the loss that trains its assistants."""

    teacher: bool = True
    assistants: int = 0
    section: str | None = None
    assistant_method: str = "TraditionalKD"


@dataclass(frozen=True)
class Job:
    """One model to train. Two jobs with equal fields are the same model, whatever sweep they stand in."""

    role: Role
    data: DataSpec
    model: ModelSpec
    fit: FitSpec
    method: str
    hparams: Hparams
    seed: int
    baseline: str | None = None
    run: int | None = None
    teachers: tuple[Job, ...] = ()

    @cached_property
    def key(self) -> str:
        """The canonical name without its ending, unique in a sweep."""
        run = None if self.run is None else f"run{self.run}"
        return "_".join(part for part in (self.role, self.data.name, self.baseline, run) if part)

    @property
    def file_name(self) -> str:
        """The canonical file name, such as `student_CIFAR10_Direct_run1.pt`."""
        return f"{self.key}.pt"

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) over everything that the weights depend on, parents included."""
        text = json.dumps({**self.recipe(), "teachers": [job.fingerprint for job in self.teachers]}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def recipe(self) -> dict[str, Any]:
        """Everything that the weights depend on, parents aside, as flat plain values."""
        flat: dict[str, Any] = {"role": self.role, "method": self.method, "seed": self.seed}
        for section in ("data", "model", "fit"):
            for field in fields(getattr(self, section)):
                if field.compare:
                    value = getattr(getattr(self, section), field.name)
                    flat[f"{section}.{field.name}"] = list(value) if isinstance(value, tuple) else value
        return flat | dict(self.hparams)


def seed_of(sweep_seed: int, dataset: str, run: int | None) -> int:
    """Seed of a model in [0, 2^63): a function of sweep seed, data set and run, never of the method.

    So run r of every baseline shares initial weights, order and augmentation, and runs are paired.
    """
    text = f"hpmkd:{sweep_seed}:{dataset}:{run or 0}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def _fit_spec(config: SweepConfig, epochs: int) -> FitSpec:
    values = config.fit.model_dump(exclude={"teacher_epochs", "assistant_epochs", "student_epochs"})
    return FitSpec(**{**values, "epochs": epochs, "milestones": tuple(values["milestones"])})


def _hparams(config: SweepConfig, *sections: str) -> Hparams:
    """The values of config sections as `(("kd.alpha", 0.9), ...)`."""
    pairs = ((f"{section}.{key}", value) for section in sections for key, value in getattr(config, section))
    return tuple(sorted(pairs))


def _student(config: SweepConfig, data: DataSpec, teacher: Job, baseline: str, run: int, lineage: Lineage) -> Job:
    student = resolve(config.student, data, "student")
    loss = _hparams(config, "kd", *([lineage.section] if lineage.section else [])) if lineage.teacher else ()
    parents = (teacher,) if lineage.teacher else ()
    if lineage.assistants:
        parents = (_assistant(config, data, teacher, student, baseline, lineage),)
    fit = _fit_spec(config, config.fit.student_epochs)
    seed = seed_of(config.seed, data.name, run)
    return Job("student", data, student, fit, baseline, loss, seed, baseline, run, parents)


def _assistant(
    config: SweepConfig, data: DataSpec, teacher: Job, student: ModelSpec, baseline: str, lineage: Lineage
) -> Job:
    large, small = parameter_count(teacher.model), parameter_count(student)
    wanted = config.takd.size or geometric_sizes(large, small, 2)[0]
    fit = _fit_spec(config, config.fit.assistant_epochs or config.fit.student_epochs)
    model = sized(teacher.model, student, wanted)
    seed = seed_of(config.seed, data.name, None)
    method, loss = lineage.assistant_method, _hparams(config, "kd")
    return Job("assistant", data, model, fit, method, loss, seed, baseline, None, (teacher,))


def expand(config: SweepConfig, datasets: Iterable[DataSpec], lineages: Mapping[str, Lineage]) -> tuple[Job, ...]:
    """All jobs of a sweep, parents before children, each once.

    Args:
        config: the sweep.
        datasets: one spec for each entry of `config.datasets`.
        lineages: what each known baseline learns from (`methods.METHODS` gives it).
    """
    for baseline in config.baselines:
        if baseline not in lineages:
            raise UsageError(
                "baselines: unknown baseline",
                expected="any of " + ", ".join(lineages),
                found=repr(baseline),
                todo="correct the name (upper and lower case count)",
            )
    jobs: dict[str, Job] = {}
    for data in datasets:
        fit = _fit_spec(config, config.fit.teacher_epochs)
        model = resolve(config.teacher, data, "teacher")
        teacher = Job("teacher", data, model, fit, "Direct", (), seed_of(config.seed, data.name, None))
        jobs[teacher.key] = teacher
        for baseline in config.baselines:
            for run in range(1, config.runs + 1):
                for job in _with_parents(_student(config, data, teacher, baseline, run, lineages[baseline])):
                    jobs.setdefault(job.key, job)
    return tuple(sorted(jobs.values(), key=_depth))


def _with_parents(job: Job) -> list[Job]:
    return [ancestor for parent in job.teachers for ancestor in _with_parents(parent)] + [job]


def _depth(job: Job) -> int:
    return 1 + max(map(_depth, job.teachers), default=-1)


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Readable differences of two recipes, such as "`fit.lr` 0.001 -> 0.01"."""
    keys = sorted(then.keys() | now.keys())
    missing = object()
    changed = [key for key in keys if then.get(key, missing) != now.get(key, missing)]
    return [f"`{key}` {then.get(key, 'not there')} -> {now.get(key, 'not there')}" for key in changed]
