"""What a command leaves out of the plan of an output folder: finished models that the sweep before it had.

More or fewer values on the axes of the grid are a matter of taste, and said. A setting that all models share is another
matter: with it finished models may only have other names, and would be trained again under these.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hpmkd.audit.sweep_dir import open_sweep
from hpmkd.config.sweep import SweepConfig
from hpmkd.data.source.listing import count, named
from hpmkd.errors import ConfigMismatch, HpmkdError
from hpmkd.log import log
from hpmkd.plan.job import Job, differences
from hpmkd.store.inspection import inspect_job
from hpmkd.store.output_dir import OutputDir
from hpmkd.sweep.resolution import settings_of_models

_AXES = ("datasets", "baselines", "vary", "pairs", "ratios", "runs")


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


def changed_settings(config: SweepConfig, jobs: Sequence[Job], output: OutputDir) -> ConfigMismatch | None:
    """The error for finished models that a setting, no axis of the grid, leaves out of the plan; None: there are none.

    Args:
        config: the new one.
        jobs: its plan; the output still has the last one.
        output: where both sweeps write.
    """
    left_out = [job for job in _left_out(jobs, output) if not job.role.is_rebuildable]
    if not left_out:
        return None
    then, now = (_settings(one) for one in (open_sweep(output.root).config, config))
    found = differences(then, now)
    if not found:
        return None
    return ConfigMismatch(
        f"{output.root}: other settings would leave {count(len(left_out), 'finished model')} out of the plan "
        f"({_which(left_out, jobs)})",
        expected=f"the settings of {output.config_file}; data sets, baselines, grids, pairs and runs may be added",
        found="\n    " + "\n    ".join(found),
        todo="go back to those settings, choose another --output, or add --force: the files stay where they are, and "
        "what the new plan has under other names is trained",
    )


def _settings(config: SweepConfig) -> dict[str, Any]:
    return {key: value for key, value in settings_of_models(config).items() if key.partition(".")[0] not in _AXES}


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
