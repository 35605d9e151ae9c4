"""The resources of one trial, and the environment variables of Ray and its workers."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

import ray

from hpmkd.config.sweep import SweepConfig
from hpmkd.errors import EnvironmentProblem
from hpmkd.hardware import ALLOCATOR

_TUNE_ENV = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "5",
    # At the end Tune waits so long for a trial in the middle of an epoch, then ends its worker; its default is 600.
    "TUNE_FORCE_TRIAL_CLEANUP_S": "3",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
}


@dataclass(frozen=True)
class TrialResources:
    """What every trial gets, and how many run side by side."""

    cpus: float
    gpus: float
    device: str
    concurrent: int

    @property
    def description(self) -> str:
        """What a trial gets, for people: `1 core`, `0.2 GPU`."""
        return f"{self.gpus:.2g} GPU" if self.gpus else f"{self.cpus:g} core{'s' * (self.cpus != 1)}"

    def fewer(self, concurrent: int) -> TrialResources:
        """The same with fewer trials side by side: each gets more memory, and of a GPU a larger share."""
        if concurrent >= self.concurrent:
            return self
        # CPU cores stay: a trial uses its torch threads and no more; what fits no node would wait for ever.
        gpus = min(1.0, self.gpus * self.concurrent / concurrent) if 0 < self.gpus < 1 else self.gpus
        return replace(self, gpus=gpus, concurrent=concurrent)


def worker_env(deterministic: bool = False) -> dict[str, str]:
    """What workers read from the environment."""
    # cuBLAS is deterministic only with workspaces of a fixed size.
    return ALLOCATOR | ({"CUBLAS_WORKSPACE_CONFIG": ":4096:8"} if deterministic else {})


def prepare_environment(address: str | None = None, deterministic: bool = False) -> None:
    """Sets what Ray, Tune and (of a private Ray) the workers read from the environment, before Ray starts."""
    os.environ.update(_TUNE_ENV)
    if address is None:
        os.environ.update(worker_env(deterministic))


def wants_measuring(config: SweepConfig) -> bool:
    """Whether the share of a GPU is to be measured; needs a started Ray."""
    wanted = config.resources
    return wanted.gpus_per_trial == "auto" and wanted.device != "cpu" and ray.cluster_resources().get("GPU", 0.0) > 0


def trial_resources(config: SweepConfig, per_gpu: int | None = None) -> TrialResources:
    """The resolved share of a trial; needs a started Ray.

    Without a GPU: one core per torch thread. With GPUs: `per_gpu` trials on each, but no more than cores have work
    for; where that is not known, one per core, at most 8.

    Raises:
        EnvironmentProblem: the request can never be met (Tune would wait for ever).
    """
    have = ray.cluster_resources()
    cpus_have, gpus_have = have.get("CPU", 0.0), have.get("GPU", 0.0)
    wanted = config.resources
    given = 0.0 if wanted.gpus_per_trial in ("auto", None) else float(wanted.gpus_per_trial)
    none = wanted.gpus_per_trial == 0
    gpu = wanted.device == "cuda" or (wanted.device == "auto" and gpus_have > 0 and not none)
    cpus = wanted.cpus_per_trial or float(config.fit.threads)
    gpus = 0.0
    if gpu:
        by_cores = max(1, int(cpus_have / cpus / max(gpus_have, 1)))
        gpus = given or 1 / min(by_cores, per_gpu or 8)
    elif given:
        gpus = given
    if cpus > cpus_have or gpus > gpus_have:
        raise EnvironmentProblem(
            "resources: one trial asks for more than this machine or cluster has",
            expected=f"at most {cpus_have:g} CPU cores and {gpus_have:g} GPUs",
            found=f"{cpus:g} cores and {gpus:g} GPUs per trial",
            todo="lower --cpus-per-trial, --gpus-per-trial or fit.threads, or set resources.device: cpu",
        )
    fits = min(cpus_have // cpus, _fits_gpus(gpus_have, gpus)) if gpus else cpus_have // cpus
    most = max(1, int(fits))
    return TrialResources(cpus, gpus, "cuda" if gpu else "cpu", min(most, wanted.max_concurrent or most))


def _fits_gpus(have: float, each: float) -> float:
    """Trials that fit; a share is never spread over two GPUs. 1e-9: Ray counts 0.1 ten times in 1."""
    return have * ((1 + 1e-9) // each) if each < 1 else have // each
