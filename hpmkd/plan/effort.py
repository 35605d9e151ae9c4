"""How long a job takes a CPU core, told in multiply-adds of a large matrix product that takes as long there.

Its own multiply-adds say little of a small network: most of a LeNet5's step are calls of kernels, once for each layer,
and the reading and writing of activations. `tests/benchmarks/effort.py` measures trainings of networks of
every family, on images of MNIST's and CIFAR-10's size, in batches of 16 to 256. The numbers below fit one such
measurement, of which they say 0.70 to 1.28 times what it took, and 1.8 times of a MobileNetV2 (one core of an AMD EPYC
with AVX-512, torch 2.14, the product by numpy). They are told in multiply-adds, not in seconds, because a slower core
is slower in all of them. On a GPU they were not measured.
"""

from __future__ import annotations

import functools
import math

from hpmkd.config.kernels import COMPILED
from hpmkd.config.specs import ModelSpec
from hpmkd.config.sweep import SweepConfig
from hpmkd.hardware import computes_bf16
from hpmkd.plan.architecture import activation_count, forward_cost, layer_count
from hpmkd.plan.catalog import BASELINES
from hpmkd.plan.entries import BEFORE, MAPS
from hpmkd.plan.job import Job
from hpmkd.plan.roles import Role
from hpmkd.plan.work import epochs_of, networks_trained, validation_period

# Of a training step, forward and backward: for each layer, for each activation of each image, and for each multiply-add
# of the three passes; that is below 1 because torch is faster than numpy.
LAYER, ACTIVATION, MULTIPLY_ADD = 47e6, 460.0, 0.78
# Of what torch takes in fp32: `tests/benchmarks/compiled.py` says 0.49 to 0.58, `speed.py --precision bf16` 0.64 to
# 0.75.
COMPILED_PART, BF16_PART = 0.53, 0.7
# Of HPM-KD's attention, before a student's first epoch: for each step, validation image and teacher (of ten classes).
ATTENTION = 60e3
# Of a job, besides its epochs and the look at the test images: to start it, to load its images and parents, to commit
# its files: 0.2 s on that core (`tests/benchmarks/sweep_cost.py`: 0.03 to 0.07 s for the smallest models on two cores).
AROUND = 1e10
# Of a sweep, besides its models, in seconds of the clock: to start a private Ray with its workers, and to end it. On
# two cores beside other work; an idle machine needs less. A Ray that runs already (`resources.address`) takes neither.
RAY_START, RAY_END = 10.0, 1.5
_EVALUATED = 512  # images of a batch without gradients
_TESTED = 0.2  # test images, in parts of the training images of a whole data set
_FORWARD = 1 / 3  # of a training step


def effort(job: Job) -> float:
    """Of a whole job, from its first epoch to its last, validation included; of one image where their number is not
    known."""
    images, part = max(1, job.data.training_images), fitting_part(job.fit.kernels, job.fit.precision, job.method)
    if job.role is Role.LOGITS:
        seen = job.fit.epochs * images + _validation_images(job)
        return part * _FORWARD * passes(job.model, seen, _EVALUATED)
    asked = sum(passes(one.model, images, job.fit.batch_size) for one in job.parents if one.role.is_network)
    alone = trained(job.model, epochs_of(job), job.fit.batch_size, images=images, kept=_validation_images(job))
    alone += (networks_trained(job) - 1) * trained(job.model, epochs_of(job), job.fit.batch_size, images=images, kept=0)
    return part * (alone + epochs_of(job) * (_FORWARD * asked + _tests(job))) + _attention(job)


def fitting_part(kernels: str, precision: str, method: str = "") -> float:
    """What a recipe's kernels and precision take, as a part of what torch takes in fp32.

    Args:
        kernels, precision: `fit.kernels` and `fit.precision` of the recipe.
        method: of a student; those that look at maps before pooling train by torch, whatever the recipe says.
    """
    if kernels == COMPILED:
        return 1.0 if method in _methods_with_maps() else COMPILED_PART
    return BF16_PART if precision == "bf16" and _has_bf16() else 1.0


_has_bf16 = functools.cache(computes_bf16)


@functools.cache
def _methods_with_maps() -> frozenset[str]:
    made = [entry.make(SweepConfig(datasets=["-"], baselines=[name])) for name, entry in BASELINES.items()]
    return frozenset(one.method for one in made if one.taps & {MAPS, BEFORE})


def _tests(job: Job) -> float:
    """Of a look at the test images after each epoch, where the protocol asks for it."""
    if not job.data.tests_each_epoch or not job.role.is_network:
        return 0.0
    return _FORWARD * passes(job.model, round(_TESTED * job.data.images), _EVALUATED)


def _attention(job: Job) -> float:
    """Of one that is trained on validation images, where there are several teachers."""
    steps, teachers = dict(job.hparams).get("hpmkd.gate_steps", 0), len(job.teachers)
    return ATTENTION * steps * _validation_images(job) * teachers if teachers > 1 else 0.0


def trained(model: ModelSpec, epochs: int, batch: int, images: int, kept: int) -> float:
    """Of a training without teachers on so many images, with `kept` images for validation (0: not known)."""
    looks = math.ceil(epochs / validation_period(images, kept)) if kept else 0
    return epochs * passes(model, images, batch) + looks * _FORWARD * passes(model, kept, _EVALUATED)


def effort_around(job: Job) -> float:
    """Besides its epochs: before the first, and after the last, where a network is shown the test images."""
    if not job.role.is_network:
        return AROUND
    looked = _FORWARD * passes(job.model, round(_TESTED * job.data.images), _EVALUATED)
    return AROUND + fitting_part(job.fit.kernels, job.fit.precision) * looked


def passes(model: ModelSpec, images: int, batch: int) -> float:
    """Of training steps on so many images, forward and backward."""
    each = ACTIVATION * activation_count(model) + MULTIPLY_ADD * 3 * forward_cost(model)
    return math.ceil(images / batch) * LAYER * layer_count(model) + images * each


def _validation_images(job: Job) -> int:
    return job.data.kept_of(job.data.images) if job.data.images else 0
