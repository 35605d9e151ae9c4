"""What is measured when nothing is trained any more: latencies of the sweep's networks, its speed-up."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from hpmkd.audit.timed_workers import need_workers, workers_of
from hpmkd.config.sweep import SweepConfig
from hpmkd.errors import EXIT_OK
from hpmkd.log import log, progress, show
from hpmkd.plan.job import Job
from hpmkd.store import inspection
from hpmkd.store.output_dir import OutputDir


def planned(config: SweepConfig, seconds: float) -> list[str]:
    """What comes after the training, for the dry run. `seconds`: how long the whole training takes with one worker;
    NaN: not known."""
    made = []
    if config.bench.latency:
        made.append(
            f"then latencies of one network per architecture ({', '.join(config.bench.runtimes)}; batch sizes "
            f"{', '.join(map(str, config.bench.batch_sizes))}): latency.json"
        )
    if config.bench.workers:
        workers, left_out = workers_of(config)
        runs = config.bench.repeats * len(workers)
        longest = sum(1 / count for count in workers) * config.bench.repeats
        hours = "" if seconds != seconds else f", about {longest * seconds / 60:.0f} min with perfect speed-up"
        words = ", ".join(map(str, workers))
        made.append(f"then the whole sweep {runs} times more, with {words} workers{hours}: speedup.json")
        made += [f"  not {text}" for text in left_out]
    return made


def check(config: SweepConfig) -> None:
    """What cannot be measured here is said before anything is trained.

    Raises:
        EnvironmentProblem: a speed-up is asked for, and none can be measured.
    """
    for text in need_workers(config) if config.bench.workers else ():
        log.warning(f"will not be measured: {text}")


def measure(
    config: SweepConfig, output: OutputDir, jobs: Sequence[Job], findings: Mapping[str, inspection.Finding], quiet: bool
) -> int:
    """What `bench` asks for and is not there yet; the exit code. Everything is trained, and no Ray runs."""
    if config.bench.latency:
        _latency(config, output, quiet)
    if config.bench.workers:
        _speedup(config, output, jobs, findings, quiet=quiet)
    if config.bench.latency or config.bench.workers:
        progress.info(f"a page with figures: hpmkd report {shlex.quote(str(output.root))}")
    return EXIT_OK


def _latency(config: SweepConfig, output: OutputDir, quiet: bool) -> None:
    from hpmkd.bench.latency_tables import remarks, tables
    from hpmkd.bench.measure import Wishes, devices, latency_settings, measure
    from hpmkd.bench.networks import of_sweep

    progress.info(f"measuring latencies: {output.latency_file}")
    on = ("cpu",) if config.resources.device == "cpu" else devices()
    found = measure(
        of_sweep(output), latency_settings(config.bench, on), output.latency_file, Wishes(again=False, tell=_tell)
    )
    if not quiet:
        show(tables(found))
    for line in remarks(found):
        (log.warning if "not to be trusted" in line else progress.info)(line)


def _tell(text: str) -> None:
    """Each block, not each round of it."""
    if ": round" not in text:
        progress.info(text)


def _speedup(
    config: SweepConfig, output: OutputDir, jobs: Sequence[Job], findings: Mapping[str, inspection.Finding], quiet: bool
) -> None:
    from hpmkd.bench.speedup_table import table
    from hpmkd.sweep import speedup

    workers, left_out = workers_of(config)
    for text in left_out:
        progress.info(f"not measured: {text}")
    words = ", ".join(map(str, workers))
    progress.info(f"timing the sweep with {words} workers, {config.bench.repeats} times each, in {output.timed_runs}")
    networks = {job.key for job in jobs if job.role.is_network}
    weights = {key: str(one.header.weights) for key, one in sorted(findings.items()) if one.header and key in networks}
    found = speedup.measure(config, output, jobs, weights)
    if not quiet:
        show([table(found)])
