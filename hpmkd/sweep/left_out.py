"""What a command leaves out of the plan of an output folder: finished models that the sweep before it had."""

from __future__ import annotations

from collections.abc import Sequence

from hpmkd.audit.sweep_dir import open_sweep
from hpmkd.data.listing import count, named
from hpmkd.errors import HpmkdError
from hpmkd.log import log
from hpmkd.plan.job import Job
from hpmkd.store.inspection import inspect_job
from hpmkd.store.output_dir import OutputDir


def warn_left_out(jobs: Sequence[Job], output: OutputDir) -> None:
    """Says which finished models of the last plan are not in the new one; nothing where there are none.

    Args:
        jobs: the new plan; the output still has the last one.
        output: where both sweeps write.
    """
    left_out = _left_out(jobs, output)
    if left_out:
        log.warning(
            f"{output.root} has {count(len(left_out), 'finished model')} that this command leaves out of the plan "
            f"({_which(left_out, jobs)}): the files stay, but results and report will not count them; "
            "for a sweep of its own name another folder: -o DIR"
        )


def _left_out(jobs: Sequence[Job], output: OutputDir) -> list[Job]:
    """By their files' sizes: nothing is read twice before a sweep."""
    try:
        before = open_sweep(output.root).jobs
    except (HpmkdError, OSError, ValueError, KeyError, TypeError, AttributeError):
        return []  # a new folder, or one whose plan cannot be read: then nothing is known of it
    planned = {job.key for job in jobs}
    gone = [job for job in before if job.key not in planned]
    return [job for job in gone if inspect_job(job, output, repair=False, depth="size").good]


def _which(left_out: Sequence[Job], jobs: Sequence[Job]) -> str:
    """Data sets of which nothing is planned any more, then such baselines, then what else there is, by name."""
    datasets, baselines = {job.data.name for job in jobs}, {job.baseline for job in jobs}
    gone = {
        job.key: f"all of {job.data.name}"
        if job.data.name not in datasets
        else f"all of {job.baseline}"
        if job.baseline not in baselines
        else job.file_name
        for job in left_out
    }
    return named(dict.fromkeys(gone.values()), most=6)
