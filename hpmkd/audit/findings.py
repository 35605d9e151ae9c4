"""Compares the plan with the files: what would happen to each model, and why. No torch unless a sidecar is missing."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import get_args

from hpmkd.config.own_method import SOURCE
from hpmkd.data.source.listing import count, named
from hpmkd.errors import ConfigMismatch, HpmkdError
from hpmkd.files import commit_json, move, system_words
from hpmkd.numeric import percent
from hpmkd.plan.job import Job
from hpmkd.plan.roles import Role
from hpmkd.plan.work import trainings
from hpmkd.store.inspection import Depth, Finding, State, inspect_job, side_by_side
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.result_file import check
from hpmkd.store.sidecar import Header, sidecar_path

_NOT_GOOD: Collection[State] = [state for state in get_args(State) if state != "good"]


def audit(jobs: Iterable[Job], output: OutputDir, repair: bool = True, depth: Depth = "hash") -> dict[str, Finding]:
    """What every planned file is worth, by key, parents looked at; logits caches that nobody needs are left out.

    Args:
        jobs: the plan, parents first.
        output: where the files lie.
        repair: write sidecars that are missing or wrong; if not, nothing on disk changes.
        depth: `hash` before anything is trained, `size` for a quick look.

    Raises:
        EnvironmentProblem: at depth `hash`, the disk does not answer.
    """
    looked = _in_parallel(lambda job: inspect_job(job, output, repair, depth), jobs, output, depth)
    return without_idle_caches(with_parents({finding.key: finding for finding in looked}))


def _in_parallel(look: Callable[[Job], Finding], jobs: Iterable[Job], output: OutputDir, depth: Depth) -> list[Finding]:
    """On all cores where bytes are hashed; a look at sizes is Python alone, and threads would only get in its way."""
    if depth == "size":
        return [look(job) for job in jobs]
    return side_by_side(look, jobs, output.model_file)


def with_parents(findings: Mapping[str, Finding]) -> dict[str, Finding]:
    """Findings of single files, by key; models that were trained from other weights than their parents' become stale.

    So do all their descendants; files that can be rebuilt become missing instead.
    """
    resolved: dict[str, Finding] = {}

    def resolve(key: str) -> Finding:
        if key not in resolved:
            finding = resolved[key] = findings[key]  # a circle, which only edited metadata can have, ends here
            wrong = _wrong_parent(finding)
            if wrong and finding.job and finding.job.role.is_rebuildable:
                finding = Finding(finding.file, "missing", wrong, job=finding.job)
            elif wrong:
                finding = replace(finding, state="stale", reason=wrong)
            resolved[key] = finding
        return resolved[key]

    def _wrong_parent(finding: Finding) -> str | None:
        if not finding.good or finding.header is None:
            return None
        recorded = finding.header.metadata.get("parents", {})
        keys = [parent.key for parent in finding.job.sources] if finding.job else list(recorded)
        for parent in (resolve(key) for key in keys if key in findings):
            if parent.state == "stale":
                return f"trained from {parent.file}, which is stale"
            if parent.good and parent.header and recorded.get(parent.key) != parent.header.weights:
                return f"{parent.file} was trained again and has other weights"
        return None

    return {key: resolve(key) for key in findings}


def without_idle_caches(findings: Mapping[str, Finding], states: Collection[State] = _NOT_GOOD) -> dict[str, Finding]:
    """Without what can be rebuilt and is in one of `states`, but that nobody needs: all who learn from it are good."""
    needed = {parent.key for one in findings.values() if one.job and not one.good for parent in one.job.parents}
    return {
        key: one
        for key, one in findings.items()
        if not (one.job and one.job.role.is_rebuildable and one.state in states) or key in needed
    }


def describe_finding(finding: Finding, findings: Mapping[str, Finding], recalled: Collection[str] = ()) -> str:
    """The dry run's word on one model: what would happen, and why; `recalled`: keys of what the shared memory gives."""
    if finding.good:
        return f"done ({percent(finding.header.accuracy if finding.header else None)})"
    if finding.state == "missing" and finding.key in recalled:
        return "missing: it comes from the shared memory"
    parents = finding.job.parents if finding.job else ()
    waits = [parent.key for parent in parents if not findings[parent.key].good]
    searches = finding.job is not None and finding.job.role is Role.SEARCH
    tries = [f"tries {count(trainings(finding.job), 'setting')}"] if finding.job and searches else []
    return "; ".join(
        [
            finding.state + (f": {finding.reason}" if finding.reason else ""),
            *tries,
            *(f"waits for {parent}" for parent in waits),
        ]
    )


