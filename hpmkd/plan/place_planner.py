"""The jobs of one data set and one pair of networks: teachers, assistants, searches, students."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hpmkd.config.conditions import clean_of, images_of, sees_clean_teacher
from hpmkd.config.specs import DataSpec, ModelSpec, no_training, reusing
from hpmkd.config.sweep import SweepConfig
from hpmkd.plan.architecture import network_name, parameter_count, sized
from hpmkd.plan.assistants import assistant_sizes
from hpmkd.plan.baseline import Baseline
from hpmkd.plan.composition import kd_hparams
from hpmkd.plan.job import Job, seed_of, teacher_seed
from hpmkd.plan.logits_cache import cache_fit, caches_logits
from hpmkd.plan.own import need_taps
from hpmkd.plan.recipes import fit_of, mixup_of
from hpmkd.plan.roles import Role
from hpmkd.plan.searching import search_hparams
from hpmkd.plan.tuning import tuning_hparams
from hpmkd.plan.work import training_cost, work


@dataclass(frozen=True)
class Planner:
    """The jobs of one data set under one condition, and of one pair of networks (`pair`: its name, if it has one).

    `made` is shared by all: what two of them make alike is one object. `epochs` are the sweep's own of a student, by
    which all goes that baselines share (assistants, searches, whether there is a logits cache), whatever a word in a
    baseline's name says. `run`: whose teachers, and what is made of them, these are; None: those of all runs. `known`:
    what this one has made, by all that it depends on.
    """

    config: SweepConfig
    data: DataSpec
    large: ModelSpec
    small: ModelSpec
    pair: str | None
    made: dict[tuple[str, str], Job]
    epochs: int
    run: int | None = None
    known: dict[Hashable, Any] = field(default_factory=dict)

    def of_run(self, run: int) -> Planner:
        """For students of that run, where each has teachers of its own; else it is the planner of all runs."""
        own = self.config.teacher.per_run
        return replace(self, run=run, known=self.known.setdefault(("run", run), {})) if own else self

    def of(self, baseline: Baseline) -> Planner:
        """For a baseline with settings of its own."""
        return replace(self, config=baseline.config or self.config)

    @property
    def elders(self) -> Planner:
        """Of teachers and assistants: where they are spared what students train on, the planner without it."""
        if not sees_clean_teacher(self.data.condition):
            return self
        return replace(self, data=self.data.clean, known=self.known.setdefault("elders", {}))

    @property
    def pictures(self) -> DataSpec:
        """Of which images there are logits for students; labels, true or wrong, do not matter to them."""
        condition = self.data.condition
        if not sees_clean_teacher(condition):
            return self.data
        seen = images_of(condition)
        return self.data.clean if seen == clean_of(condition) else self.data.under(seen)

    def once(self, job: Job) -> Job:
        """The same job as one object that all share, so that it is fingerprinted once."""
        return self.made.setdefault((job.key, job.fingerprint), job)

    def seed(self, number: int = 1) -> int:
        """Of that teacher; assistants and searches have the first one's."""
        return teacher_seed(self.config.seed, self.data.name, number, self.run)

    def teacher(self, number: int = 1, owner: str | None = None) -> Job:
        """Teacher 1 is `teacher_D`; a further one differs by its seed alone, and may belong to one baseline."""
        key = ("teacher", number, owner)
        if key not in self.known:
            self.known[key] = self._teacher(number, owner)
        found: Job = self.known[key]
        return found

    def _teacher(self, number: int, owner: str | None) -> Job:
        own = self.config.teacher_fit.model_dump(exclude_none=True)
        fit = replace(fit_of(self.config, self.large.arch, self.config.fit.teacher_epochs), views=None, **own)
        first = number == 1
        given = first and self.large.weights is not None
        if given:
            fit = no_training(0, fit.precision, fit.threads, kernels=fit.kernels)
        return self.once(
            Job(
                Role.TEACHER, self.data, model=self.large if given else self.large.untrained, fit=fit, method="Direct",
                hparams=(), seed=0 if given else self.seed(number), run=self.run,
                baseline=None if first else owner, number=None if first else number,
                network=network_name(self.large) if self.pair else None,
            )
        )  # fmt: skip

    def logits_of(self, network: Job) -> Job:
        """What a student learns from where logits are enough: the logits cache of a network, or the network itself.

        The decision is a function of the recipe, never of how many students there are: more runs change nothing.
        """
        key = ("logits", network.key, network.fingerprint, self.config.kd)
        if key not in self.known:
            cached = caches_logits(self.config, self.data, mixup_of(self.config), self.epochs)
            self.known[key] = self._cache_of(network) if cached else network
        found: Job = self.known[key]
        return found

    def _cache_of(self, network: Job) -> Job:
        return self.once(
            Job(
                Role.LOGITS, self.pictures, model=network.model,
                fit=cache_fit(self.config, self.data, network.model.arch), method="Direct", hparams=(), seed=0,
                baseline=network.baseline, parents=(network,), number=network.number, pair=network.pair,
                run=network.run,
            )
        )  # fmt: skip

    def chain(self, baseline: Baseline) -> list[Job]:
        """The assistants from the largest to the smallest, each distilled (TraditionalKD) from the one before."""
        sizes = assistant_sizes(baseline, parameter_count(self.large), parameter_count(self.small))
        key = (
            "chain",
            baseline.family or baseline.label,
            baseline.numbered,
            tuple(sizes),
            self.config.kd,
            self.config.ls,
        )
        if key not in self.known:
            self.known[key] = self._chain(baseline, sizes)
        return list(self.known[key])

    def _chain(self, baseline: Baseline, sizes: Sequence[float]) -> list[Job]:
        epochs = self.config.fit.assistant_epochs or self.epochs
        jobs: list[Job] = []
        for place, size in enumerate(sizes, start=1):
            again = baseline.born_again
            model = self.small if again else sized(self.large, self.small, size)
            labels_alone = again and not jobs
            parents = () if labels_alone else (self.logits_of(jobs[-1] if jobs else self.teacher()),)
            loss = () if labels_alone else baseline.hparams if again else kd_hparams(self.config)
            job = Job(
                Role.ASSISTANT, self.data, model=model, fit=fit_of(self.config, model.arch, epochs),
                method="Direct" if labels_alone else "TraditionalKD", hparams=loss, seed=self.seed(),
                baseline=baseline.family or baseline.label, run=self.run, parents=parents,
                number=place if baseline.numbered else None, pair=self.pair,
            )  # fmt: skip
            jobs.append(self.once(job))
        return jobs

    def search(self, owner: str | None) -> Job:
        """The search of students' settings, with TraditionalKD from the teacher, once per data set and pair.

        `owner`: whose alone it is: a baseline's, or that of all whose names have these words.
        """
        fit = fit_of(self.config, self.small.arch, self.epochs)
        parents, hparams = (self.logits_of(self.elders.teacher()),), search_hparams(self.config)
        return self.once(
            Job(
                Role.SEARCH, self.data, model=self.small, fit=fit, method="TraditionalKD", hparams=hparams,
                seed=self.seed(), baseline=owner, parents=parents, pair=self.pair, run=self.run,
            )
        )  # fmt: skip

    def tuning(self, baseline: Baseline, parents: tuple[Job, ...]) -> Job:
        """The tuning of a baseline, with the parents of its students, for all of them."""
        epochs = self.config.fit.student_epochs
        fit = fit_of(self.config, self.small.arch, epochs, distilled=baseline.taught)
        job = Job(
            Role.SEARCH, self.data, model=self.network_of(baseline), fit=fit, method=baseline.method,
            hparams=baseline.hparams, seed=self.seed(), baseline=baseline.label, parents=parents, pair=self.pair,
            run=self.run, own=baseline.own,
        )  # fmt: skip
        return self.once(replace(job, hparams=tuning_hparams(baseline, work(replace(job, role=Role.STUDENT)))))

    def network_of(self, baseline: Baseline) -> ModelSpec:
        """Of its students."""
        if baseline.reuses is None:
            return self.small
        return reusing(self.small, self.elders.teacher().model, baseline.reuses)

    def students(self, baseline: Baseline) -> Iterator[Job]:
        """Of all runs. Where they share parents they share the objects, too: each is planned and fingerprinted once."""
        runs = range(1, self.config.runs + 1)
        if self.config.teacher.per_run:
            return (self.of_run(run).student(baseline) for run in runs)
        first = self.student(baseline)
        return (replace(first, run=run, seed=seed_of(self.config.seed, self.data.name, run)) for run in runs)

    def student(self, baseline: Baseline) -> Job:
        """That of the run, or the first one where these are the teachers of all."""
        owner = baseline.label if baseline.shared is False else None
        elders = self.elders
        teachers = [elders.teacher(number, owner) for number in range(1, baseline.teachers + 1)]
        chain = elders.chain(baseline)
        networks = [*teachers, *chain] if baseline.taught_by == "all" else (teachers[:1] + chain)[-1:]
        if baseline.taps:
            need_taps(baseline.label, baseline.taps, (self.small, *(job.model for job in networks)))
        parents = tuple(networks if baseline.taps else map(self.logits_of, networks))
        if baseline.search:
            parents = (*parents, self.search(owner or baseline.search_as))
        if baseline.tuned:
            parents = (*parents, self.tuning(baseline, parents))
        whole = self.budget(baseline) if baseline.budget_of is not None else self.config.fit.student_epochs
        fit = fit_of(self.config, self.small.arch, whole, distilled=baseline.taught)
        run = self.run or 1
        return Job(
            Role.STUDENT, self.data, model=self.network_of(baseline), fit=fit, method=baseline.method,
            hparams=baseline.hparams, seed=seed_of(self.config.seed, self.data.name, run), baseline=baseline.label,
            run=run, parents=parents,
            serial=baseline.serial, pair=self.pair, reference=elders.teacher().key, own=baseline.own,
        )  # fmt: skip

    def budget(self, baseline: Baseline) -> int:
        """Epochs that cost what one student of `baseline.budget_of` costs, its share of the rest included."""
        assert baseline.budget_of is not None
        rich, plain = self.student(baseline.budget_of), self.student(replace(baseline, budget_of=None))
        common = {job.key for job in plain.ancestors()}
        rest = {job.key: job for job in rich.ancestors() if job.key not in common}
        total = sum(map(training_cost, rest.values())) / baseline.budget_students + training_cost(rich)
        return max(1, round(total / (training_cost(plain) / plain.fit.epochs)))
