"""Before anything is trained: what an earlier run left is cleaned up, and plan and files are settled."""

from __future__ import annotations

from collections.abc import Sequence

from hpmkd.audit.findings import archive, audit, mismatch, quarantine
from hpmkd.audit.sweep_dir import files_of_0_1
from hpmkd.cluster.ray_processes import end_leftovers
from hpmkd.config.load import to_yaml
from hpmkd.config.specs import spec_to_json
from hpmkd.config.sweep import SweepConfig
from hpmkd.data.cache import describe
from hpmkd.files import commit_bytes, commit_json, remove_leftovers
from hpmkd.log import progress
from hpmkd.plan.catalog import baselines_of
from hpmkd.plan.job import Job
from hpmkd.plan.planner import expand
from hpmkd.store import inspection
from hpmkd.store.output_dir import OutputDir


def clean_up(config: SweepConfig, output: OutputDir) -> None:
    """Ends and removes what an earlier run left; writes the config of a new sweep before anything else."""
    ended = end_leftovers(output.ray_file)  # first of all: they could still write
    if ended:
        progress.info(f"ended {ended} processes left over from an earlier run")
    if not output.config_file.exists():
        commit_bytes(output.config_file, to_yaml(config).encode())
    remove_leftovers(*output.written_folders())
    output.remove_scratch()


def settle(config: SweepConfig, output: OutputDir, force: bool) -> tuple[Sequence[Job], dict[str, inspection.Finding]]:
    """The plan, and what its files are worth; moves damaged ones aside, and with `force` those of other settings.

    Raises:
        ConfigMismatch: there are models that were trained with other settings, and no `force`.
    """
    specs = describe(config)
    jobs = expand(config, specs, baselines_of(config))
    findings = audit(jobs, output)
    error = mismatch(findings, output)
    if error is not None and not force:
        raise error
    if force:
        stale = [finding for finding in findings.values() if finding.state == "stale"]
        moved = archive([*stale, *files_of_0_1(output)], output)
        if moved:
            progress.info(f"moved {len(moved)} models trained with other settings to {output.archive}")
    commit_bytes(output.config_file, to_yaml(config).encode())
    commit_json(output.datasets_file, [spec_to_json(spec) for spec in specs])
    for finding in [one for one in findings.values() if one.state == "damaged"]:
        target = quarantine(finding, output)
        progress.info(f"damaged: {finding.file} ({finding.reason}), moved to {target}; it is trained again")
    for finding in findings.values():
        if finding.good and finding.header:
            progress.info(f"found {finding.file} ({finding.header.accuracy:.2f}%), not trained again")
    return jobs, findings
