"""Methods that users bring are tried for each pair of networks before anything is trained."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hpmkd.config.own_method import OwnMethod
from hpmkd.config.specs import model_to_json
from hpmkd.errors import UsageError
from hpmkd.files import commit_json, parse_json
from hpmkd.log import log
from hpmkd.plan.job import Job
from hpmkd.plan.roles import Role
from hpmkd.store.inspection import Finding
from hpmkd.store.output_dir import OutputDir
from hpmkd.sweep.child import answers_of


def need_tried(jobs: Sequence[Job], findings: Mapping[str, Finding], output: OutputDir, note: bool = True) -> None:
    """Each method that the user brings does two steps with each pair of networks for which it is to train.

    Args:
        jobs, findings: the plan, and what its files are worth.
        output: of the sweep; what was tried is noted there, and not tried again.
        note: whether it is; a dry run writes nothing.

    Raises:
        UsageError: it fails.
    """
    missing = [job for job in jobs if job.own is not None and not findings[job.key].good]
    asked = {_key(one): (job, one) for job in missing if job.own is not None for one in (_question(job, job.own),)}
    before = _noted(output)
    new = {key: found for key, found in asked.items() if key not in before and _is_there(found[0])}
    if not new:
        return
    names = dict.fromkeys(str(job.baseline) for job, _ in new.values())
    log.info(f"trying {', '.join(names)}: two steps for each pair of networks")
    with tempfile.TemporaryDirectory(prefix="hpmkd-methods-") as scratch:
        copies = {job.own.source: str(Path(scratch) / job.own.source[:16]) for job, _ in new.values() if job.own}
        questions = [{**one, "copy": one["origin"] and copies[one["method"]["source"]]} for _, one in new.values()]
        answers = answers_of("hpmkd.methods.tried", questions, Path(scratch), "baselines", about=", ".join(names))
    for (job, _), answer in zip(new.values(), answers, strict=True):
        if "fault" in answer:
            pair = " taught by ".join(
                [job.model.arch, ", ".join(one.model.arch for one in job.teachers)]
                if job.teachers
                else [job.model.arch]
            )
            fault, where = answer["fault"], f"baselines: {job.baseline}, {pair}, on {job.place}"
            raise UsageError(where, expected=fault["expected"], found=fault["found"], todo=fault["todo"])
    if note:
        commit_json(output.tried_file, sorted(before | new.keys()))


def _question(job: Job, own: OwnMethod) -> dict[str, Any]:
    networks = [job.model, *(one.model for one in job.teachers)]
    return {
        "method": own.to_json(),
        "origin": own.origin,
        "hparams": dict(job.hparams),
        "networks": [model_to_json(one) for one in networks],
        "origins": [one.origin for one in networks],
    }


def _key(question: Mapping[str, Any]) -> str:
    told = {name: question[name] for name in ("hparams", "networks")}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _is_there(job: Job) -> bool:
    """Before a first start the copies of networks from elsewhere are not: then the start tries it."""
    origins = [one.model.origin for one in (job, *job.teachers)]
    return job.role is Role.STUDENT and all(origin is None or Path(origin).is_dir() for origin in origins)


def _noted(output: OutputDir) -> set[str]:
    try:
        return set(parse_json(output.tried_file.read_text()))
    except (OSError, ValueError, TypeError):
        return set()
