"""What the shared memory has of the models that are missing: they come from it, and are not trained."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hpmkd.config.sweep import SweepConfig, memory_folder
from hpmkd.plan.job import Job
from hpmkd.store.inspection import Finding
from hpmkd.store.memory_entry import entry
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.sidecar import Header, read_sidecar


def device_of(config: SweepConfig) -> str:
    """`cuda` or `cpu`: where trials would be, as far as can be seen without torch."""
    wanted = config.resources
    there = any(Path("/proc/driver/nvidia/gpus").glob("*")) and wanted.gpus_per_trial != 0
    return "cuda" if wanted.device == "cuda" or (wanted.device == "auto" and there) else "cpu"


def kept(config: SweepConfig, findings: Mapping[str, Finding]) -> dict[str, Header]:
    """Key -> sidecar of what the memory has of the models that are missing, whether it is taken from there or not."""
    memory, device = memory_folder(config.data), device_of(config)
    jobs = {key: one.job for key, one in findings.items() if one.job is not None and not one.good}
    known = {key: read_sidecar(entry(memory, job, device)) for key, job in jobs.items() if job.role.is_shareable}
    return {key: header for key, header in known.items() if header is not None}


def recalled(config: SweepConfig, findings: Mapping[str, Finding], output: OutputDir) -> dict[str, Header]:
    """Key -> sidecar of those that are taken from there, by the rules of a trial: it may be shared, its parents have
    here the weights from which it was trained, and the sweep has not had it before (a file that was deleted is trained
    again)."""
    here = {key: one.header for key, one in findings.items() if one.good and one.header is not None}
    made: dict[str, Header] = {}
    for key, header in kept(config, findings).items():  # parents before children
        job = findings[key].job
        if job is not None and job.shared and not output.saved_folders(job) and _fits(job, header, {**here, **made}):
            made[key] = header
    return made


def _fits(job: Job, header: Header, here: Mapping[str, Header]) -> bool:
    """Whether no parent that is there has other weights; one that is still to be made gets the same ones."""
    then = list(header.metadata.get("parents", {}).values())
    now = [known.weights if (known := here.get(parent.key)) is not None else None for parent in job.sources]
    return len(then) == len(now) and all(one in (None, other) for one, other in zip(now, then, strict=True))
