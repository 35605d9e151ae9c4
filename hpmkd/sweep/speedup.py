"""How much faster a sweep is with more workers: the same sweep again and again, in turns, each run timed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from hpmkd.audit.timed_workers import gpus_of, workers_of
from hpmkd.bench import quiet
from hpmkd.config.sweep import SweepConfig
from hpmkd.data.cache import prepare
from hpmkd.errors import HpmkdError
from hpmkd.hardware import machine
from hpmkd.log import log, progress
from hpmkd.plan.job import Job
from hpmkd.store import speedup_file
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.speedup_file import Speedups, TimedRun
from hpmkd.sweep.timed_run import config_of, timed_run

# Config of the run, folder, workers, repeat.
Train = Callable[[SweepConfig, Path, int, int], tuple[TimedRun, dict[str, str]]]


def measure(
    config: SweepConfig, output: OutputDir, jobs: Sequence[Job], weights: Mapping[str, str], train: Train = timed_run
) -> Speedups:
    """Does what `speedup.json` does not have yet of `bench.workers` and `bench.repeats`.

    Args:
        config, output, jobs: of the sweep, whose models are there.
        weights: theirs, by key: every run has to give the same.
        train: does one run.

    Raises:
        HpmkdError: a run failed, or has given other weights.
    """
    found = _started(config, output, jobs, weights)
    if not found.open:
        return found
    folder, gpus = output.timed_runs, gpus_of(config)
    for spec in dict.fromkeys(job.data for job in jobs):  # decoding is timed in no run
        prepare(spec, config_of(config, folder, 1, gpus).data)
    looked = quiet.now()
    for text in looked.warnings:
        log.warning(f"not a quiet machine: {text}")
    found = replace(found, quiet={**found.quiet, "before": list(looked.warnings)})
    for workers, repeat in found.open:
        before = quiet.read()
        run, made = train(config_of(config, folder, workers, gpus), folder, workers, repeat)
        _need_equal(made, found.weights, workers)
        seen = _stolen(before)
        found = replace(
            found, runs=(*found.runs, run), quiet={**found.quiet, f"repeat {repeat}, workers {workers}": seen}
        )
        speedup_file.write(found, output.speedup_file)
        progress.info(f"repeat {repeat} of {found.repeats}, {workers} side by side: {run.seconds:.1f} s")
    return found


def _started(config: SweepConfig, output: OutputDir, jobs: Sequence[Job], weights: Mapping[str, str]) -> Speedups:
    """What is there already of the same models on the same machine, with what is asked for now."""
    possible, left_out = workers_of(config)
    fresh = Speedups(
        plan_hash(jobs), {"hardware": machine()}, config.fit.threads, workers=possible, repeats=config.bench.repeats,
        models=len(weights), weights=dict(weights), left_out=left_out,
    )  # fmt: skip
    before = speedup_file.read(output.speedup_file)
    if before is None:
        return fresh
    then, now = ((one.plan, one.machine, one.threads, one.weights) for one in (before, fresh))
    if then != now:
        progress.info(f"{output.speedup_file.name} is of other models or another machine: measured anew")
        return fresh
    return replace(fresh, runs=before.runs, quiet=before.quiet)


def plan_hash(jobs: Sequence[Job]) -> str:
    """What the runs of two measurements must have alike."""
    return hashlib.sha256("\n".join(sorted(f"{job.key} {job.fingerprint}" for job in jobs)).encode()).hexdigest()


def _need_equal(made: Mapping[str, str], expected: Mapping[str, str], workers: int) -> None:
    other = sorted(key for key in {*made, *expected} if made.get(key) != expected.get(key))
    if other:
        raise HpmkdError(
            f"speed-up: with {workers} workers other weights came out, so that it is not the same work",
            expected="the weights of the sweep",
            found=f"{len(other)} of {len(expected)} models differ: {', '.join(other[:3])}",
            todo="on a GPU use --resources.deterministic true; on a CPU please report it",
        )


def _stolen(before: quiet.Reading) -> list[str]:
    """Only what cannot be our own workers' doing: they are not among our processes."""
    after = quiet.read()
    unknown = replace(before, busy=None), replace(after, busy=None)
    return list(quiet.compare(*unknown).warnings)
