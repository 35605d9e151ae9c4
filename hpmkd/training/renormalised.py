"""Teachers whose images were normalised otherwise than their students' are."""

from __future__ import annotations

import functools

import torch
from torch import Tensor, nn

from hpmkd.config.specs import DataSpec
from hpmkd.config.sweep import DataConfig
from hpmkd.data.cache import as_json, load
from hpmkd.data.images import Splits
from hpmkd.models import ModelOutput
from hpmkd.plan.job import Job
from hpmkd.training.moments import Moments
from hpmkd.training.moments import given as moments_given
from hpmkd.training.parents import Adapt


class Renormalised(nn.Module):
    """A network that is given images as its student sees them, and sees them as in its own training.

    Args:
        network: that was trained with `own`.
        own, given: mean and standard deviation `(C,)` by which images were normalised for the network, and are for the
            student.
    """

    def __init__(self, network: nn.Module, own: Moments, given: Moments) -> None:
        super().__init__()
        self.network = network
        self.scale: Tensor
        self.shift: Tensor
        self.register_buffer("scale", (given[1] / own[1])[:, None, None])
        self.register_buffer("shift", ((given[0] - own[0]) / own[1])[:, None, None])

    @property
    def classifier(self) -> object:
        """The network's own."""
        return self.network.classifier

    def forward(self, images: Tensor, **taps: bool) -> ModelOutput:
        """Of images `(B, C, H, W)`, normalised for the student."""
        found: ModelOutput = self.network(images * self.scale + self.shift, **taps)
        return found


def adapter(job: Job, splits: Splits, data: DataConfig) -> Adapt:
    """Wraps networks that were trained on other images than the job is, where that moves mean or deviation.

    Args:
        job: whose teachers they are.
        splits: its images.
        data: where images lie.
    """
    return functools.partial(_adapt, job, (splits.mean, splits.std), data)


@functools.lru_cache(maxsize=8)
def _moments(spec: DataSpec, config_json: str) -> Moments:
    """Mean and standard deviation of what a network was trained on; its images are not kept beside the student's."""
    splits = load.__wrapped__(spec, config_json)
    return splits.mean, splits.std


def _adapt(job: Job, given: Moments, data: DataConfig, parent: Job, network: nn.Module) -> nn.Module:
    own = moments_given(parent.model)
    if own is None and parent.data == job.data:
        return network
    own = own or _moments(parent.data, as_json(data))
    same = all(torch.equal(one, other) for one, other in zip(own, given, strict=True))
    return network if same else Renormalised(network, own, given)
