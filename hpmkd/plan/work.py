"""How much arithmetic a job is, in multiply-adds. Counted, not measured."""

from __future__ import annotations

from hpmkd.plan.architecture import forward_cost
from hpmkd.plan.halving import candidate_epochs, last_epoch, rungs
from hpmkd.plan.job import Job
from hpmkd.plan.roles import Role


def training_cost(job: Job) -> float:
    """Multiply-adds per training image of a whole job. Of a logits cache, an epoch is a view."""
    epochs = float(job.fit.epochs)
    if job.role is Role.SEARCH:
        grid = dict(job.hparams)
        count = len(grid["adaptive.temperatures"]) * len(grid["adaptive.alphas"])
        last = last_epoch(grid["adaptive.part"], job.fit.epochs)
        epochs = candidate_epochs(rungs(count, grid["adaptive.reduction_factor"], last))
    return epochs * image_cost(job)


def image_cost(job: Job) -> int:
    """Multiply-adds per training image of an epoch: forward and backward (3 forwards), and a forward per network that
    is asked. A logits cache costs a forward of its network, and nothing when it is used."""
    if job.role is Role.LOGITS:
        return forward_cost(job.model)
    asked = sum(forward_cost(parent.model) for parent in job.parents if parent.role.is_network)
    return 3 * forward_cost(job.model) + asked


def work(job: Job) -> float:
    """Multiply-adds of a whole job; where the number of images is not known, of one image."""
    return training_cost(job) * max(1, job.data.train_images or job.data.images)


def training_multiply_adds(job: Job) -> float | None:
    """Multiply-adds of a whole job on all its training images; None where their number is not known."""
    return training_cost(job) * job.data.training_images or None
