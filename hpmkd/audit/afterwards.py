"""What a sweep does when nothing is trained any more, and how far that is, from its files alone.

Imports what is slow only for a sweep that has such a step, so that `status` starts at once for all others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from hpmkd.audit.timed_workers import workers_of
from hpmkd.config.conditions import NOISE, has_any
from hpmkd.config.sweep import SweepConfig
from hpmkd.errors import UsageError
from hpmkd.plan.job import Job
from hpmkd.store import latency_file, speedup_file
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.sidecar import Header


@dataclass(frozen=True)
class Step:
    """`done` of `of` things, which `what` names with words that follow a count; `problem`: why that is not known."""

    what: str
    done: int
    of: int
    problem: str = ""

    @property
    def is_open(self) -> bool:
        """Whether the next start has something to do here."""
        return self.done < self.of

    def __str__(self) -> str:
        return f"{self.done:,} of {self.of:,} {self.what}" + (f"; {self.problem}" if self.problem else "")


def steps(config: SweepConfig, output: OutputDir, jobs: Sequence[Job], found: Mapping[str, Header]) -> list[Step]:
    """Those that the config asks for, in the order in which they are done.

    Args:
        config, output, jobs: of the sweep.
        found: headers of its valid files, by key.
    """
    networks = [job for job in jobs if job.role.is_network]
    made = []
    noisy = [job for job in networks if has_any(job.data.condition, NOISE)]
    if config.record.predictions and noisy:
        made.append(_memorised(output, noisy, found))
    if config.record.representations:
        made.append(_represented(output, networks, found))
    if config.bench.latency:
        made.append(_latencies(output, found))
    if config.bench.workers:
        made.append(_timed(config, output, networks, found))
    return made


def _memorised(output: OutputDir, noisy: Sequence[Job], found: Mapping[str, Header]) -> Step:
    from hpmkd.audit.data_measures import unmemorised

    there = {job.key: found[job.key] for job in noisy if job.key in found}
    return Step("networks asked about wrong labels", len(there) - len(unmemorised(output, there)), len(noisy))


def _represented(output: OutputDir, networks: Sequence[Job], found: Mapping[str, Header]) -> Step:
    from hpmkd.audit.represented import unrepresented, wanted

    missing, _ = unrepresented(output, found)
    return Step("networks compared in what they make of images", len(wanted(found)) - len(missing), len(networks))


def _latencies(output: OutputDir, found: Mapping[str, Header]) -> Step:
    """Whether they are whole, and of networks that are still the sweep's."""
    none = Step("measurement of latencies", 0, 1)
    try:
        measured = latency_file.read(output.latency_file)
    except UsageError as error:
        return _unreadable(none, error)
    weights = {one.weights for one in found.values()}
    whole = measured is not None and measured.complete
    same = measured is not None and all(one.weights_sha256 in weights for one in measured.subjects)
    return replace(none, done=int(whole and same))


def _timed(config: SweepConfig, output: OutputDir, networks: Sequence[Job], found: Mapping[str, Header]) -> Step:
    repeats, weights = config.bench.repeats, {job.key: found[job.key].weights for job in networks if job.key in found}
    none = Step("timed runs of the whole sweep", 0, repeats * len(workers_of(config)[0]))
    try:
        measured = speedup_file.read(output.speedup_file)
    except UsageError as error:
        return _unreadable(none, error)
    if measured is None or (len(weights) == len(networks) and dict(measured.weights) != weights):
        return none
    # The workers are the file's: it may be read on another machine than it was measured on.
    done = sum(one.repeat <= repeats and one.workers in measured.workers for one in measured.runs)
    return replace(none, done=done, of=repeats * len(measured.workers))


def _unreadable(none: Step, error: UsageError) -> Step:
    return replace(none, problem=f"{error.where}, {error.found}: {error.todo}")
