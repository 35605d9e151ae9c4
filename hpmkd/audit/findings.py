"""Plan + model files -> what would happen to each model, and why. No torch unless a sidecar is missing."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

from hpmkd.errors import ConfigMismatch, HpmkdError
from hpmkd.files import commit_json, move
from hpmkd.plan.job import Job
from hpmkd.store.inspection import Finding, inspect, learnt_from_stale, readers
from hpmkd.store.model_file import check
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.sidecar import Header, sidecar_path


def audit(jobs: Iterable[Job], output: OutputDir, repair: bool = True) -> dict[str, Finding]:
    """`inspect` for all jobs (parents first), and the lineage: a student of other teacher weights is stale."""
    with readers() as pool:
        return with_lineage(pool.map(lambda job: inspect(job, output, repair), jobs))


def with_lineage(looked: Iterable[Finding]) -> dict[str, Finding]:
    """Findings of single files (parents first), by key; what learnt from other weights than its parents' is stale."""
    findings: dict[str, Finding] = {}
    for finding in looked:
        job = finding.job
        if finding.state == "done" and finding.header is not None:
            wrong = _other_parent(finding.header, job, findings)
            if wrong and job.role == "logits":
                finding = Finding(job, "missing")
            elif wrong:
                finding = Finding(job, "stale", wrong, finding.header)
        findings[job.key] = finding
    return _without_idle_caches(findings)


def _without_idle_caches(findings: dict[str, Finding]) -> dict[str, Finding]:
    """Without the logits caches that are not there and that nobody needs, because all who learn from them are done."""
    needed = {parent.key for finding in findings.values() if finding.state != "done" for parent in finding.job.parents}
    return {
        key: finding
        for key, finding in findings.items()
        if finding.job.role != "logits" or finding.state == "done" or key in needed
    }


def _other_parent(header: Header, job: Job, findings: Mapping[str, Finding]) -> str | None:
    for parent in job.sources:
        found = findings.get(parent.key)
        if found and found.state == "stale":
            return learnt_from_stale(parent.file_name)
        known = header.metadata.get("parents", {}).get(parent.key)
        if found and found.state == "done" and found.header:
            current = found.header.metadata.get("weights_sha256")
            if known != current:
                return f"{parent.file_name} was trained again and has other weights"
    return None


def describe_finding(finding: Finding, findings: Mapping[str, Finding]) -> str:
    """The dry run's word on one model: what would happen, and why."""
    if finding.state == "done":
        accuracy = finding.header.accuracy if finding.header else 0.0
        return f"done ({accuracy:.2f}%)"
    waits = [parent.key for parent in finding.job.parents if findings[parent.key].state != "done"]
    return "; ".join(
        [
            finding.state + (f": {finding.reason}" if finding.reason else ""),
            *(f"waits for {parent}" for parent in waits),
        ]
    )


def mismatch(findings: Mapping[str, Finding], output: OutputDir) -> ConfigMismatch | None:
    """The error for finished models of other settings, differences grouped; None where there are none."""
    reasons: dict[str, list[str]] = {}
    for finding in findings.values():
        if finding.state == "stale":
            reasons.setdefault(finding.reason, []).append(finding.job.file_name)
    if not reasons:
        return None
    lines = [
        f"{reason} ({len(names)} model{'s' * (len(names) > 1)}: {', '.join(names[:3])}{', ...' * (len(names) > 3)})"
        for reason, names in reasons.items()
    ]
    return ConfigMismatch(
        f"{output.root}: finished models were trained with other settings",
        expected="the settings of " + str(output.config_file),
        found="\n    " + "\n    ".join(lines),
        todo="go back to those settings, choose another --output, or add --force: it moves the old models to "
        + f"{output.archive} and trains them again",
    )


def quarantine(finding: Finding, output: OutputDir) -> Path:
    """Moves a damaged file aside with its reason; returns where it lies now."""
    target = _move(output.model_file(finding.job), output.quarantine)
    commit_json(target.with_name(f"{target.name}.reason.json"), {"file": target.name, "reason": finding.reason})
    return target


def archive(findings: Iterable[Finding], output: OutputDir) -> list[Path]:
    """Moves stale models to `archive/`; returns where they lie now."""
    return [_move(output.model_file(finding.job), output.archive) for finding in findings]


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
    """By key, of what was found done."""
    return {key: one.header for key, one in findings.items() if one.state == "done" and one.header is not None}


def headers(output: OutputDir, known: Mapping[str, Header] = MappingProxyType({})) -> dict[str, Header]:
    """Every valid file of an output by its stem, in the plan or not: models, logits caches and searches.

    `known`, by key, was verified a moment ago, and is not read again.
    """

    def look(path: Path) -> Header | None:
        if path.stem in known:
            return known[path.stem]
        try:
            return check(path)
        except (HpmkdError, OSError):
            return None

    paths = output.model_files()
    with readers() as pool:
        looked = list(pool.map(look, paths))
    return {path.stem: header for path, header in zip(paths, looked, strict=True) if header is not None}
