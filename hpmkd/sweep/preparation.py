"""Before anything is trained: what an earlier run left is cleaned up, and plan and files are settled."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shlex
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace

from hpmkd.audit.findings import archive, audit, mismatch, quarantine
from hpmkd.audit.sweep_dir import files_of_0_1
from hpmkd.cluster.environment import need_address_space, need_sound_variables
from hpmkd.cluster.ray_processes import end_leftovers
from hpmkd.config.kernels import COMPILED
from hpmkd.config.load import to_yaml
from hpmkd.config.machine import RecordConfig
from hpmkd.config.request import split_condition
from hpmkd.config.specs import DataSpec, spec_from_json, spec_to_json
from hpmkd.config.sweep import SweepConfig
from hpmkd.data.cache import describe, realised
from hpmkd.data.catalog import DATASETS
from hpmkd.data.conditions.catalog import canonical, conditioned
from hpmkd.data.conditions.entries import entries_of
from hpmkd.data.realised import sentence
from hpmkd.data.source.listing import count
from hpmkd.errors import EnvironmentProblem, UsageError
from hpmkd.files import commit_bytes, commit_json, parse_json, remove_leftovers
from hpmkd.log import log, progress
from hpmkd.plan.catalog import baselines_of
from hpmkd.plan.job import Job
from hpmkd.plan.planner import expand
from hpmkd.store import inspection
from hpmkd.store.output_dir import OutputDir
from hpmkd.sweep.left_out import changed_settings, warn_left_out
from hpmkd.sweep.own_methods import note_methods
from hpmkd.sweep.own_networks import looked_at
from hpmkd.sweep.samplers import need_sampler
from hpmkd.sweep.tried_methods import need_tried


def clean_up(config: SweepConfig, output: OutputDir) -> None:
    """Ends and removes what an earlier run left; writes the config of a new sweep before anything else."""
    ended = end_leftovers(output.ray_file)  # first of all: they could still write
    if ended:
        progress.info(f"ended {count(ended, 'process', 'processes')} left over from an earlier run")
    if not output.config_file.exists():
        note_methods(config, output)
        commit_bytes(output.config_file, to_yaml(config).encode())
    remove_leftovers(*output.written_folders())
    output.remove_scratch()


@contextlib.contextmanager
def plan_withdrawn(output: OutputDir) -> Iterator[None]:
    """Of a new sweep whose settings are refused no plan stays: with it nothing could be continued.

    Where only the images are missing it stays, so that `--restore` needs no flag once they are there.
    """
    new = not output.config_file.exists()
    try:
        yield
    except UsageError:
        if new:
            for file in (output.datasets_file, output.networks_file, output.methods_file, output.config_file):
                file.unlink(missing_ok=True)
        raise


def need_surroundings(config: SweepConfig) -> None:
    """What is looked at before anything is trained, by the run and the dry run.

    Raises:
        EnvironmentProblem: a package of a service that is to be told is not there; compiled kernels are asked for and
            cannot run here; a limit or a variable of this process does not let Ray start.
    """
    need_loggers(config.record)
    need_sampler(config.tune.sampler)
    if config.fit.kernels == COMPILED:
        from hpmkd.models.compiled.processor import need_kernels  # loads LLVM

        need_kernels()
    need_address_space()
    need_sound_variables()


def need_loggers(record: RecordConfig) -> None:
    """Raises EnvironmentProblem where a package that the config asks for is not installed."""
    for name, wanted in (("wandb", record.wandb), ("mlflow", record.mlflow)):
        if wanted and importlib.util.find_spec(name) is None:
            raise EnvironmentProblem(
                f"record.{name}: the package {name} is not installed",
                expected=f"the optional extra {name}",
                found="none",
                todo=f"pip install -e '.[{name}]', or leave --record.{name} out",
            )


def known_data(config: SweepConfig, output: OutputDir) -> list[DataSpec]:
    """`describe`; of a folder whose images are gone, what the sweep has noted: finished models need no images.

    The dry run and the run ask this, and then `expand`: what can be refused without an image is refused by both.

    Raises:
        UsageError, EnvironmentProblem: a data set cannot be used, and nothing is known of it; there are fewer images
            than are asked for.
    """
    entries = entries_of(config)
    found = _gone_specs(config, output, entries)
    there = [entry for entry in entries if entry not in found]
    described = describe(config, there) if there else []
    specs = [found.get(entry) or described[there.index(entry)] for entry in entries]
    for spec in specs:
        spec.check()
    _need_known(config.data.confused, {spec.name for spec in specs})
    return specs


def _need_known(confused: Iterable[str], names: Collection[str]) -> None:
    """What is said of a data set that the sweep has not, because it is spelled otherwise, would change nothing."""
    for name in confused:
        if name not in names:
            raise UsageError(
                f"data.confused: {name} is no data set of this sweep",
                expected=f"one of {', '.join(sorted(names))}",
                found=repr(name),
                todo="correct the name, or leave it out",
            )


def need_images(config: SweepConfig, output: OutputDir, jobs: Sequence[Job]) -> None:
    """For jobs that are to be trained.

    Raises:
        EnvironmentProblem: the images of some of them are gone.
    """
    gone = _gone_specs(config, output, config.datasets)
    at_work = {job.data.name for job in jobs}
    lost = [spec for spec in gone.values() if spec.name in at_work]
    if not lost:
        return
    names = {entry: f"{spec.name}=FOLDER" + f"@{spec.condition}" * bool(spec.condition) for entry, spec in gone.items()}
    entries = [names.get(entry, entry) for entry in config.datasets]
    sources, lacking = (dict.fromkeys(values) for values in zip(*((str(s.source), s.name) for s in lost), strict=True))
    raise EnvironmentProblem(
        f"{', '.join(sources)}: no images there any more",
        expected=f"the data set {', '.join(lacking)}, to train {count(len(jobs), 'model')} on",
        found="no such file or folder, or an empty one; what is finished stays, and needs no images",
        todo=f"name the new place: --restore {shlex.quote(str(output.root))} --datasets {shlex.join(entries)}",
    )


def _gone_specs(config: SweepConfig, output: OutputDir, entries: Sequence[str]) -> dict[str, DataSpec]:
    """Of the entries (see `entries_of`) whose folder is gone, what the sweep has noted, under the same condition."""
    try:
        specs = [spec_from_json(values) for values in parse_json(output.datasets_file.read_text())]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
    # Only a condition that needs them has noted which classes look alike.
    specs.sort(key=lambda spec: spec.confused is not None)
    noted = {spec.source: replace(spec, condition=None, realised=None) for spec in specs if spec.source}
    found = {}
    for entry in entries:
        whole = os.path.abspath(os.path.expanduser(entry.partition("=")[2] or entry))
        folder, condition = (whole, None) if whole in noted and _is_gone(whole) else _gone(entry)
        if folder in noted:
            spec = conditioned(replace(noted[folder], train_images=config.data.train_images), condition)
            found[entry] = realised(spec, config.data)
    return found


def _gone(entry: str) -> tuple[str, str | None]:
    """What an entry of `datasets` names, if nothing is there, or an empty folder (a disk that is not mounted); and its
    condition."""
    images, condition = split_condition(entry)
    if images in DATASETS:
        return "", None
    folder = os.path.abspath(os.path.expanduser(images.partition("=")[2] or images))
    return (folder, canonical(condition, entry)) if _is_gone(folder) else ("", None)


def _is_gone(source: str) -> bool:
    try:
        return not (os.path.isfile(source) or os.listdir(source))
    except OSError:
        return True


def note_realised(config: SweepConfig, output: OutputDir, specs: Sequence[DataSpec]) -> None:
    """Notes what conditions come to, where that was not known before the images were decoded, and says it."""
    found = [realised(spec, config.data) for spec in specs]
    if any(new.realised != old.realised for new, old in zip(found, specs, strict=True)):
        for line in filter(None, (sentence(new) for new, old in zip(found, specs, strict=True) if not old.realised)):
            log.info(line)
        commit_json(output.datasets_file, [spec_to_json(spec) for spec in found])


def _is_noted(config: SweepConfig, output: OutputDir, specs: Sequence[DataSpec]) -> bool:
    """Whether the output's plan was made of the same; then nothing that it has is left out."""
    try:
        noted = parse_json(output.datasets_file.read_text())
        return output.config_file.read_bytes() == to_yaml(config).encode() and noted == list(map(spec_to_json, specs))
    except (OSError, ValueError):
        return False


