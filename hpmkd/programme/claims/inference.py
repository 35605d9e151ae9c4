"""Claims about inference."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from hpmkd.analysis.report.content import Report
from hpmkd.numeric import fixed
from hpmkd.programme.claims.base import Evidence, Verdict


def smaller_is_faster(report: Report) -> Iterator[Evidence]:
    """One image per call in eager mode, by device and threads: the network of the fewest multiply-adds against the one
    of the most."""
    cells, networks = report.table("latency"), report.table("latency-networks")
    if cells is None or networks is None or len(networks.frame) < 2:
        return
    smallest = networks.frame.set_index("name")["multiply_adds"].idxmin()
    rows = cells.frame[(cells.frame["batch"] == 1) & (cells.frame["runtime"] == "eager")]
    for place, part in rows.groupby("place", sort=False):
        mine = part[part["network"] == smallest]
        if len(mine):
            yield _judged(str(place), part, mine.iloc[0])


def _judged(place: str, part: pd.DataFrame, mine: pd.Series) -> Evidence:
    medians = ", ".join(f"{row['network']} {row['p50']:.3g}" for _, row in part.iterrows())
    interval = f"{fixed(mine['speedup_low'], 2)} to {fixed(mine['speedup_high'], 2)}"
    times = f"{mine['network']} is {fixed(mine['speedup'], 2)} times as fast as the largest"
    text = f"median ms of one image: {medians}; {times}"
    verdict = Verdict.UNDECIDED
    if not bool(mine["trusted"]):
        text += " (not trusted: the control did not equal itself)"
    elif mine["speedup_low"] > 1:
        verdict = Verdict.AGREES
    elif mine["speedup_high"] < 1:
        verdict = Verdict.OPPOSITE
    return Evidence(place, verdict, f"{text}, 95 % interval {interval}")