def mismatch(findings: Mapping[str, Finding], output: OutputDir) -> ConfigMismatch | None:
    """The error for models that were trained with other settings, grouped by difference; None if there are none."""
    reasons: dict[str, list[str]] = {}
    for finding in findings.values():
        if finding.state == "stale":
            reasons.setdefault(finding.reason, []).append(finding.file)
    if not reasons:
        return None
    sources = {
        "model.source": f" (the sources of networks as they were lie in {output.networks}, and may be named as arch)",
        SOURCE: f" (the sources of methods as they were lie in {output.methods})",
    }
    lines = [f"{reason} ({count(len(names), 'model')}: {named(names, 3)})" for reason, names in reasons.items()]
    return ConfigMismatch(
        f"{output.root}: finished models were trained with other settings",
        expected="the settings of " + str(output.config_file),
        found="\n    " + "\n    ".join(lines),
        todo="go back to those settings"
        + "".join(text for key, text in sources.items() if any(key in one for one in reasons))
        + ", choose another --output, or add --force: it moves the old models to "
        + f"{output.archive} and trains them again",
    )


def quarantine(finding: Finding, output: OutputDir) -> Path:
    """Moves a damaged file aside with its reason; returns where it lies now."""
    target = _move(output.models / finding.file, output.quarantine)
    commit_json(target.with_name(f"{target.name}.reason.json"), {"file": target.name, "reason": finding.reason})
    return target


def archive(findings: Iterable[Finding], output: OutputDir) -> list[Path]:
    """Moves stale models to `archive/`; returns where they lie now."""
    return [_move(output.models / finding.file, output.archive) for finding in findings]


def _move(path: Path, folder: Path) -> Path:
    """Moves a model file and its sidecar into `folder`, under a number that is free."""
    number = 1
    while os.path.lexists(target := folder / f"{path.stem}.{number}{path.suffix}"):
        number += 1
    move(path, target)
    if os.path.lexists(sidecar_path(path)):
        move(sidecar_path(path), sidecar_path(target))
    return target


def known_headers(findings: Mapping[str, Finding]) -> dict[str, Header]:
    """By key, of what was found good."""
    return {key: one.header for key, one in findings.items() if one.good and one.header is not None}


def headers(output: OutputDir, known: Mapping[str, Header] = MappingProxyType({})) -> dict[str, Header]:
    """Every valid file of an output by its stem, in the plan or not: models, logits caches and searches.

    `known`, by key, was verified a moment ago, and is not read again.
    """
    return sorted_out(output, known)[0]


def sorted_out(
    output: OutputDir, known: Mapping[str, Header] = MappingProxyType({})
) -> tuple[dict[str, Header], dict[str, str]]:
    """`headers`, and of every other file in `models/`, by stem, why it is not valid."""

    def look(path: Path) -> Header | str:
        try:
            return check(path)
        except HpmkdError as error:
            return error.found or str(error)
        except OSError as error:
            return system_words(error)

    paths = {path.stem: path for path in output.model_files()}
    unknown = [path for stem, path in paths.items() if stem not in known]
    new = dict(zip([path.stem for path in unknown], side_by_side(look, unknown, lambda path: path), strict=True))
    looked: dict[str, Header | str] = {stem: known[stem] if stem in known else new[stem] for stem in paths}
    broken = {stem: found for stem, found in looked.items() if isinstance(found, str)}
    return {stem: found for stem, found in looked.items() if not isinstance(found, str)}, broken