def settle(
    config: SweepConfig, output: OutputDir, specs: Sequence[DataSpec], force: bool
) -> tuple[Sequence[Job], dict[str, inspection.Finding]]:
    """The plan, and what its files are worth; moves damaged ones aside, and with `force` those of other settings.

    Args:
        config, output: of the sweep.
        specs: its data sets, of `known_data`.
        force: train models of other settings again.

    Raises:
        ConfigMismatch: there are models that were trained with other settings, or that other settings leave out of
            the plan, and no `force`.
    """
    with looked_at(config, output, specs) as known:
        jobs = expand(config, specs, baselines_of(config), known.networks)
        findings, as_it_was = audit(jobs, output), _is_noted(config, output, specs)
        error = mismatch(findings, output) or (None if as_it_was else changed_settings(config, jobs, output))
        if error is not None and not force:
            raise error
        known.note()
    note_methods(config, output)
    need_tried(jobs, findings, output)
    if not as_it_was:
        warn_left_out(jobs, output)
    if force:
        stale = [finding for finding in findings.values() if finding.state == "stale"]
        moved = archive([*stale, *files_of_0_1(output)], output)
        if moved:
            progress.info(f"moved {count(len(moved), 'model')} trained with other settings to {output.archive}")
    commit_bytes(output.config_file, to_yaml(config).encode())
    commit_json(output.datasets_file, [spec_to_json(spec) for spec in specs])
    again = "fetched from the mirror, or trained again" if config.record.mirror else "trained again"
    for finding in [one for one in findings.values() if one.state == "damaged"]:
        target = quarantine(finding, output)
        progress.info(f"damaged: {finding.file} ({finding.reason}), moved to {target}; it is {again}")
    for finding in findings.values():
        if finding.good and finding.header:
            progress.info(f"found {finding.file} ({finding.header.accuracy:.2f}%), not trained again")
    return jobs, findings
