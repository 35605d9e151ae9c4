"""A job and its parents -> the work to be done: one builder for each role."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from hpmkd.data.images import Splits
from hpmkd.plan.halving import last_epoch
from hpmkd.plan.job import Job
from hpmkd.plan.roles import Role
from hpmkd.plan.searched import searched
from hpmkd.training.given import GivenTeacher
from hpmkd.training.halving_search import HalvingSearch, Rules
from hpmkd.training.logits_cache import LogitsCacheBuilder
from hpmkd.training.make_training import make_training
from hpmkd.training.parents import Adapt, Parents
from hpmkd.training.shown_answers import ShownAnswersBuilder
from hpmkd.training.teachers import Teacher
from hpmkd.training.train import Training
from hpmkd.training.work import Work


@dataclass(frozen=True)
class Inputs:
    """What a builder is given: the job, its parents, its images, and where and how to compute.

    `adapt`: what is made of a parent's network before it is asked, see `renormalised`.
    """

    job: Job
    parents: Parents
    splits: Splits
    device: torch.device
    graph: bool
    adapt: Adapt

    @property
    def teachers(self) -> list[nn.Module | Teacher]:
        """See `Parents.teachers`."""
        return self.parents.teachers(len(self.splits.train), self.device, self.adapt)


def _training(inputs: Inputs) -> Training:
    return _trainings(inputs)(inputs.parents.chosen)


def _trainings(inputs: Inputs) -> Callable[[Mapping[str, Any]], Training]:
    """Makes fresh trainings of the job that differ by the given settings alone, taught by the same teachers."""
    teachers = inputs.teachers

    def make(values: Mapping[str, Any]) -> Training:
        return make_training(
            inputs.job, teachers, values, inputs.splits, device=inputs.device, graph=inputs.graph
        )  # fmt: skip

    return make


def _search(inputs: Inputs) -> HalvingSearch:
    how = dict(inputs.job.hparams)
    rules = Rules(
        how["adaptive.reduction_factor"],
        last_epoch(how["adaptive.part"], inputs.job.fit.epochs),
        metric=how.get("adaptive.metric", "accuracy"),
        one_standard_error=how.get("adaptive.one_standard_error", False),
    )
    return HalvingSearch(_trainings(inputs), searched(inputs.job), rules, device=inputs.device)


def _logits_cache(inputs: Inputs) -> Work:
    (network,) = inputs.teachers
    assert isinstance(network, nn.Module), "the plan makes logits caches of networks"
    if inputs.job.is_shown:
        return ShownAnswersBuilder(network, inputs.splits, inputs.job, device=inputs.device)
    return LogitsCacheBuilder(network, inputs.splits, inputs.job.data, inputs.job.fit, device=inputs.device)


def _teacher(inputs: Inputs) -> Work:
    if inputs.job.model.weights is not None:
        return GivenTeacher(inputs.job, inputs.splits, inputs.device)
    return _training(inputs)


BUILDERS: dict[Role, Callable[[Inputs], Work]] = {
    Role.TEACHER: _teacher,
    Role.ASSISTANT: _training,
    Role.STUDENT: _training,
    Role.SEARCH: _search,
    Role.LOGITS: _logits_cache,
}
