"""Published and here: what papers print for a pair of networks on CIFAR-100, beside a sweep's own numbers.

A number without its protocol is worth nothing. So each side has flags, and where they differ nothing is concluded. The
numbers, their sources and flags lie in `published.json`.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from typing import Any

import pandas as pd

from hpmkd.analysis import stats
from hpmkd.analysis.experiments.published_flags import (
    differences,
    flags_of,
    is_published_data,
    is_the_same,
    usual_networks,
)
from hpmkd.analysis.section import Format, Section, Table, digits
from hpmkd.audit.chosen import unchosen
from hpmkd.audit.places import groups, stems
from hpmkd.audit.sweep_dir import Saved
from hpmkd.data.source.listing import count, named
from hpmkd.numeric import fixed, is_defined, whole
from hpmkd.plan.job import Job
from hpmkd.plan.roles import Role

_LAST, _BEST = "accuracy_pct", "best_test_accuracy_pct"
# Among the jobs of a place, beside those of baselines.
_KINDS = ("teacher", "student")
_COLUMNS = ["place", "pair", "method", "published_pct", "published_epoch", "baseline", "runs", "here_pct", "here_epoch",
            "low_pct", "high_pct", "differs", "finding", "source"]  # fmt: skip
_AND = "; "  # between differences
_NOTHING, _MORE = "not trained here", "one run: no verdict"
NO_VERDICT = "no verdict"


@functools.cache
def published() -> Mapping[str, Any]:
    """`methods`: name -> source and flags; `pairs`: teacher, student, and number by method, percent."""
    text = resources.files(__package__).joinpath("published.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


def section(frame: pd.DataFrame, order: Sequence[str], saved: Saved) -> Section | None:
    """Of sweeps that have a pair, and a baseline, of which papers print a number; see `experiments.registry`."""
    table = beside(frame, saved)
    if not table["here_pct"].notna().any():
        return None
    return Section("published", "Published and here", tuple(_sentences(table)), tables=(_table(table),))


def beside(frame: pd.DataFrame, saved: Saved) -> pd.DataFrame:
    """A row per place and published number of its pair, whether it was trained here or not."""
    jobs = _jobs(saved.jobs)
    shown = frame.drop(unchosen(frame, saved.config))
    rows = []
    for names, part in groups(shown):
        mine = jobs.get(names["place"], {})
        for pair in published()["pairs"]:
            if mine and usual_networks(mine["teacher"].model, mine["student"].model, pair):
                rows += [{"place": names["place"], **row} for row in _rows(pair, part, mine)]
    made = pd.DataFrame(rows, columns=_COLUMNS)
    return made.astype(dict.fromkeys(("published_pct", "runs", "here_pct", "low_pct", "high_pct"), "float64"))


def _jobs(jobs: Sequence[Job]) -> dict[str, dict[str, Job]]:
    """Place -> baseline -> the job of one of its students; `teacher`: theirs, `student`: any of them."""
    every, found = {job.key: job for job in jobs}, dict[str, dict[str, Job]]()
    for job in jobs:
        teacher = every.get(job.reference or "")
        if job.role is Role.STUDENT and teacher is not None and is_published_data(job.data):
            mine = found.setdefault(job.place, {"teacher": teacher, "student": job})
            mine.setdefault(str(job.baseline), job)
    return found


def _rows(pair: Mapping[str, Any], part: pd.DataFrame, jobs: Mapping[str, Job]) -> Iterator[dict[str, Any]]:
    label = f"{pair['teacher']} to {pair['student']}"
    for method, number in pair["numbers"].items():
        about = published()["methods"][method]
        own = about.get("settings", {}) | pair.get("settings", {}).get(method, {})
        row = {"pair": label, "method": method, "published_pct": number, "published_epoch": about["epoch"]}
        yield row | {"source": about["source"]} | _here({**about, "settings": own}, number, part, jobs)


def _here(about: Mapping[str, Any], number: float, part: pd.DataFrame, jobs: Mapping[str, Job]) -> dict[str, Any]:
    """The number of the same kind, last epoch or best, where there is one; else that of the last.

    Of several baselines of one method (`AT`, `AT-alone-beta1000`) that whose flags differ least.
    """
    if about["baseline"] == "teacher":
        return _of("teacher", about, number=number, part=part, jobs=jobs) or {"finding": _NOTHING}
    labels = [name for name, job in jobs.items() if name not in _KINDS and is_the_same(job, about)]
    found = [one for label in labels if (one := _of(label, about, number=number, part=part, jobs=jobs))]
    return min(
        found, key=lambda one: len(one["differs"].split(_AND)) * bool(one["differs"]), default={"finding": _NOTHING}
    )


def _of(
    baseline: str, about: Mapping[str, Any], number: float, part: pd.DataFrame, jobs: Mapping[str, Job]
) -> dict[str, Any]:
    """Our number of one baseline beside the published one; empty where none of its models is there."""
    models = part[(part["role"] == "student") & (part["baseline"] == baseline)]
    if baseline == "teacher":  # the first of several, of each run where each has its own
        models = part[stems(part).isin(part["teacher"].dropna())]
    job = jobs.get(baseline)
    if job is None or models.empty:
        return {}
    best = bool(about["epoch"] == "best" and _BEST in models and models[_BEST].notna().all())
    values = models[_BEST if best else _LAST].astype(float)
    summed = pd.DataFrame({"runs": [len(values)], "mean_pct": [values.mean()], "sd_pct": [values.std(ddof=1)]})
    ends = stats.with_intervals(summed).iloc[0]
    ours = flags_of(job, about.get("settings", {}), best=best)
    differs = differences(about, ours)
    made = {"baseline": baseline, "runs": len(values), "here_pct": values.mean(), "here_epoch": ours["epoch"]}
    made |= {"low_pct": ends["low_pct"], "high_pct": ends["high_pct"], "differs": _AND.join(differs)}
    return made | {"finding": NO_VERDICT if differs else _verdict(number, ends["low_pct"], ends["high_pct"])}


def _verdict(number: float, low: float, high: float) -> str:
    if not (is_defined(low) and is_defined(high)):
        return _MORE
    return "higher here" if number < low else "lower here" if number > high else "within the interval"


def _sentences(table: pd.DataFrame) -> Iterator[str]:
    trained = table[table["here_pct"].notna()]
    same = trained[trained["differs"] == ""]
    pairs = list(dict.fromkeys(table["pair"]))
    yield (
        f"Papers print {count(len(table), 'number')} for {named(pairs)} on CIFAR-100; {len(trained)} of these methods "
        f"were trained here, {len(same)} of them under the published flags."
    )
    if same.empty:
        yield "As the flags of all others differ, nothing is concluded; the table says in what they differ."
    for row in same.to_dict("records"):
        said = f"{fixed(row['low_pct'], 2)} to {fixed(row['high_pct'], 2)}"
        yield (
            f"{row['method']}, {row['pair']}, {row['here_epoch']} epoch: {fixed(row['published_pct'], 2)} % published, "
            f"{fixed(row['here_pct'], 2)} % here (95 % interval {said}): {row['finding']}."
        )


def _table(table: pd.DataFrame) -> Table:
    columns: dict[str, tuple[str, Format]] = {
        "pair": ("pair", str), "method": ("method", str), "published_pct": ("published %", digits(2)),
        "published_epoch": ("its epoch", str), "here_pct": ("here %", digits(2)), "here_epoch": ("epoch", str),
        "runs": ("n", whole), "low_pct": ("95 % from", digits(2)), "high_pct": ("to", digits(2)),
        "differs": ("differs in", str), "finding": ("finding", str), "source": ("source", str),
    }  # fmt: skip
    note = (
        "Test accuracy on CIFAR-100. Here: mean over runs with its 95 % interval by Student's t, of the last epochs; "
        "where the published number is the best test accuracy of any epoch and the sweep knows its own, of those. "
        "Flags: epochs, augmentation, training images, last or best epoch, whether a method's term stands alone or on "
        "KD, and the recipe (with T and alpha of KD). Where one of them differs there is no verdict, whatever the "
        "numbers are. Published numbers have no intervals, so one outside of ours is a hint, not a test."
    )
    shown = table.assign(differs=table["differs"].fillna(""))
    return Table("published", "Published numbers, and those of this sweep", shown, columns=columns, note=note)
