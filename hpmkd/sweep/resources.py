"""Ray's start, and what one trial gets of the machine."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psutil
import ray

from hpmkd.config import SweepConfig
from hpmkd.errors import EnvironmentFault

_WORKER_ENV = {
    # Freed tensors stay in the process instead of going back to the system at every step: 1.1 to 1.35 times faster.
    "MALLOC_MMAP_THRESHOLD_": "33554432",
    "MALLOC_TRIM_THRESHOLD_": "4294967296",
}
_TUNE_ENV = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "5",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
}
_OBJECT_STORE_BYTES = 100 * 2**20


@dataclass(frozen=True)
class Share:
    """What every trial gets, and how many run side by side."""

    cpus: float
    gpus: float
    device: str
    concurrent: int


def cores() -> int:
    """CPU cores that this process may use (a container's or a batch job's limit counts)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return psutil.cpu_count() or 1


def prepare_environment(address: str | None = None) -> None:
    """Sets what Ray, Tune and (of a private Ray) the workers read from the environment, before Ray starts."""
    os.environ.update(_TUNE_ENV)
    if address is None:
        os.environ.update(_WORKER_ENV)


@contextmanager
def running_ray(config: SweepConfig, verbose: bool) -> Iterator[None]:
    """A private local Ray, or the cluster at `resources.address`; one that runs in this process already is kept.

    Ray's own output is shown only if `verbose`.

    Raises:
        EnvironmentFault: there is no cluster at the address.
    """
    prepare_environment(config.resources.address)
    if ray.is_initialized():
        yield
        return
    level = logging.INFO if verbose else logging.ERROR
    common: dict[str, Any] = {"log_to_driver": verbose, "logging_level": level, "configure_logging": True}
    address = config.resources.address
    if address:
        try:
            _reach(address)
            ray.init(address=address, runtime_env={"env_vars": _WORKER_ENV}, **common)
        except (OSError, RuntimeError, ValueError) as error:
            raise EnvironmentFault(
                f"resources.address: no Ray cluster at {address}",
                expected="auto (on a node of the cluster) or HOST:PORT of its head",
                found=str(error),
                todo="start it with ray start --head, or leave the address out to work on this machine alone",
            ) from error
    else:
        ray.init(
            # Never somebody else's Ray: RAY_ADDRESS in the environment would lead there.
            address="local",
            num_cpus=cores(),
            include_dashboard=config.resources.dashboard,
            object_store_memory=_OBJECT_STORE_BYTES,
            **common,
        )
    try:
        yield
    finally:
        ray.shutdown()


def _reach(address: str) -> None:
    """Fails within seconds where nobody listens; Ray itself tries on for ten minutes and more."""
    if address == "auto":
        return
    host, colon, port = address.rpartition(":")
    if "://" in address or not colon or not port.isdigit():
        raise ValueError(f"{address!r} is not an address that a sweep can join")
    with socket.create_connection((host, int(port)), timeout=10):
        pass


def share(config: SweepConfig) -> Share:
    """The resolved share of a trial; needs a started Ray.

    Without a GPU: one core per torch thread. With GPUs: so many trials per GPU that every core has work, at most 8.

    Raises:
        EnvironmentFault: the request can never be met (Tune would wait without a word).
    """
    have = ray.cluster_resources()
    cpus_have, gpus_have = have.get("CPU", 0.0), have.get("GPU", 0.0)
    wanted = config.resources
    gpu = wanted.device == "cuda" or (wanted.device == "auto" and gpus_have > 0 and wanted.gpus_per_trial != 0)
    cpus = wanted.cpus_per_trial or float(config.fit.threads)
    gpus = 0.0
    if gpu:
        per_gpu = min(8, max(1, int(cpus_have / cpus / max(gpus_have, 1))))
        gpus = wanted.gpus_per_trial or 1 / per_gpu
    elif wanted.gpus_per_trial:
        gpus = wanted.gpus_per_trial
    if cpus > cpus_have or gpus > gpus_have:
        raise EnvironmentFault(
            "resources: one trial asks for more than there is",
            expected=f"at most {cpus_have:g} CPU cores and {gpus_have:g} GPUs",
            found=f"{cpus:g} cores and {gpus:g} GPUs per trial",
            todo="lower --cpus-per-trial, --gpus-per-trial or fit.threads, or set resources.device: cpu",
        )
    fits = min(cpus_have // cpus, _fits_gpus(gpus_have, gpus)) if gpus else cpus_have // cpus
    most = max(1, int(fits))
    return Share(cpus, gpus, "cuda" if gpu else "cpu", min(most, wanted.max_concurrent or most))


def _fits_gpus(have: float, each: float) -> float:
    """Trials that fit; a share is never spread over two GPUs. 1e-9: Ray counts 0.1 ten times in 1."""
    return have * ((1 + 1e-9) // each) if each < 1 else have // each
