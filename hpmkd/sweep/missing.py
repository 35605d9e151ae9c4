"""Trains what is missing, on a Ray that may die."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

from hpmkd.audit.sweep_dir import Sweep
from hpmkd.cluster.lifeline import RayLost
from hpmkd.cluster.ray_session import running_ray
from hpmkd.cluster.stop_signals import StopSignals
from hpmkd.errors import EnvironmentProblem
from hpmkd.log import log, progress
from hpmkd.store.inspection import Finding
from hpmkd.sweep.callbacks import Profiler, TrackerCallback
from hpmkd.sweep.driver import SweepState
from hpmkd.sweep.failures import Failure
from hpmkd.sweep.far_nodes import FarNodes
from hpmkd.timings import Timings

if TYPE_CHECKING:
    from hpmkd.mirror.session import Mirror

# How often in a row Ray may die without a finished model in between.
_LOSSES = 3


def train_missing(
    sweep: Sweep, findings: dict[str, Finding], stop: StopSignals, verbose: bool,
    watch: TrackerCallback | None = None, profiler: Profiler | None = None, fail_fast: bool = False,
    mirror: Mirror | None = None,
) -> dict[str, Failure]:  # fmt: skip
    """Trains every job whose file is not good; returns those that have none afterwards, each with why.

    Args:
        sweep, findings: what to train, and by key which files are there: changed to what is there afterwards.
        stop: has the signals.
        verbose: show Ray's own output too.
        watch, profiler: keep a live view up to date, and note where the time goes.
        fail_fast: stop at the first failure, and try nothing again.
        mirror: of the sweep, through which nodes work that do not see the output.

    Raises:
        EnvironmentProblem: Ray does not start here, or dies repeatedly; a requested logger is not available.
    """
    logging.getLogger("ray").setLevel(logging.INFO if verbose else logging.CRITICAL)
    watchers = [one for one in (watch, profiler) if one is not None]
    timings = profiler.timings if profiler else Timings()
    with FarNodes(sweep, mirror) as far:
        work, losses = SweepState(sweep, findings, stop, watchers, fail_fast=fail_fast, far=far), 0
        while work.missing() and stop.caught is None:
            before = len(work.missing())
            try:
                with _ray(sweep, far, stop, verbose=verbose, timings=timings), timings.part("rounds"):
                    work.run()
                break
            except RayLost as lost:
                if sweep.config.resources.address:
                    raise _cluster_is_gone(lost, sweep.config.resources.address) from lost
                work.refresh()
                losses = losses + 1 if len(work.missing()) == before else 1
                if losses == _LOSSES:
                    raise _keeps_dying(lost, losses) from lost
                progress.info(f"{lost}; restarting Ray, running models continue from their last checkpoint")
    for left in work.lines.unsent.values():
        log.warning(f"{left}; it is trained again, unless the next start gives that node the same model")
    return work.reasons()


def _ray(
    sweep: Sweep, far: FarNodes, stop: StopSignals, verbose: bool, timings: Timings
) -> contextlib.AbstractContextManager[None]:
    return running_ray(sweep.config, sweep.output, stop=stop, verbose=verbose, timings=timings, reach=far.reach)


def _cluster_is_gone(lost: RayLost, address: str) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"resources.address: {lost}",
        expected=f"the Ray cluster at {address} to be there until the sweep's end",
        todo="ray stop and ray start there; the same command continues, also on another machine of the cluster",
    )


def _keeps_dying(lost: RayLost, losses: int) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"Ray: {lost}, {losses} times in a row without a finished model",
        expected="a Ray that keeps running",
        todo="check the free memory (dmesg shows killed processes); the same command continues, and so does --restore",
    )
