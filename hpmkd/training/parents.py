"""The parents of a job as it needs them: verified against the plan just before they are used, each file read once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from hpmkd.errors import HpmkdError
from hpmkd.models import build
from hpmkd.plan.job import Job
from hpmkd.plan.roles import Role
from hpmkd.store.inspection import open_job
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.sidecar import Header
from hpmkd.training.teachers import CachedTeacher, ShownTeacher, Teacher

Adapt = Callable[[Job, nn.Module], nn.Module]


@dataclass(frozen=True)
class Parents:
    """By key: the headers of the parents' files, and what the files hold."""

    job: Job
    output: OutputDir
    headers: Mapping[str, Header]
    contents: dict[str, Any]

    @property
    def weights(self) -> dict[str, str]:
        """Key -> identity of the weights, of everything that the job learns from (see `Job.sources`)."""
        return {one.key: self._identity(one) for one in self.job.sources}

    def _identity(self, source: Job) -> str:
        """Of a source's weights: its own header's, or what the file with its answers says that it was made of."""
        if source.key in self.headers:
            return str(self.headers[source.key].weights)
        caches = [parent.key for parent in self.job.parents if parent.role.is_rebuildable]
        made_of = [self.headers[key].metadata["parents"] for key in caches]
        return str(next(found[source.key] for found in made_of if source.key in found))

    @property
    def chosen(self) -> dict[str, Any]:
        """The settings that a search among the parents chose; empty where there is none."""
        searches = [parent.key for parent in self.job.parents if parent.role is Role.SEARCH]
        return dict(self.contents[searches[0]].chosen) if searches else {}

    def teachers(self, images: int, device: torch.device, adapt: Adapt) -> list[nn.Module | Teacher]:
        """Whom the job learns from, in the order of the plan: networks with their weights, or their logits caches.

        To be called once: the weights are handed over, not kept twice in memory for the whole training.

        Args:
            images: training images, of which a cache has logits.
            device: where cached logits are wanted.
            adapt: what is made of a parent's network before it is asked.
        """
        return [self._teacher(parent, images, device, adapt) for parent in self.job.teachers]

    def _teacher(self, parent: Job, images: int, device: torch.device, adapt: Adapt) -> nn.Module | Teacher:
        if not parent.role.is_network:
            kind = ShownTeacher if parent.is_shown else CachedTeacher
            return kind(self.output.model_file(parent), images, device)
        network = build(parent.model, seed=0)
        network.load_state_dict(self.contents.pop(parent.key))
        return adapt(parent, network)


def open_parents(job: Job, output: OutputDir) -> Parents:
    """Reads and verifies the parents of a job.

    Raises:
        HpmkdError: one of them is missing, damaged, or not the planned one.
    """
    headers: dict[str, Header] = {}
    contents: dict[str, Any] = {}
    for parent in job.parents:
        finding, contents[parent.key] = open_job(parent, output)
        if not finding.good or finding.header is None:
            raise HpmkdError(
                f"{output.model_file(parent)}: the {parent.role} cannot be used",
                expected="the planned one, finished and undamaged",
                found=f"{finding.state} {finding.reason}".strip(),
                todo="start the sweep again: it trains what is missing",
            )
        headers[parent.key] = finding.header
    return Parents(job, output, headers, contents)
