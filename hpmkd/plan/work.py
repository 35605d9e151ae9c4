"""How much arithmetic a job is, in multiply-adds. Counted, not measured."""

from __future__ import annotations

import math

from hpmkd.plan.architecture import forward_cost
from hpmkd.plan.halving import candidate_epochs, last_epoch, rungs
from hpmkd.plan.job import TRIALS, Job
from hpmkd.plan.roles import Role
from hpmkd.plan.searched import searched
from hpmkd.plan.trials import tuning_epochs

# A training spends at most this part of its time on validation images.
_VALIDATION_PART = 0.1


def training_cost(job: Job) -> float:
    """Multiply-adds per training image of a whole job. Of a logits cache, an epoch is a view."""
    return float(epochs_of(job)) * image_cost(job)


def epochs_of(job: Job) -> int:
    """Epochs of a job; of a search those of all its candidates together."""
    if job.role is not Role.SEARCH:
        return job.fit.epochs
    if job.is_tuning:
        return tuning_epochs(job)
    how = dict(job.hparams)
    last = last_epoch(how["adaptive.part"], job.fit.epochs)
    return candidate_epochs(rungs(len(searched(job)), how["adaptive.reduction_factor"], last))


def trainings(job: Job) -> int:
    """How many trainings a job is: one, or those of all candidates of a search."""
    if job.role is not Role.SEARCH:
        return 1
    return int(dict(job.hparams)[TRIALS]) if job.is_tuning else len(searched(job))


def epochs_shown(job: Job) -> int:
    """For how many epochs the longest training of a job goes on."""
    if job.role is not Role.SEARCH or job.is_tuning:
        return job.fit.epochs
    return last_epoch(dict(job.hparams)["adaptive.part"], job.fit.epochs)


def validation_period(train_images: int, validation_images: int) -> int:
    """How many epochs lie between two validations, so that they cost at most a tenth of the training.

    A forward pass is a third of a training step. 1 for a whole data set; more where a sweep trains on few images.
    """
    return max(1, math.ceil(validation_images / (3 * train_images) / _VALIDATION_PART))


# Method -> networks that are trained beside the student.
_PEERS = {"DML": 1}


def networks_trained(job: Job) -> int:
    """How many networks of its architecture a job trains together."""
    return 1 + _PEERS.get(job.method, 0)


def image_cost(job: Job) -> int:
    """Multiply-adds per training image of an epoch: forward and backward (3 forwards), and a forward per network that
    is asked. A logits cache costs a forward of its network, and nothing when it is used."""
    if job.role is Role.LOGITS:
        return forward_cost(job.model)
    asked = sum(forward_cost(parent.model) for parent in job.parents if parent.role.is_network)
    return 3 * networks_trained(job) * forward_cost(job.model) + asked


def work(job: Job) -> float:
    """Multiply-adds of a whole job; where the number of images is not known, of one image."""
    return training_cost(job) * max(1, job.data.train_images or job.data.images)


def training_multiply_adds(job: Job) -> float | None:
    """Multiply-adds of a whole job on all its training images; None where their number is not known."""
    return training_cost(job) * job.data.training_images or None
