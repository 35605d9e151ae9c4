"""How far a sweep is, read from its files alone: while it runs, afterwards, after a crash, on another machine."""

from __future__ import annotations

import datetime
import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from hpmkd.audit.afterwards import Step, steps
from hpmkd.audit.findings import audit, known_headers
from hpmkd.audit.owner import Alive, alive, begun
from hpmkd.audit.recalled import recalled
from hpmkd.audit.sweep_dir import Saved, open_saved
from hpmkd.files import parse_json
from hpmkd.plan.job import Job, place_name
from hpmkd.store.inspection import Finding, inspect
from hpmkd.store.output_dir import EPOCH_META, OutputDir, trial_folder
from hpmkd.store.progress_log import Progress, read_all

State = Literal[
    "done", "unchecked", "running", "interrupted", "lost", "waiting", "ready", "failed", "stale", "damaged"
]  # fmt: skip
BAD: tuple[State, ...] = ("failed", "stale", "damaged")

_MANY = {"search": "searches", "logits": "logits caches"}


@dataclass(frozen=True)
class ModelStatus:
    """One planned model.

    `state`: `done`; `unchecked` (a file without its sidecar: the next start verifies it); `running`; `interrupted`
    (started; continues after epoch `epoch`, the last that was saved); `lost` (was finished, its file is gone; trained
    again, after epoch `epoch` where one was saved); `waiting` for the models in `waits_for`;
    `ready` (can start); `failed` (why is in `reason`); `stale` (trained with other settings, or its parents have other
    weights now); `damaged`. `epoch`: the newest that ended, of `of`. `since`, `updated`: ISO 8601; `by`: host
    and process. `accuracy_pct`: on the test set, of a search on validation images. `train_seconds`: of one that is
    done. `in_memory`: it is missing, and comes from the shared memory.
    """

    key: str
    role: str
    dataset: str
    baseline: str | None
    run: int | None
    state: State
    reason: str = ""
    epoch: int | None = None
    of: int | None = None
    since: str | None = None
    updated: str | None = None
    by: str | None = None
    waits_for: tuple[str, ...] = ()
    accuracy_pct: float | None = None
    train_seconds: float | None = None
    condition: str | None = None
    pair: str | None = None
    in_memory: bool = False

    @property
    def place(self) -> str:
        """Data set, condition and pair as in files."""
        return place_name(self.dataset, self.condition, self.pair)


@dataclass(frozen=True)
class Status:
    """A sweep. `sweep`: `running`; `elsewhere` (on another host, which cannot be asked from here); `killed` (its
    process is gone and had no time to say so); `stopped`. `command`: what continues it, where something is left.
    `after`: what follows the training."""

    root: str
    sweep: Alive
    owner: str | None
    models: tuple[ModelStatus, ...]
    command: str | None
    after: tuple[Step, ...] = ()

    def counts(self) -> dict[str, int]:
        """State -> models, states that there are only."""
        states = [model.state for model in self.models]
        return {state: states.count(state) for state in dict.fromkeys(states)}


def read_status(root: Path) -> Status:
    """Reads the state of the sweep in `root`; UsageError where there is none."""
    saved = open_saved(root)
    state, owner = alive(saved.output)
    models, after = _models(saved, state in ("running", "elsewhere"))
    to_do = not models or any(model.state != "done" for model in models) or any(step.is_open for step in after)
    left = saved.config is not None and to_do
    command = continues(root) if left else None
    return Status(str(saved.output.root), state, owner=owner, models=tuple(models), command=command, after=tuple(after))


def against_bytes(status: Status, broken: Mapping[str, str]) -> Status:
    """A status, which has looked at sizes alone, with what reading the files has shown.

    Args:
        status: of a sweep.
        broken: by key, why a file is not valid (see `findings.sorted_out`).
    """
    if not any(one.key in broken and one.state == "done" for one in status.models):
        return status
    models = tuple(
        replace(one, state="damaged", reason=broken[one.key]) if one.key in broken and one.state == "done" else one
        for one in status.models
    )
    return replace(status, models=models, command=status.command or continues(status.root))


def continues(root: str | Path) -> str:
    """The command that continues a sweep, or a programme."""
    return f"hpmkd run --restore {shlex.quote(str(root))}"


def _models(saved: Saved, works: bool) -> tuple[list[ModelStatus], list[Step]]:
    """Each model, and what follows their training."""
    if not saved.jobs:
        return (_without_plan(saved.output) if saved.config is None else []), []
    findings = audit(saved.jobs, saved.output, repair=False, depth="size")
    records, since = read_all(saved.output), begun(saved.output)
    checkpoints = _saved_epochs(saved.output)
    # Who was in training when an earlier sweep was killed is not in training now.
    busy = {key for key, one in records.items() if works and one.state == "training" and _not_before(one, since)}
    made = [
        _model(finding.job, finding, findings=findings, record=records.get(key), busy=busy, checkpoints=checkpoints)
        for key, finding in findings.items()
        if finding.job is not None
    ]
    if saved.config is None:
        return made, []
    memory = recalled(saved.config, findings, saved.output)
    made = [replace(one, in_memory=one.key in memory and one.state in ("ready", "waiting")) for one in made]
    return made, steps(saved.config, saved.output, saved.jobs, known_headers(findings))


