"""Every file of an output, read from within and held against the plan, its parents and itself. Changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from hpmkd.errors import DamagedModel, EnvironmentProblem
from hpmkd.plan.job import Job, fingerprint_of
from hpmkd.store.inspection import judge, learnt_from_stale, readers
from hpmkd.store.model_file import check, examine
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.sidecar import Header

State = Literal["good", "missing", "damaged", "stale", "unreadable"]
NO_SIDECAR = "no sidecar of its own; the next start of the sweep writes it"
_CACHES = ("logits_", "table_")  # what names of logits caches begin with, now and in hpmkd 0.1
UNPLANNED = "not in the plan"


@dataclass(frozen=True)
class Verdict:
    """What one file is worth.

    `problem` says why it is not good; `notes` are worth knowing, and no fault. `measured_pct` is its test accuracy
    measured anew, if that was asked for.
    """

    file: str
    state: State
    problem: str = ""
    notes: tuple[str, ...] = ()
    header: Header | None = None
    measured_pct: float | None = None

    def note(self, text: str) -> Verdict:
        """The same with one more note."""
        return replace(self, notes=(*self.notes, text))


def look(path: Path) -> Verdict:
    """One file by itself: hashes, CRCs, types, and that it is what its name says."""
    try:
        header, whole = examine(path)[::2] if path.suffix == ".pt" else (check(path), True)
    except FileNotFoundError:
        return Verdict(path.name, "missing")
    except DamagedModel as error:
        return Verdict(path.name, "damaged", f"{error.found}, expected {error.expected}")
    except EnvironmentProblem as error:
        return Verdict(path.name, "unreadable", str(error.found))
    verdict = Verdict(path.name, "good", header=header)
    key = header.metadata.get("key")
    if key is None:
        verdict = verdict.note("was not saved by a sweep")
    elif key != path.stem:
        return Verdict(path.name, "damaged", f"holds another model: {key}", header=header)
    return verdict if whole else verdict.note(NO_SIDECAR)


def lineage(header: Header, found: Mapping[str, Header]) -> tuple[str, list[str]]:
    """A model against its parents.

    Args:
        header: of the model.
        found: headers of the whole files there are, by key.

    Returns:
        What is wrong with it (or nothing), and notes.
    """
    meta = header.metadata
    parents = meta.get("parents", {})
    for key, weights in parents.items():
        if key in found and found[key].metadata.get("weights_sha256") != weights:
            return f"{key} was trained again and has other weights", []
    # A logits cache may go when its students are trained; then its network still vouches for them.
    gone = [key for key in parents if key not in found and not key.startswith(_CACHES)]
    if any(key not in found for key in parents) and not gone:
        return "", []
    if gone or "recipe" not in meta:
        return "", [f"cannot be compared with {key}: there is no good file" for key in gone]
    # The network behind a logits cache is recorded too, but it is the cache that the recipe names.
    direct = [key for key in parents if not any(f"{prefix}{key}" in parents for prefix in _CACHES)]
    fingerprints = [str(found[key].metadata.get("fingerprint")) for key in direct]
    if fingerprint_of(meta["recipe"], fingerprints) != meta.get("fingerprint"):
        return "its recipe and parents do not give its fingerprint", []
    return "", []


def verify_output(output: OutputDir, jobs: Sequence[Job] | None) -> list[Verdict]:
    """A verdict on every planned model in the plan's order, then on all other files.

    Args:
        output: where to look.
        jobs: the plan; None where it is not known: then only what is there can be judged.
    """
    with readers() as pool:
        looked = {verdict.file: verdict for verdict in pool.map(look, output.model_files())}
    found = {
        Path(name).stem: verdict.header
        for name, verdict in looked.items()
        if verdict.header is not None and verdict.state == "good"
    }
    planned = {job.file_name: job for job in jobs or ()}
    names = [*planned, *(name for name in looked if name not in planned)]
    verdicts = []
    for name in names:
        verdict = looked.get(name, Verdict(name, "missing"))
        verdict = _compare(verdict, planned.get(name), found)
        verdicts.append(verdict.note(UNPLANNED) if jobs is not None and name not in planned else verdict)
    return _without_idle_caches(_hand_down(verdicts), planned)


def _without_idle_caches(verdicts: list[Verdict], planned: Mapping[str, Job]) -> list[Verdict]:
    """Without the logits caches that are not there and that nobody needs: all who learnt from them are good."""
    needed = {
        parent.file_name
        for verdict in verdicts
        if verdict.state != "good" and verdict.file in planned
        for parent in planned[verdict.file].parents
    }
    return [
        verdict
        for verdict in verdicts
        if verdict.state != "missing" or planned[verdict.file].role != "logits" or verdict.file in needed
    ]


def _hand_down(verdicts: list[Verdict]) -> list[Verdict]:
    """What learnt from something stale is stale, through all generations."""
    files = {Path(verdict.file).stem: verdict.file for verdict in verdicts}
    while True:
        stale = {Path(verdict.file).stem for verdict in verdicts if verdict.state == "stale"}
        after = []
        for verdict in verdicts:
            parents = verdict.header.metadata.get("parents", {}) if verdict.header else {}
            wrong = next((files[key] for key in parents if key in stale), None)
            if verdict.state == "good" and wrong:
                verdict = replace(verdict, state="stale", problem=learnt_from_stale(wrong))
            after.append(verdict)
        if after == verdicts:
            return verdicts
        verdicts = after


def _compare(verdict: Verdict, job: Job | None, found: Mapping[str, Header]) -> Verdict:
    """A good file against the plan and against its parents."""
    header = verdict.header
    if verdict.state != "good" or header is None:
        return verdict
    if job is not None and (finding := judge(job, header)).state == "stale":
        return replace(verdict, state="stale", problem=finding.reason)
    problem, notes = lineage(header, found)
    if problem:
        return replace(verdict, state="stale", problem=problem)
    return replace(verdict, notes=(*verdict.notes, *notes))
