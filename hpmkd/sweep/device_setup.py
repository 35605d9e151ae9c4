"""How a worker sets its device up for a job: by the job's recipe and the sweep's resources."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

from hpmkd.config.machine import ResourcesConfig
from hpmkd.plan.job import Job
from hpmkd.plan.work import work

if TYPE_CHECKING:
    import torch

# Multiply-adds of a training from which cuDNN's trials pay: they take 0.3 to 2 s in each thread, that is in each trial.
# A LeNet5 student of the published length has 3e12, a few seconds; a ResNet20 2e14.
_WORTH_BENCHMARKING = 2e13


def set_up(device: torch.device, job: Job, resources: ResourcesConfig, share: float = 0.0) -> None:
    """Sets the device up for the training of a job; see `training.device.prepare_device`.

    Args:
        device: where it is trained.
        job: says whether TF32 may be used.
        resources: of the sweep.
        share: of a GPU that this process gets; 0: no cap.
    """
    from hpmkd.training.device import prepare_device

    if device.type == "cuda":
        gc.collect()  # what earlier trainings of this process have left of the GPU's memory in cycles
    wanted = resources.cudnn_benchmark
    benchmark = benchmark_pays(job) if wanted == "auto" else wanted
    prepare_device(device, share, resources.deterministic, tf32=job.fit.tf32, benchmark=benchmark)


def benchmark_pays(job: Job) -> bool:
    """Whether a training is long enough for cuDNN to try its kernels first."""
    return work(job) >= _WORTH_BENCHMARKING
