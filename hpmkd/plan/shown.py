"""Answers that students of one run would all ask a teacher for: given once, looked up by each.

Run r of every baseline sees the same images in the same views, in the same order and batches. So what a teacher answers
in it is the same for each of them, to the bit, and a student whose loss needs logits alone can look it up: its recipe
and its weights are those of a student with the living teacher. Whether answers are shared is therefore no part of any
fingerprint, and may change as baselines are added.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from hpmkd.config.kernels import kernels_of
from hpmkd.config.specs import no_training
from hpmkd.config.sweep import SweepConfig
from hpmkd.plan.job import SHOWN, Job
from hpmkd.plan.roles import Role
from hpmkd.plan.work import epochs_shown, trainings

_SEARCH = "search"  # in the name of answers that searches share: their seed is not that of students
_BYTES = 4


def with_shown_answers(config: SweepConfig, jobs: Iterable[Job], maps: Iterable[str]) -> list[Job]:
    """The plan in which students and searches look a teacher's answers up, where two trainings or more would ask.

    Args:
        config: of the sweep.
        jobs: of the plan, each once.
        maps: baselines whose losses need more of a teacher than its logits.
    """
    jobs, needy = list(jobs), frozenset(maps)
    if config.kd.logits != "auto":
        return jobs
    askers: dict[str, list[tuple[Job, Job]]] = {}
    for job in jobs:
        if job.role in (Role.STUDENT, Role.SEARCH) and not job.fit.mixup and job.baseline not in needy:
            for network in job.parents:
                if network.role.is_network:
                    made = _answers(network, job, epochs_shown(job))
                    askers.setdefault(made.key, []).append((job, network))
    shared = {key: answers for key, pairs in askers.items() if (answers := _shared(config, pairs)) is not None}
    changed = {job.key: _looking_up(job, shared) for pairs in askers.values() for job, _ in pairs}
    found = {made.key: made for made in shared.values()}
    return [*found.values(), *(changed.get(job.key, job) for job in jobs)]


def _shared(config: SweepConfig, pairs: list[tuple[Job, Job]]) -> Job | None:
    """The answers for all of these, as long as the longest asks; None where one asks alone, or they are too large."""
    longest = max(epochs_shown(job) for job, _ in pairs)
    job, network = pairs[0]
    made = _answers(network, job, longest)
    alike = {replace(_answers(other, one, longest), pair=None) for one, other in pairs}
    room = _BYTES * longest * job.data.training_images * job.data.classes
    often = sum(trainings(one) for one, _ in pairs)
    return made if often > 1 and len(alike) == 1 and room <= config.kd.cache_gib * 2**30 else None


def _answers(network: Job, job: Job, epochs: int) -> Job:
    """What a network answers to the images that a job shows, for so many epochs."""
    kernels = kernels_of(job.fit.kernels, network.model.arch)  # a living teacher follows the student's recipe
    fit = no_training(epochs, job.fit.precision, job.fit.threads, job.fit.views, kernels=kernels)
    names = [name for name in (network.baseline, _SEARCH if job.role is Role.SEARCH else None) if name]
    return Job(
        Role.LOGITS, job.data, model=network.model, fit=replace(fit, batch_size=job.fit.batch_size), method="Direct",
        hparams=((SHOWN, True),), seed=job.seed, baseline="-".join(names) or None, parents=(network,),
        number=network.number, pair=network.pair, run=job.run,
    )  # fmt: skip


def _looking_up(job: Job, shared: Mapping[str, Job]) -> Job:
    parents = [shared.get(_answers(one, job, 1).key, one) if one.role.is_network else one for one in job.parents]
    return replace(job, parents=tuple(parents))
