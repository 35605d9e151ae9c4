"""Turns the statistics into sentences that claim no more than the numbers show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from hpmkd.analysis import stats

LEVEL = 0.05
# Below, the bootstrap covers less than about 92 % where it says 95 %; see `stats`.
BOOTSTRAP_RUNS = 15


def verdict(row: Mapping[str, Any]) -> str:
    """One row of `stats.comparisons` -> `better`, `worse`, `open` (no difference is shown), `untested`."""
    if pd.isna(row["p_holm"]):
        return "untested"
    if row["p_holm"] >= LEVEL:
        return "open"
    return "better" if row["difference"] > 0 else "worse"


def sentence(row: Mapping[str, Any]) -> str:
    """What one row of `stats.comparisons` allows one to say."""
    name, reference, n = row["baseline"], row["reference"], int(row["n"])
    if n == 0:
        return f"{name} and {reference} have no run in common: nothing can be compared."
    change = f"{row['difference']:+.2f} points"
    if n == 1:
        return f"{name} against {reference}: {change} in the only common run; a single run proves nothing."
    if verdict(row) == "untested":
        return (
            f"{name} against {reference}: {change} in each of {n} runs; without any spread there is no interval and "
            "no test."
        )
    numbers = f"{change} (95 % interval {row['low']:+.2f} to {row['high']:+.2f}, {n} pairs, {_p(row['p_holm'])})"
    if verdict(row) != "open":
        return f"{name} is {verdict(row)} than {reference}: {numbers}."
    text = f"No difference between {name} and {reference} is shown: {numbers}."
    if row["p"] < LEVEL:
        text += f" Alone it would pass ({_p(row['p'])}); corrected for the other comparisons it does not."
    return text


def _p(value: float) -> str:
    """Three digits, never 0."""
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"


def sentences(comparisons: pd.DataFrame) -> list[str]:
    """Over all data sets first, where there are several; then row by row, what is shown before what is not."""
    if comparisons.empty:
        return ["Nothing can be compared yet: that needs students of a reference and of another baseline."]
    rows = [{str(name): value for name, value in row.items()} for row in comparisons.to_dict("records")]
    # A pair of references would be said twice, once in each direction.
    rows = [row for row in rows if (row["reference"], row["baseline"]) != ("HPM-KD", "Direct")]
    order = ("better", "worse", "open", "untested")
    made = _overall(rows)
    datasets = list(dict.fromkeys(row["dataset"] for row in rows))
    for dataset in datasets:
        mine = sorted((row for row in rows if row["dataset"] == dataset), key=lambda row: order.index(verdict(row)))
        prefix = f"{dataset}: " if len(datasets) > 1 else ""
        made += [prefix + sentence(row) for row in mine]
    if any(verdict(row) == "open" for row in rows):
        made.append("Where no difference is shown, there may still be one: any value in the interval fits these runs.")
    return made


def _overall(rows: list[dict[str, Any]]) -> list[str]:
    made = []
    for reference in dict.fromkeys(row["reference"] for row in rows):
        for baseline in dict.fromkeys(row["baseline"] for row in rows if row["reference"] == reference):
            mine = [verdict(row) for row in rows if (row["reference"], row["baseline"]) == (reference, baseline)]
            if len(mine) > 1:
                counts = [f"{word} on {mine.count(word)}" for word in ("better", "worse") if word in mine]
                open_ones = len(mine) - sum(mine.count(word) for word in ("better", "worse"))
                counts += [f"without a shown difference on {open_ones}"] if open_ones else []
                made.append(f"{baseline} against {reference}, {len(mine)} data sets: {', '.join(counts)}.")
    return made


def cautions(frame: pd.DataFrame, comparisons: pd.DataFrame) -> list[str]:
    """What limits the conclusions: too few numbers, or numbers that cannot be compared."""
    made = []
    compared = comparisons[comparisons["n"] > 0]
    if len(compared):
        least = int(compared["n"].min())
        if least < 2:
            made.append("With one run per baseline there are no intervals and no tests; the order may be chance.")
        elif least < 6:
            attainable = 2.0 ** (1 - least)
            made.append(
                f"Where there are only {least} pairs an exact Wilcoxon test cannot give a p below "
                f"{attainable:.4g}: it cannot reach {LEVEL:g}, however large the difference. The paired t-test can, if "
                "differences are roughly normal."
            )
        if 2 <= least < BOOTSTRAP_RUNS:
            made.append(
                f"Where there are only {least} pairs bootstrap intervals are too narrow (see the method notes); use "
                "Student's t interval instead."
            )
    datasets = stats.students(frame)["dataset"].nunique()
    if 1 < datasets < 5:
        made.append(f"Mean ranks over {datasets} data sets describe these data sets; they do not generalise to others.")
    for column, name in (("device", "kinds of device"), ("torch", "versions of torch"), ("hpmkd", "versions of hpmkd")):
        kinds = sorted(frame.loc[frame["planned"].astype(bool), column].dropna().unique())
        if len(kinds) > 1:
            made.append(f"The models come from {len(kinds)} {name} ({', '.join(kinds)}): times cannot be compared.")
    return made
