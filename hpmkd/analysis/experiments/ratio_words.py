"""What students of several sizes show, in sentences that are computed from their tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hpmkd.analysis.experiments.contrast import LEVEL, evidence, is_shown, listed, runs_text
from hpmkd.numeric import fixed, is_defined

Rows = Sequence[Mapping[str, Any]]
_ENDS = ("share_low", "share_high")
_FEW = 6  # names that a sentence lists


def sentences(sizes: Rows, numbers: Rows, pairs: Rows, trends: Rows) -> list[str]:
    """Of one series.

    Args:
        sizes: the rows of the table of networks.
        numbers: those of retention and the gap.
        pairs: those of paired differences.
        trends: those of their change with the size.
    """
    made = [_networks(sizes), *_gap(sizes)]
    for reference in dict.fromkeys(str(row["reference"]) for row in pairs):
        own = [row for row in pairs if row["reference"] == reference]
        made += _against(reference, own)
        made += _change(reference, [row for row in trends if row["reference"] == reference])
    return [*made, *_shares(numbers)]


def times(value: float) -> str:
    """A ratio: `4`, `9.97`, `20`."""
    return f"{value:.3g}"


def _networks(sizes: Rows) -> str:
    ends = [(sizes[0][name], sizes[-1][name]) for name in ("ratio", "multiply_add_ratio")]
    (few, many), (less, more) = ends
    return (
        f"{sizes[0]['arch']} students of {len(sizes)} sizes: the parameters of the teacher ({sizes[0]['teacher']}) "
        f"divided by {times(few)} to {times(many)}, the multiply-adds by {times(less)} to {times(more)}."
    )


def _gap(sizes: Rows) -> list[str]:
    known = [row for row in sizes if row["gap_finding"] != "no test"]
    if not known:
        return ["Whether the teacher is above Direct is not tested yet: that takes two runs of Direct and the teacher."]
    above = [row for row in known if row["gap_finding"] == "above"]
    rest = [row for row in known if row["gap_finding"] != "above"]
    made = []
    if above:
        most = max(above, key=lambda row: row["gap"])
        made.append(
            f"The teacher is shown to be above Direct at {_which(above, known)}, "
            f"by up to {fixed(most['gap'], 2)} points ({fixed(most['gap_low'], 2)} to {fixed(most['gap_high'], 2)}, at "
            f"{times(most['ratio'])})."
        )
    if rest:
        made.append(
            f"At a ratio of {listed([times(row['ratio']) for row in rest])} the teacher is not shown to be above "
            "Direct: there is no gap of which a share could be closed."
        )
    return made


def _against(reference: str, rows: Rows) -> list[str]:
    """A sentence per baseline with a difference at some size, one for all others."""
    made, left, runs = [], [], []
    for name in dict.fromkeys(str(row["name"]) for row in rows):
        own = [row for row in rows if row["name"] == name and row["n"] > 1]
        if not own:
            continue
        shown = [row for row in own if is_shown(row)]
        if not shown:
            left.append(name)
            runs += [int(row["n"]) for row in own]
            continue
        parts = [
            f"{word} at {_which(some, own)}"
            for word, some in (
                ("better", [row for row in shown if row["difference"] > 0]),
                ("worse", [row for row in shown if row["difference"] < 0]),
            )
            if some
        ]
        parts += [f"not shown at {len(own) - len(shown)} of {len(own)} sizes"] if len(shown) < len(own) else []
        most = max(shown, key=lambda row: abs(row["difference"]))
        made.append(
            f"{name} against {reference}: {'; '.join(parts)}. The largest that is shown, at {times(most['ratio'])}: "
            f"{evidence(most)}."
        )
    if left:
        made.append(f"No difference to {reference} is shown at any size: {_names(left)} ({runs_text(runs)}).")
    if not made:
        made.append(f"Against {reference}, one run each shows nothing; every difference may be chance.")
    return made


def _which(some: Rows, every: Rows) -> str:
    if len(some) == len(every) > 1:
        return f"each of the {len(every)} sizes"
    return f"a ratio of {listed([times(row['ratio']) for row in some])}"


def _names(names: Sequence[str]) -> str:
    return listed(names) if len(names) <= _FEW else f"{', '.join(names[:_FEW])} and {len(names) - _FEW} others"


def _change(reference: str, rows: Rows) -> list[str]:
    known = [row for row in rows if is_defined(row["p_holm"])]
    shown = [row for row in known if row["p_holm"] < LEVEL]
    made = [
        f"{row['name']} against {reference} changes with the size: each time the student has half as many parameters, "
        f"{evidence(row)}."
        for row in shown
    ]
    if known and not shown:
        made.append(f"That any difference to {reference} changes with the size of the student is not shown.")
    return made


def _shares(numbers: Rows) -> list[str]:
    """The widest gap is the least uncertain: what each method closes of it."""
    known = [row for row in numbers if is_defined(row["share_low"])]
    if not known:
        return []
    at = max(row["ratio"] for row in known)
    rows = sorted((row for row in known if row["ratio"] == at), key=lambda row: -row["share_pct"])
    shown = [row for row in rows if row["share_low"] > 0 or row["share_high"] < 0]
    said = [
        f"{row['name']} {fixed(row['share_pct'], 0)} % ({' to '.join(fixed(row[end], 0) for end in _ENDS)} %)"
        for row in (shown or rows)[:_FEW]
    ]
    more = f" and {len(shown or rows) - _FEW} others" if len(shown or rows) > _FEW else ""
    left = len(rows) - len(shown)
    rest = f"; of {left} other{'s' * (left > 1)} the interval includes 0" if shown and left else ""
    none = "" if shown else "; every interval includes 0"
    return [f"Of the gap at a ratio of {times(at)} the students close: {', '.join(said)}{more}{rest}{none}."]
