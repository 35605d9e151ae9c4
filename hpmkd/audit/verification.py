"""Verifies every file of an output: its own content, and against the plan and its parents. Changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from hpmkd.audit.findings import with_parents, without_idle_caches
from hpmkd.errors import UsageError
from hpmkd.plan.job import Job, fingerprint_of
from hpmkd.plan.roles import is_cache
from hpmkd.store import latency_file, speedup_file
from hpmkd.store.inspection import Finding, inspect, judge, side_by_side
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.sidecar import Header

UNPLANNED = "not in the plan"


def verify_output(output: OutputDir, jobs: Sequence[Job] | None) -> list[Finding]:
    """A finding on every planned file in the plan's order, then on all others.

    Args:
        output: where to look.
        jobs: the plan; None where it is not known: then only what is there can be judged.
    """
    looked = {finding.file: finding for finding in side_by_side(_look, output.model_files(), lambda path: path)}
    planned = {job.file_name: job for job in jobs or ()}
    others = [finding for name, finding in looked.items() if name not in planned]
    if jobs is not None:
        others = [finding.note(UNPLANNED) for finding in others]
    mine = [judge(looked.get(name, Finding(name, "missing")), job) for name, job in planned.items()]
    return against_parents([*mine, *others])


def measurements(output: OutputDir) -> list[Finding]:
    """A finding on each file of measured times that is there: they are dear, and the report is made from them."""
    made = []
    for path, read in ((output.latency_file, latency_file.read), (output.speedup_file, speedup_file.read)):
        if path.is_file():
            try:
                read(path)
                made.append(Finding(path.name, "good"))
            except UsageError as error:
                made.append(Finding(path.name, "damaged", f"{error.found}; {error.todo}"))
    return made


def _look(path: Path) -> Finding:
    return inspect(path, "content")


def against_parents(findings: Sequence[Finding]) -> list[Finding]:
    """Compares findings of single files with each other: the weights they were trained from, and fingerprints."""
    by_key: dict[str, Finding] = {}
    for one in sorted(findings, key=lambda one: one.job is None):
        by_key.setdefault(one.key, one)
    # A stray with the name of another file but for its ending is judged by itself: nobody has learnt from it.
    strays = [one for one in findings if by_key[one.key] is not one]
    known = {key: one.header for key, one in by_key.items() if one.good and one.header is not None}
    judged = with_parents({key: _against_recipe(one, known) for key, one in by_key.items()})
    return [*without_idle_caches(judged, ["missing"]).values(), *strays]


def _against_recipe(finding: Finding, known: Mapping[str, Header]) -> Finding:
    """A good file: do its own recipe and its parents' fingerprints give its fingerprint?"""
    header = finding.header
    if not finding.good or header is None:
        return finding
    meta, parents = header.metadata, header.metadata.get("parents", {})
    # A logits cache may go when its students are trained; then its network still vouches for them.
    gone = [key for key in parents if key not in known and not is_cache(key)]
    if gone:
        return finding.note(*(f"cannot be compared with {key}: there is no good file" for key in gone))
    changed = any(key in known and known[key].weights != weights for key, weights in parents.items())
    if changed or "recipe" not in meta or any(key not in known for key in parents):
        return finding
    # The network behind a logits cache is recorded too, but it is the cache that the recipe names.
    caches = [known[key].metadata.get("parents") or {} for key in parents if is_cache(key)]
    direct = [key for key in parents if not any(key in behind for behind in caches)]
    fingerprints = [str(known[key].metadata.get("fingerprint")) for key in direct]
    if fingerprint_of(meta["recipe"], fingerprints) != meta.get("fingerprint"):
        return replace(finding, state="stale", reason="its recipe and parents do not give its fingerprint")
    return finding
