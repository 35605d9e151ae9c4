"""Runs Ray during a sweep: starts it in bounded time, watches it, and ends all its processes."""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import psutil
import ray

from hpmkd.cluster.join import join, no_cluster
from hpmkd.cluster.mps import MpsDaemon, refuse_mps
from hpmkd.cluster.newcomers import watched_nodes
from hpmkd.cluster.ray_output import logs_folder, without_ray_reports
from hpmkd.cluster.ray_processes import VITAL, RayProcesses, lives
from hpmkd.cluster.resources import given_variables, prepare_environment, worker_env
from hpmkd.cluster.stop_signals import Interrupted, StopSignals, hard_exit
from hpmkd.cluster.surroundings import SHARED_MEMORY, advice, place_for_ray
from hpmkd.cluster.worker_paths import cluster_paths, local_paths
from hpmkd.config.sweep import SweepConfig
from hpmkd.errors import EXIT_ENVIRONMENT, EnvironmentProblem
from hpmkd.hardware import cores
from hpmkd.store.output_dir import OutputDir
from hpmkd.timings import Timings

START_SECONDS = 120.0
JOIN_SECONDS = 45.0
END_SECONDS = 20.0
_LOOK_SECONDS = 0.5
_OBJECT_STORE_BYTES = 100 * 2**20


class TooSlow(Interrupted):
    """Ray's start, or its end, has taken too long."""


class RayLost(Interrupted):
    """The raylet or the GCS died under a running sweep."""


@contextmanager
def running_ray(
    config: SweepConfig, output: OutputDir, stop: StopSignals, verbose: bool, timings: Timings | None = None
) -> Iterator[None]:
    """A private local Ray, or the cluster at `resources.address`; one that runs in this process already is kept.

    Ray's own output is shown only if `verbose`. How long its start and its end take is noted in `timings`.

    Raises:
        EnvironmentProblem: there is no cluster at the address, or the private Ray does not start.
        RayLost: in the middle of the body, where the private Ray died.
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
        with _joined(output, verbose):
            yield
        return
    ours = RayProcesses(output.ray_file)
    mps = MpsDaemon(config, output, ours)
    stop.force_stop = mps.force_stop
    with place_for_ray(output.scratch_prefix) as place, local_paths(output.scratch_prefix) as paths:
        try:
            with timings.part("ray_start"):
                _start(ours, mps, stop, {**common, **place, **paths, "include_dashboard": config.resources.dashboard})
            with without_ray_reports(verbose), _watched(ours, stop):
                yield
        finally:
            with timings.part("ray_end"):
                _end(ours, mps, stop)


@contextmanager
def _joined(output: OutputDir, verbose: bool) -> Iterator[None]:
    try:
        with without_ray_reports(verbose), watched_nodes(output):
            yield
    finally:
        ray.shutdown()


def _join(address: str, stop: StopSignals, deterministic: bool, settings: dict[str, Any]) -> None:
    there = {"runtime_env": {"env_vars": worker_env(deterministic)}, "job_config": cluster_paths()}
    try:
        with _limit(JOIN_SECONDS, stop, TooSlow):
            join(address, {**settings, **there})
    except TooSlow as error:
        ray.shutdown()
        todo = "ask it with ray status on this machine; leave the address out to use this machine alone"
        raise no_cluster(address, f"it answers, but lets nobody in within {JOIN_SECONDS:g} seconds", todo) from error
    finally:
        stop.arm()


def _start(ours: RayProcesses, mps: MpsDaemon, stop: StopSignals, settings: dict[str, Any]) -> None:
    """Starts the private Ray; once more where the first attempt failed, as it can on a busy machine."""
    given = given_variables()
    for last in (False, True):
        try:
            with ours.marking(), _hangup_kept_from_ray(), _limit(START_SECONDS, stop, TooSlow), mps.serving():
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


def _leave(stop: StopSignals, message: str) -> None:
    """Ends the process, whose main thread is stuck in Ray.

    Where the sweep is being stopped, that is why: a scheduler, or `timeout`, sends its signal to all processes of a
    job, to Ray's too.
    """
    if stop.caught is None:
        hard_exit(EXIT_ENVIRONMENT, message)
    else:
        hard_exit(128 + stop.caught, stop.exit_message(stop.caught))


@contextmanager
def _limit(seconds: float, stop: StopSignals, fault: type[Interrupted]) -> Iterator[None]:
    """Raises `fault` in the body after `seconds`; if the body is stuck in foreign code, the process exits."""

    def stuck() -> None:
        stop.force_stop()
        _leave(stop, f"error: Ray did not answer within {seconds:g} seconds; the same command continues")

    def run_out() -> None:
        if not over.wait(seconds):
            stop.interrupt(fault(), stuck)

    over = threading.Event()
    watch = threading.Thread(target=run_out, daemon=True)
    watch.start()
    try:
        with stop.faults():
            yield
    finally:
        over.set()
        watch.join()  # a fault on its way is raised here, not later


@contextmanager
def _watched(ours: RayProcesses, stop: StopSignals) -> Iterator[None]:
    """Raises RayLost in the body as soon as the raylet or the GCS is gone.

    Ray itself ends the whole process then, the driver, without a word: 15 s after a raylet's death, 60 s after a GCS's.
    """

    def stuck() -> None:
        stop.force_stop()
        _leave(stop, "error: Ray died and ended the sweep; the same command continues")

    def watch() -> None:
        while not over.wait(_LOOK_SECONDS):
            for process, name in vital.items():
                if not lives(process):
                    stop.interrupt(RayLost(f"Ray's {name} (process {process.pid}) died{where}"), stuck)
                    return

    vital, logs = ours.vital(), logs_folder()
    where = f" (its logs: {logs})" if logs is not None else ""
    over = threading.Event()
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        with stop.faults():
            yield
    finally:
        over.set()
        watcher.join()


def _end(ours: RayProcesses, mps: MpsDaemon, stop: StopSignals) -> None:
    """Ends Ray in this process, then whatever is left of it; in that order where Ray lives, else the other way.

    MPS ends after its clients, Ray's workers.
    """
    try:
        if len(ours.vital()) < len(VITAL):
            ours.end()  # half of Ray is no use, and its end would wait for the other half
        with contextlib.suppress(TooSlow), _limit(END_SECONDS, stop, TooSlow):
            ray.shutdown()
            mps.quit()
    finally:
        ours.end()
        mps.remove()
