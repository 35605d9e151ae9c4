"""Plan + model files -> what would happen to each model, and why. No torch unless a sidecar is missing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hpmkd.atomic import commit_json
from hpmkd.errors import ConfigMismatch, DamagedModel
from hpmkd.job import Job, differences
from hpmkd.output import Output
from hpmkd.store.header import Header, sidecar_path
from hpmkd.store.model_file import verify

State = Literal["done", "missing", "damaged", "stale"]


@dataclass(frozen=True)
class Finding:
    """What lies under a job's file name. `header` is there for done and stale files."""

    job: Job
    state: State
    reason: str = ""
    header: Header | None = None


def inspect(job: Job, output: Output) -> Finding:
    """Verifies one model file against its job; parents' files are not looked at."""
    path = output.model_file(job)
    try:
        header = verify(path)
    except FileNotFoundError:
        return Finding(job, "missing")
    except DamagedModel as error:
        return Finding(job, "damaged", f"{error.found}, expected {error.expected}")
    return judge(job, header)


def judge(job: Job, header: Header) -> Finding:
    """Whether a whole model file is the one that `job` would make; parents' weights are not looked at."""
    meta = header.metadata
    if meta.get("key") != job.key:
        return Finding(job, "damaged", f"holds another model: {meta.get('key', 'not one of a sweep')}")
    if meta.get("fingerprint") != job.fingerprint:
        changed = differences(meta.get("recipe", {}), job.recipe())
        return Finding(job, "stale", "; ".join(changed) or "its teacher's settings changed", header)
    return Finding(job, "done", header=header)


def audit(jobs: Iterable[Job], output: Output) -> dict[str, Finding]:
    """`inspect` for all jobs (parents first), and the lineage: a student of other teacher weights is stale."""
    return with_lineage(inspect(job, output) for job in jobs)


def with_lineage(looked: Iterable[Finding]) -> dict[str, Finding]:
    """Findings of single files (parents first), by key; what learnt from other weights than its parents' is stale."""
    findings: dict[str, Finding] = {}
    for finding in looked:
        job = finding.job
        if finding.state == "done" and finding.header is not None:
            wrong = _other_parent(finding.header, job, findings)
            if wrong:
                finding = Finding(job, "stale", f"{wrong} was trained again and has other weights", finding.header)
        findings[job.key] = finding
    return findings


def _other_parent(header: Header, job: Job, findings: Mapping[str, Finding]) -> str | None:
    for parent in job.teachers:
        found = findings.get(parent.key)
        known = header.metadata.get("parents", {}).get(parent.key)
        if found and found.state == "done" and found.header:
            current = found.header.metadata.get("weights_sha256")
            if known != current:
                return parent.file_name
    return None


def describe(finding: Finding, findings: Mapping[str, Finding]) -> str:
    """The dry run's word on one model: what would happen, and why."""
    if finding.state == "done":
        accuracy = finding.header.accuracy if finding.header else 0.0
        return f"done ({accuracy:.2f}%)"
    waits = [parent.key for parent in finding.job.teachers if findings[parent.key].state != "done"]
    return "; ".join(
        [
            finding.state + (f": {finding.reason}" if finding.reason else ""),
            *(f"waits for {parent}" for parent in waits),
        ]
    )


def mismatch(findings: Mapping[str, Finding], output: Output) -> ConfigMismatch | None:
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


def quarantine(finding: Finding, output: Output) -> Path:
    """Moves a damaged file aside with its reason; returns where it lies now."""
    target = _move(output.model_file(finding.job), output.quarantine)
    commit_json(target.with_name(f"{target.name}.reason.json"), {"file": target.name, "reason": finding.reason})
    return target


def archive(findings: Iterable[Finding], output: Output) -> list[Path]:
    """Moves stale models to `archive/`; returns where they lie now."""
    return [_move(output.model_file(finding.job), output.archive) for finding in findings]


def _move(path: Path, folder: Path) -> Path:
    """Moves a model file and its sidecar into `folder`, under a number that is free."""
    folder.mkdir(parents=True, exist_ok=True)
    number = 1
    while (target := folder / f"{path.stem}.{number}{path.suffix}").exists():
        number += 1
    path.rename(target)
    if sidecar_path(path).exists():
        sidecar_path(path).rename(sidecar_path(target))
    return target


def headers(output: Output) -> dict[str, Header]:
    """Every valid file of an output by its stem, in the plan or not: models, and the choices of searches."""
    found = {}
    for path in sorted([*output.models.glob("*.pt"), *output.models.glob("choice_*.json")]):
        try:
            found[path.stem] = verify(path)
        except (DamagedModel, OSError, json.JSONDecodeError):
            continue
    return found
