"""Tables and figures of students of several sizes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import pandas as pd

from hpmkd.analysis.experiments.contrast import SHARED
from hpmkd.analysis.plots import sizes as plots
from hpmkd.analysis.section import Drawing, Format, Table, digits
from hpmkd.numeric import p_value, whole

_SIGNED = digits(2, sign=True)
_HIDDEN = (
    "The share of the gap, (S - D) / (T - D), is the ratio of the means over runs, with Fieller's 95 % interval; it is "
    "shown where the 95 % interval of T - D (teacher minus Direct) is above 0, and means nothing elsewhere."
)


def _places(several: bool) -> dict[str, tuple[str, Format]]:
    return {"series": ("data set", str)} if several else {}


_RATIOS: dict[str, tuple[str, Format]] = {
    "ratio": ("parameters /", digits(2)), "multiply_add_ratio": ("multiply-adds /", digits(2)),
}  # fmt: skip


def size_table(sizes: pd.DataFrame, several: bool) -> Table:
    """The networks, and the gap between teacher and Direct."""
    columns: dict[str, tuple[str, Format]] = {
        **_places(several), **_RATIOS, "arch": ("student", str), "widths": ("widths", str),
        "parameters": ("parameters", whole), "teacher_pct": ("teacher %", digits(2)),
        "direct_pct": ("Direct %", digits(2)), "gap": ("gap", _SIGNED), "gap_low": ("95 % from", _SIGNED),
        "gap_high": ("to", _SIGNED), "gap_finding": ("the teacher is", str),
    }  # fmt: skip
    note = (
        "By how much the teacher's parameters, and the multiply-adds of its forward pass, are divided; and the gap "
        "T - D that distillation could close, with its 95 % interval by Student's t over the runs of Direct. The "
        "teacher is one network, the same for all sizes."
    )
    return Table("ratios-networks", "Sizes and gaps", sizes, columns=columns, note=note)


def number_table(numbers: pd.DataFrame, several: bool) -> Table:
    """Accuracy, retention and the share of the gap."""
    columns: dict[str, tuple[str, Format]] = {
        **_places(several), **_RATIOS, "name": ("baseline", str), "runs": ("runs", whole),
        "mean_pct": ("accuracy %", digits(2)), "retention_pct": ("retention %", digits(2)),
        "retention_low": ("95 % from", digits(2)), "retention_high": ("to", digits(2)),
        "share_pct": ("of the gap %", digits(0)), "share_low": ("95 % from", digits(0)),
        "share_high": ("to", digits(0)),
    }  # fmt: skip
    note = f"Retention: the students' mean accuracy in percent of their teacher's. {_HIDDEN} {SHARED}"
    return Table("ratios", "Retention and the gap by size", numbers, columns=columns, note=note)


def pair_table(pairs: pd.DataFrame, several: bool) -> Table:
    """Paired differences to both references."""
    columns: dict[str, tuple[str, Format]] = {
        **_places(several), **_RATIOS, "name": ("baseline", str), "reference": ("against", str), "n": ("pairs", whole),
        "difference": ("difference", _SIGNED), "low": ("95 % from", _SIGNED), "high": ("to", _SIGNED),
        "p_holm": ("p (Holm)", p_value),
    }  # fmt: skip
    note = (
        "Run by run at the same size, percentage points with a 95 % interval by Student's t; Holm over the sizes of "
        f"one baseline against one reference. {SHARED}"
    )
    return Table("ratios-differences", "Differences by size", pairs, columns=columns, note=note)


def trend_table(trends: pd.DataFrame, several: bool) -> Table:
    """How differences change with the size."""
    columns: dict[str, tuple[str, Format]] = {
        **_places(several), "name": ("baseline", str), "reference": ("against", str), "n": ("runs", whole),
        "difference": ("per doubling", _SIGNED), "low": ("95 % from", _SIGNED), "high": ("to", _SIGNED),
        "p_holm": ("p (Holm)", p_value),
    }  # fmt: skip
    note = (
        "How the difference changes each time the student has half as many parameters: the slope over the logarithm of "
        "the ratio, run by run, of runs with every size; Holm over the baselines against one reference. + means that "
        "the smaller the student the more a method buys."
    )
    return Table("ratios-trends", "Change with the size", trends, columns=columns, note=note)


def drawings(numbers: pd.DataFrame, pairs: pd.DataFrame, order: Sequence[str], several: bool) -> list[Drawing]:
    """Over the ratio of parameters: differences, retention, the share of the gap."""
    made: list[Drawing] = []
    for reference in dict.fromkeys(pairs["reference"]):
        rows = pairs[(pairs["reference"] == reference) & pairs["difference"].notna()]
        if rows.empty:
            continue
        figure = partial(plots.over_ratio, rows, ("difference", "low", "high"), "points", order, several, zero=True)
        text = f"Differences to {reference} in the same runs, mean and 95 % interval (Student's t)."
        name = "ratios" if not made else f"ratios-{reference.lower()}"
        made.append(Drawing(name, f"Against {reference} by size", figure, text))
    known = numbers[numbers["retention_pct"].notna()]
    if len(known):
        figure = partial(
            plots.over_ratio, known, ("retention_pct", "retention_low", "retention_high"), "%", order, several
        )
        text = "Accuracy of the students in percent of their teacher's, mean and 95 % interval (Student's t)."
        made.append(Drawing("ratios-retention", "Retention by size", figure, text))
    shares = numbers[numbers["share_pct"].notna()]
    if len(shares):
        figure = partial(
            plots.over_ratio,
            shares,
            ("share_pct", "share_low", "share_high"),
            "% of the gap",
            order,
            several,
            zero=True,
        )
        text = f"{_HIDDEN} An interval that leaves the panel stands in the table."
        made.append(Drawing("ratios-gap", "Share of the gap closed", figure, text))
    return made
