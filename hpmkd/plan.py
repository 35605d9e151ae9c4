"""Config -> jobs: a DAG of teachers, assistants and students."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hpmkd.architecture import geometric_sizes, parameter_count, resolve, sized
from hpmkd.config import SweepConfig
from hpmkd.job import Job, seed_of
from hpmkd.lineage import Lineage, section_values
from hpmkd.specs import DataSpec, FitSpec, ModelSpec


@dataclass(frozen=True)
class _Planner:
    """The jobs of one data set."""

    config: SweepConfig
    data: DataSpec
    large: ModelSpec
    small: ModelSpec

    def fit(self, epochs: int) -> FitSpec:
        values = self.config.fit.model_dump(exclude={"teacher_epochs", "assistant_epochs", "student_epochs"})
        return FitSpec(**{**values, "epochs": epochs, "milestones": tuple(values["milestones"])})

    def teacher(self, number: int = 1) -> Job:
        """Teacher 1 is `teacher_D`; a further one differs by its seed alone."""
        seed = seed_of(self.config.seed, self.data.name, None, number)
        fit = self.fit(self.config.fit.teacher_epochs)
        return Job("teacher", self.data, self.large, fit, "Direct", (), seed, number=number if number > 1 else None)

    def chain(self, lineage: Lineage) -> list[Job]:
        """The assistants from the largest to the smallest, each distilled (TraditionalKD) from the one before."""
        fit = self.fit(self.config.fit.assistant_epochs or self.config.fit.student_epochs)
        seed = seed_of(self.config.seed, self.data.name, None)
        jobs: list[Job] = []
        sizes = self.sizes(lineage)
        for place, size in enumerate(sizes, start=1):
            model = sized(self.large, self.small, size)
            parent = jobs[-1] if jobs else self.teacher()
            number = place if lineage.assistants is None or len(sizes) > 1 else None
            loss = section_values(self.config, "kd")
            jobs.append(
                Job(
                    "assistant", self.data, model, fit, "TraditionalKD", loss, seed,
                    lineage.family or lineage.label, None, (parent,), number,
                )
            )  # fmt: skip
        return jobs

    def sizes(self, lineage: Lineage) -> list[float]:
        """Wanted parameter counts of the assistants."""
        large, small = parameter_count(self.large), parameter_count(self.small)
        steps = lineage.assistants
        if steps is None:
            steps = max(1, round(math.log(large / small) / math.log(4))) - 1 if large > small else 0
        if steps == 1 and lineage.assistant_size:
            return [lineage.assistant_size]
        return [float(size) for size in geometric_sizes(large, small, steps + 1)]

    def student(self, lineage: Lineage, run: int) -> Job:
        teachers = [self.teacher(number) for number in range(1, lineage.teachers + 1)]
        chain = self.chain(lineage)
        parents = (*teachers, *chain) if lineage.mentors == "all" else tuple((teachers[:1] + chain)[-1:])
        fit = self.fit(self.config.fit.student_epochs)
        seed = seed_of(self.config.seed, self.data.name, run)
        return Job(
            "student", self.data, self.small, fit, lineage.method, lineage.hparams, seed,
            lineage.label, run, parents, serial=lineage.serial,
        )  # fmt: skip


def expand(config: SweepConfig, datasets: Iterable[DataSpec], lineages: Sequence[Lineage]) -> tuple[Job, ...]:
    """All jobs of a sweep, parents before children, each once.

    Args:
        config: the sweep.
        datasets: one spec for each entry of `config.datasets`.
        lineages: one for each entry of `config.baselines` (`methods.lineages` gives them).
    """
    jobs: dict[str, Job] = {}
    for data in datasets:
        large, small = resolve(config.teacher, data, "teacher"), resolve(config.student, data, "student")
        planner = _Planner(config, data, large, small)
        teacher = planner.teacher()
        jobs[teacher.key] = teacher
        for lineage in lineages:
            for run in range(1, config.runs + 1):
                student = planner.student(lineage, run)
                for job in (*student.ancestors(), student):
                    jobs.setdefault(job.key, job)
    return tuple(sorted(jobs.values(), key=_depth))


def _depth(job: Job) -> int:
    return 1 + max(map(_depth, job.teachers), default=-1)
