"""Claims about corrupted data."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hpmkd.analysis.experiments.contrast import evidence, is_shown, records
from hpmkd.analysis.experiments.severity_tables import CLEAN, SAME, cannot_lose
from hpmkd.analysis.report.content import Report
from hpmkd.data.source.listing import count
from hpmkd.numeric import digits
from hpmkd.programme.claims.base import Evidence, Verdict
from hpmkd.programme.claims.order import OWN

# The arms that can tell, the paper's own first.
_ARMS = {CLEAN: "teachers of clean data, as the paper's", SAME: "teachers see what students see, unlike the paper's"}
_OTHERWISE = "the paper speaks of retention against KD and TAKD, this is loss against Direct"
Rows = Sequence[dict[str, Any]]


def _loses_less(report: Report, name: str) -> Iterator[Evidence]:
    """Whether HPM-KD loses less than Direct, a difference of differences; where teachers are clean, as the claim has
    them, if that was trained, else where they see the same images."""
    table = report.table(name)
    if table is None:
        return
    mine = table.frame[(table.frame["baseline"] == OWN) & (table.frame["n"] > 1)]
    for (place, kind), part in mine.groupby(["place", "kind"], sort=False):
        arms = {arm: records(part[part["arm"] == arm]) for arm in _ARMS if (part["arm"] == arm).any()}
        if arms:
            yield _judged(str(place), str(kind), arms)


def _judged(place: str, kind: str, arms: Mapping[str, Rows]) -> Evidence:
    """By the first arm; what others show is said, too."""
    (arm, rows), *others = arms.items()
    less, more = _shown(rows)
    verdict = Verdict.UNDECIDED
    if less:
        verdict = Verdict.AGREES if len(less) == len(rows) else Verdict.IN_PART
    elif more:
        verdict = Verdict.OPPOSITE
    each = "; ".join(f"at {kind}{digits(float(row['level']))} {evidence(row)}{_near(row)}" for row in rows)
    beside = "".join(f"; {_counted(*other)}" for other in others)
    text = f"arm “{arm}” ({_ARMS[arm]}), what {OWN} loses minus what Direct loses: {each}{beside}; {_OTHERWISE}"
    return Evidence(place, verdict, text)


def _shown(rows: Rows) -> tuple[Rows, Rows]:
    """Those that show that it loses less, and more; not where the one that loses less had nothing left to lose."""
    shown = [row for row in rows if is_shown(row) and not cannot_lose(row)]
    return [row for row in shown if row["difference"] < 0], [row for row in shown if row["difference"] > 0]


def _near(row: dict[str, Any]) -> str:
    return " (not counted: near chance)" if is_shown(row) and cannot_lose(row) else ""


def _counted(arm: str, rows: Rows) -> str:
    less, more = _shown(rows)
    where = f"in the arm “{arm}” ({_ARMS[arm]}), of {count(len(rows), 'comparison')}"
    return f"{where}, {len(less)} shown to be less and {len(more)} to be more"


imbalance = functools.partial(_loses_less, name="imbalance-robust")
noise = functools.partial(_loses_less, name="noise-robust")
