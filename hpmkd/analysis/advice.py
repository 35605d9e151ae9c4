"""What to do next, and what the statistics beside the main test say, in sentences that are computed from them."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from hpmkd.analysis import stats
from hpmkd.analysis.stats.power import MAX_RUNS, POWER
from hpmkd.data.source.listing import count
from hpmkd.numeric import is_defined, whole

# What one sentence can hold.
_MAX_GROUPS = 4


def advice(needed: pd.DataFrame) -> list[str]:
    """How many runs would show `stats.MARGIN` points, by the spread of the differences to the first reference.

    Args:
        needed: of `stats.needed`, in the order of the references.
    """
    rows = needed[needed["runs_needed"].notna()]
    if rows.empty:
        return []
    reference = rows["reference"].iloc[0]
    rows = rows[rows["reference"] == reference]
    medians = [part.sort_values("sd").iloc[len(part) // 2] for _, part in rows.groupby("place", sort=False)]
    count = int(rows["family"].max())
    test = f"two-sided paired t-test at {stats.LEVEL:g}"
    test += f" / {count}, the first step of Holm's correction" if count > 1 else ""
    said = _each(medians) if len(medians) <= _MAX_GROUPS else _range(medians)
    return [
        f"To show a difference of {stats.MARGIN:g} points from {reference} takes {said}: by the median spread of the "
        f"paired differences, and by the ends of its 95 % interval ({test}, power {100 * POWER:.0f} %)."
    ]


def _each(medians: list[pd.Series]) -> str:
    names = [row["place"] for row in medians]
    said = [
        f"{runs_text(row['runs_needed'])} runs on {name} ({runs_text(row['runs_low'])} to "
        f"{runs_text(row['runs_high'])}; there are {whole(row['n'])})"
        for name, row in zip(names, medians, strict=True)
    ]
    return ", ".join(said)


def _range(medians: list[pd.Series]) -> str:
    needs = sorted(float(row["runs_needed"]) for row in medians)
    ends = [min(float(row["runs_low"]) for row in medians), max(float(row["runs_high"]) for row in medians)]
    said = " to ".join(dict.fromkeys(map(runs_text, (needs[0], needs[-1]))))
    return f"{said} runs over {count(len(medians), 'group')} ({' to '.join(map(runs_text, ends))})"


def runs_text(runs: float) -> str:
    """A number of runs, which may be too large to be one."""
    return f"more than {MAX_RUNS:,}" if runs == math.inf else whole(runs)


def practical(comparisons: pd.DataFrame) -> str:
    """How many comparisons are equivalent, different, undecided; empty where none could be tested.

    Each counts once: two references stand in the tables twice, once in each direction.
    """
    rows = comparisons[comparisons["equivalence"].notna()]  # none of the same models: they have no spread
    if rows.empty:
        return ""
    told: set[tuple[str, frozenset[str]]] = set()
    verdicts = []
    for name, row in zip(rows["place"], rows.to_dict("records"), strict=True):
        # Two references are compared with each other twice, once in each direction.
        pair = (str(name), frozenset((str(row["baseline"]), str(row["reference"]))))
        verdicts += [] if pair in told else [row["equivalence"]]
        told.add(pair)
    words = {"equivalent": "equivalent", "different": "different by more", "undecided": "undecided"}
    counts = [f"{verdicts.count(word)} {said}" for word, said in words.items()]
    many = f"{len(verdicts)} comparison{'s' * (len(verdicts) != 1)}"
    return f"Against a margin of ±{stats.MARGIN:g} points (TOST), {many}: {', '.join(counts)}."


def over_groups(tests: stats.RankTests, known: Mapping[str, np.ndarray]) -> list[str]:
    """Why there is no figure over groups, or only one kind of them.

    Args:
        tests: of `stats.rank_tests`.
        known: of `stats.scores`.
    """
    least, baselines = stats.MIN_GROUPS, len(tests.table)
    if tests.groups < least:
        return [
            f"Performance profiles, interquartile means and critical differences need {least} groups (data set, "
            f"condition, pair of networks); there {'is' if tests.groups == 1 else 'are'} {tests.groups}."
        ]
    said = []
    if not known:
        said.append(f"Performance profiles and interquartile means need {least} groups with a teacher above 0 %.")
    if not is_defined(tests.critical_difference):
        said.append(
            f"Critical differences need {stats.MIN_BASELINES} baselines that have all {tests.groups} groups; there "
            f"{'is' if baselines == 1 else 'are'} {baselines}."
        )
    return said
