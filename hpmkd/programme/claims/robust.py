"""Claims about corrupted data."""

from __future__ import annotations

import functools
from collections.abc import Iterator

from hpmkd.analysis.experiments.contrast import evidence, is_shown, records
from hpmkd.analysis.experiments.severity_tables import SAME
from hpmkd.analysis.report.content import Report
from hpmkd.numeric import digits
from hpmkd.programme.claims.base import Evidence, Verdict
from hpmkd.programme.claims.order import OWN


def _loses_less(report: Report, name: str) -> Iterator[Evidence]:
    """Whether HPM-KD loses less than Direct where teachers see the same images: a difference of differences."""
    table = report.table(name)
    if table is None:
        return
    mine = table.frame[(table.frame["baseline"] == OWN) & (table.frame["arm"] == SAME) & (table.frame["n"] > 1)]
    for (place, kind), part in mine.groupby(["place", "kind"], sort=False):
        rows = records(part)
        less = [row for row in rows if is_shown(row) and row["difference"] < 0]
        more = [row for row in rows if is_shown(row) and row["difference"] > 0]
        verdict = Verdict.UNDECIDED
        if less:
            verdict = Verdict.AGREES if len(less) == len(rows) else Verdict.IN_PART
        elif more:
            verdict = Verdict.OPPOSITE
        each = "; ".join(f"at {kind}{digits(float(row['level']))} {evidence(row)}" for row in rows)
        yield Evidence(str(place), verdict, f"what {OWN} loses minus what Direct loses: {each}")


imbalance = functools.partial(_loses_less, name="imbalance-robust")
noise = functools.partial(_loses_less, name="noise-robust")