def _model(
    job: Job,
    finding: Finding,
    findings: Mapping[str, Finding],
    record: Progress | None,
    busy: Collection[str],
    checkpoints: Mapping[str, int],
) -> ModelStatus:
    names: dict[str, Any] = {"key": job.key, "role": job.role.value, **job.axes, "baseline": job.baseline}
    names["run"] = job.run
    if finding.good:
        header = finding.header
        known: dict[str, Any] = {}
        if header is not None:
            known = {"accuracy_pct": header.accuracy, "train_seconds": header.train_time}
        return ModelStatus(**names, **known, state="done")
    if record is not None and record.fingerprint not in ("", job.fingerprint):
        record = None
    epoch = checkpoints.get(trial_folder(job))
    if record is not None and job.key in busy:
        times: dict[str, Any] = {"since": record.since, "updated": record.updated}
        times["by"] = f"process {record.pid} on {record.host}"
        newest = record.epoch or epoch or 0  # one that continues has not told of an epoch yet
        return ModelStatus(**names, state="running", epoch=newest, of=record.of or job.fit.epochs, **times)
    if finding.state != "missing":
        return ModelStatus(**names, state=_state(finding), reason=finding.reason)
    if record is not None and record.state == "failed":
        return ModelStatus(**names, state="failed", reason=record.message, updated=record.updated)
    if waits := tuple(parent.key for parent in job.parents if not findings[parent.key].good):
        return ModelStatus(**names, state="waiting", waits_for=waits)
    if record is not None and record.state == "ended":
        why = finding.reason or "it was finished, and its file is gone"
        return ModelStatus(**names, state="lost", reason=why, epoch=epoch, of=_of(job, record))
    if epoch is not None:
        return ModelStatus(**names, state="interrupted", epoch=epoch, of=_of(job, record))
    return ModelStatus(**names, state="ready")


def _not_before(record: Progress, since: datetime.datetime | None) -> bool:
    """Whether a record was made since then, by the clock of the driver, which writes both times."""
    try:
        return since is None or datetime.datetime.fromisoformat(record.updated) >= since
    except (ValueError, TypeError):
        return True


def _of(job: Job, record: Progress | None) -> int:
    """Epochs in all; a search counts in units of its own, which its records know."""
    return record.of if record is not None and record.of else job.fit.epochs


def _saved_epochs(output: OutputDir) -> dict[str, int]:
    """Trial folder -> the furthest epoch of which a checkpoint lies there."""
    found: dict[str, int] = {}
    for path in output.tune.glob(f"round*/*/checkpoint_*/{EPOCH_META}"):
        try:
            epoch = int(parse_json(path.read_text())["epoch"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
        name = path.parent.parent.name
        found[name] = max(epoch, found.get(name, 0))
    return found


def _without_plan(output: OutputDir) -> list[ModelStatus]:
    """A folder that only has models: what lies there."""
    made = []
    for path in output.model_files():
        finding = inspect(path, "size")
        if finding.good and finding.header:
            meta = finding.header.metadata
            role, dataset = str(meta.get("role", "?")), str(meta.get("dataset", "?"))
            names = (path.stem, role, dataset, meta.get("baseline"), meta.get("run"))
            one = ModelStatus(*names, "done", accuracy_pct=finding.header.accuracy)
            made.append(replace(one, condition=meta.get("condition"), pair=meta.get("pair")))
        else:
            role = path.stem.partition("_")[0]
            made.append(
                ModelStatus(
                    path.stem, role, dataset="?", baseline=None, run=None, state=_state(finding), reason=finding.reason
                )
            )
    return made


def _state(finding: Finding) -> State:
    """Of a model whose file is not good: whatever its training did, the file is what counts."""
    return finding.state if finding.state in ("unchecked", "stale") else "damaged"


def row_name(model: ModelStatus) -> str:
    """The row that a model is counted in: its baseline, and what it is there if it is not a student."""
    if model.role == "student":
        return str(model.baseline)
    many = _MANY.get(model.role, f"{model.role}s")
    return f"{model.baseline} {many}" if model.baseline else many


def ago(time: str, now: datetime.datetime | None = None) -> str:
    """How long ago an ISO 8601 time was, in one unit: `12 s`, `5 min`, `3 h`, `2 d`."""
    try:
        then = datetime.datetime.fromisoformat(time)
    except ValueError:
        return "?"
    seconds = max(0.0, ((now or datetime.datetime.now(datetime.UTC)) - then).total_seconds())
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
