"""Config -> jobs: a DAG of teachers, assistants and students."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from hpmkd.architecture import forward_cost, geometric_sizes, parameter_count, resolve, sized
from hpmkd.config import SweepConfig
from hpmkd.halving import candidate_epochs, last_epoch, rungs
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

    def teacher(self, number: int = 1, owner: str | None = None) -> Job:
        """Teacher 1 is `teacher_D`; a further one differs by its seed alone, and may belong to one baseline."""
        seed = seed_of(self.config.seed, self.data.name, None, number)
        own = self.config.teacher_fit.model_dump(exclude_none=True)
        fit = replace(self.fit(self.config.fit.teacher_epochs), **own)
        if number == 1:
            return Job("teacher", self.data, self.large, fit, "Direct", (), seed)
        return Job("teacher", self.data, self.large, fit, "Direct", (), seed, owner, number=number)

    def chain(self, lineage: Lineage) -> list[Job]:
        """The assistants from the largest to the smallest, each distilled (TraditionalKD) from the one before."""
        fit = self.fit(self.config.fit.assistant_epochs or self.config.fit.student_epochs)
        seed = seed_of(self.config.seed, self.data.name, None)
        jobs: list[Job] = []
        sizes = self.sizes(lineage)
        for place, size in enumerate(sizes, start=1):
            model = sized(self.large, self.small, size)
            parent = jobs[-1] if jobs else self.teacher()
            number = place if lineage.numbered else None
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

    def choice(self, owner: str | None) -> Job:
        """The search for temperature and alpha, with TraditionalKD from the teacher, once per data set."""
        fit, seed = self.fit(self.config.fit.student_epochs), seed_of(self.config.seed, self.data.name, None)
        grid = section_values(self.config, "adaptive")
        return Job("choice", self.data, self.small, fit, "TraditionalKD", grid, seed, owner, None, (self.teacher(),))

    def student(self, lineage: Lineage, run: int) -> Job:
        owner = lineage.label if lineage.shared is False else None
        teachers = [self.teacher(number, owner) for number in range(1, lineage.teachers + 1)]
        chain = self.chain(lineage)
        parents = (*teachers, *chain) if lineage.mentors == "all" else tuple((teachers[:1] + chain)[-1:])
        if lineage.choice:
            parents = (*parents, self.choice(owner))
        fit = self.fit(self.config.fit.student_epochs)
        if lineage.budget_of is not None:
            fit = self.fit(self.budget(lineage.budget_of, lineage.budget_students))
        seed = seed_of(self.config.seed, self.data.name, run)
        return Job(
            "student", self.data, self.small, fit, lineage.method, lineage.hparams, seed,
            lineage.label, run, parents, serial=lineage.serial,
        )  # fmt: skip

    def budget(self, lineage: Lineage, students: int) -> int:
        """Epochs of TraditionalKD that cost what one student of `lineage` costs, its share of the rest included."""
        student, plain = self.student(lineage, 1), self.teacher()
        rest = {job.key: job for job in student.ancestors() if job.key != plain.key}
        total = sum(map(training_cost, rest.values())) / students + training_cost(student)
        return max(1, round(total / (3 * forward_cost(self.small) + forward_cost(self.large))))


def training_cost(job: Job) -> float:
    """Multiply-adds per training image of a whole job: forward and backward (3 forwards), and a forward per mentor."""
    mentors = sum(forward_cost(parent.model) for parent in job.teachers if parent.role != "choice")
    epochs = float(job.fit.epochs)
    if job.role == "choice":
        grid = dict(job.hparams)
        count = len(grid["adaptive.temperatures"]) * len(grid["adaptive.alphas"])
        last = last_epoch(grid["adaptive.part"], job.fit.epochs)
        epochs = candidate_epochs(rungs(count, grid["adaptive.keep"], last))
    return epochs * (3 * forward_cost(job.model) + mentors)


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
    return tuple(sorted(_share(jobs.values(), lineages), key=_depth))


def _share(jobs: Iterable[Job], lineages: Sequence[Lineage]) -> list[Job]:
    """Marks what the shared memory may give, in a sweep with a baseline that has one: all but students and what is
    a baseline's own."""
    wanted = any(lineage.shared for lineage in lineages)
    own = {lineage.label for lineage in lineages if lineage.shared is False}
    return [
        replace(job, shared=wanted and job.role != "student" and not (job.baseline and job.baseline in own))
        for job in jobs
    ]


def _depth(job: Job) -> int:
    return 1 + max(map(_depth, job.teachers), default=-1)
