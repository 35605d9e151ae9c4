"""Runs Ray during a sweep: starts it in bounded time, watches it, and ends all its processes."""

from __future__ import annotations

import contextlib
import logging
import signal
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import psutil
import ray

from hpmkd.cluster.join import join, no_cluster
from hpmkd.cluster.lifeline import TooSlow, joined, limit, private, watched
from hpmkd.cluster.mps import MpsDaemon, refuse_mps
from hpmkd.cluster.need_nodes import Reach
from hpmkd.cluster.newcomers import watched_nodes
from hpmkd.cluster.ray_output import without_ray_reports
from hpmkd.cluster.ray_processes import VITAL, RayProcesses
from hpmkd.cluster.resources import given_variables, prepare_environment, worker_env
from hpmkd.cluster.stop_signals import StopSignals
from hpmkd.cluster.surroundings import SHARED_MEMORY, advice, place_for_ray
from hpmkd.cluster.worker_paths import cluster_paths, local_paths
from hpmkd.config.sweep import SweepConfig
from hpmkd.errors import EnvironmentProblem
from hpmkd.hardware import cores
from hpmkd.store.output_dir import OutputDir
from hpmkd.timings import Timings

START_SECONDS = 120.0
JOIN_SECONDS = 45.0
END_SECONDS = 20.0
_OBJECT_STORE_BYTES = 100 * 2**20


@contextmanager
def running_ray(
    config: SweepConfig, output: OutputDir, stop: StopSignals, verbose: bool, timings: Timings | None = None,
    reach: Reach | None = None,
) -> Iterator[None]:  # fmt: skip
    """A private local Ray, or the cluster at `resources.address`; one that runs in this process already is kept.

    Ray's own output is shown only if `verbose`. How long its start and its end take is noted in `timings`. `reach`: see
    `need_nodes`.

    Raises:
        EnvironmentProblem: there is no cluster at the address, or the private Ray does not start.
        RayLost: in the middle of the body, where the private Ray died, or the cluster is gone.
    """
    timings = timings or Timings()
    deterministic = config.resources.deterministic
    prepare_environment(config.resources.address, deterministic)
    if ray.is_initialized():
        refuse_mps(config, "a Ray that runs in this process already")
        yield
        return
    level = logging.INFO if verbose else logging.CRITICAL  # Tune logs each failure with its traceback
    common: dict[str, Any] = {"log_to_driver": verbose, "logging_level": level, "configure_logging": True}
    if config.resources.address:
        refuse_mps(config, f"the Ray cluster at {config.resources.address}")
        _join(config.resources.address, stop, deterministic, common)
        with _joined(output, stop, verbose, reach):
            yield
        return
    ours = RayProcesses(output.ray_file)
    mps = MpsDaemon(config, output, ours)
    stop.force_stop = mps.force_stop
    with place_for_ray(output.scratch_prefix) as place, local_paths(output.scratch_prefix) as paths:
        try:
            with timings.part("ray_start"):
                _start(ours, mps, stop, {**common, **place, **paths, "include_dashboard": config.resources.dashboard})
            with without_ray_reports(verbose), watched(private(ours), stop):
                yield
        finally:
            with timings.part("ray_end"):
                _end(ours, mps, stop)


@contextmanager
def _joined(output: OutputDir, stop: StopSignals, verbose: bool, reach: Reach | None) -> Iterator[None]:
    try:
        with without_ray_reports(verbose), watched(joined(), stop), watched_nodes(output, reach):
            yield
    finally:
        # Of a cluster that is gone, Ray may wait for an answer.
        with contextlib.suppress(TooSlow), limit(END_SECONDS, stop, TooSlow):
            ray.shutdown()


def _join(address: str, stop: StopSignals, deterministic: bool, settings: dict[str, Any]) -> None:
    there = {"runtime_env": {"env_vars": worker_env(deterministic)}, "job_config": cluster_paths()}
    try:
        with limit(JOIN_SECONDS, stop, TooSlow):
            join(address, {**settings, **there})
    except TooSlow as error:
        ray.shutdown()
        todo = "ask it with ray status on this machine; or use this machine alone: --address null"
        raise no_cluster(address, f"it answers, but lets nobody in within {JOIN_SECONDS:g} seconds", todo) from error
    finally:
        stop.arm()


def _start(ours: RayProcesses, mps: MpsDaemon, stop: StopSignals, settings: dict[str, Any]) -> None:
    """Starts the private Ray; once more where the first attempt failed, as it can on a busy machine."""
    given = given_variables()
    for last in (False, True):
        try:
            with ours.marking(), _hangup_kept_from_ray(), limit(START_SECONDS, stop, TooSlow), mps.serving():
                _init(stop, settings)
            return
        except (TooSlow, Exception) as error:
            if isinstance(error, EnvironmentProblem):
                raise
            _end(ours, mps, stop)
            stop.arm()
            if last:
                raise _no_start(error, given) from error


def _init(stop: StopSignals, settings: dict[str, Any]) -> None:
    try:
        # Never somebody else's Ray: RAY_ADDRESS in the environment would lead there.
        ray.init(address="local", num_cpus=cores(), object_store_memory=_OBJECT_STORE_BYTES, **settings)
    except SystemExit:
        # Ray's handler of SIGTERM, which it sets in the middle of its start: what would ours have done?
        stop.arm()
        stop.handle(signal.SIGTERM, None)
        raise
    stop.arm()


def _no_start(error: BaseException, given: Collection[str]) -> EnvironmentProblem:
    text = next(iter(str(error).splitlines()), "") or f"no answer within {START_SECONDS:g} seconds"
    with contextlib.suppress(OSError):
        free = psutil.disk_usage(str(SHARED_MEMORY)).free
        text += f" (free in {SHARED_MEMORY}: {free / 2**20:,.0f} MiB)"
    return EnvironmentProblem(
        "Ray: does not start on this machine",
        expected=f"a local Ray with {cores()} cores and {_OBJECT_STORE_BYTES / 2**20:g} MiB of shared memory",
        found=f"{type(error).__name__}: {text}",
        todo=advice(error, given),
    )


@contextmanager
def _hangup_kept_from_ray() -> Iterator[None]:
    """A closed terminal sends SIGHUP to the raylet too, which would die before the trials have saved.

    Processes inherit what is blocked; a SIGHUP that comes meanwhile waits for the end of the block.
    """
    if not hasattr(signal, "SIGHUP"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end(ours: RayProcesses, mps: MpsDaemon, stop: StopSignals) -> None:
    """Ends Ray in this process, then whatever is left of it; in that order where Ray lives, else the other way.

    MPS ends after its clients, Ray's workers.
    """
    try:
        if len(ours.vital()) < len(VITAL):
            ours.end()  # half of Ray is no use, and its end would wait for the other half
        with contextlib.suppress(TooSlow), limit(END_SECONDS, stop, TooSlow):
            ray.shutdown()
            mps.quit()
    finally:
        ours.end()
        mps.remove()
