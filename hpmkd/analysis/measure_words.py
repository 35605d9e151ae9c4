"""What a sweep's measures beyond accuracy show, in sentences that only describe the means over models."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from hpmkd.analysis.measure_groups import TEACHER, Group, mean_of
from hpmkd.audit.measure_tables import summary
from hpmkd.data.source.listing import count, some_of
from hpmkd.numeric import fixed, percent


def sentences(frame: pd.DataFrame, found: Sequence[Group], order: Sequence[str]) -> list[str]:
    """Some sentences per place, of its students.

    Args:
        frame: of `results.collect`.
        found: of `measure_groups.groups`.
        order: the baselines.
    """
    table = summary(frame)
    several = table["place"].nunique() > 1
    made = []
    for place, part in table.groupby("place", sort=False):
        students = part[part["baseline"] != TEACHER].set_index("baseline")
        students = students.loc[[name for name in order if name in students.index]]
        if students.empty:
            continue
        mine = [one for one in found if one.place == place and one.baseline != TEACHER]
        lines = [_classes(students, mine), *_calibration(students), *_agreement(students)]
        made += [f"{place}: " * several + line for line in lines]
    return made


def _classes(students: pd.DataFrame, found: Sequence[Group]) -> str:
    gap = (students[["macro_f1_pct", "balanced_accuracy_pct"]].sub(students["accuracy_pct"], axis=0)).abs().max().max()
    said = f"Macro-F1 and balanced accuracy are within {fixed(gap, 2)} points of accuracy for every baseline"
    recall = mean_of([one.recall for one in found])
    if recall is None or np.isnan(recall).all():
        return f"{said}."
    worst, best = int(np.nanargmin(recall)), int(np.nanargmax(recall))
    return (
        f"{said}. Class {worst} is found least ({percent(100 * recall[worst], 1)} of its images, mean of the "
        f"baselines) and {best} most ({percent(100 * recall[best], 1)})."
    )


def _calibration(students: pd.DataFrame) -> list[str]:
    before = students["ece_pct"]
    made = [f"Calibration error (ECE): {_range(before)}."]
    fitted = students.dropna(subset=["temperature", "ece_scaled_pct"])
    if len(fitted):
        over, scaled = int((fitted["temperature"] > 1).sum()), fitted["ece_scaled_pct"]
        lower, rest = (scaled[part] for part in (scaled < fitted["ece_pct"], ~(scaled < fitted["ece_pct"])))
        said = f": {_range(lower)}" if len(lower) else ""
        if len(rest):
            said += f"; for the other{'s' * (len(rest) > 1)}" if said else ":"
            said += f" it is {_range(rest)}"
        made.append(
            f"The fitted temperature is above 1 (too sure of themselves) for {over} of "
            f"{count(len(fitted), 'baseline')}; with it the calibration error is lower for {len(lower)} of "
            f"{len(fitted)}{said}."
        )
    return made


def _agreement(students: pd.DataFrame) -> list[str]:
    taught, alone = students.drop(index="Direct", errors="ignore"), students[students.index == "Direct"]
    same, errors = taught["agreement_pct"].dropna(), taught["agreement_on_errors_pct"].dropna()
    if same.empty:
        return []
    line = f"Distilled students give the class that the teacher gives for {_range(same)} of the test images"
    own = alone["agreement_pct"].dropna()
    if len(own):
        above = int((same > own.iloc[0]).sum())
        line += f"; Direct, which has not learnt from it, for {percent(own.iloc[0], 1)}: "
        line += f"{some_of(above, len(same), 'baseline', verb='agrees')} more than that"
    made = [f"{line}."]
    if len(errors):
        line = f"Of the images that the teacher gets wrong, they give its very error for {_range(errors)}"
        own = alone["agreement_on_errors_pct"].dropna()
        made.append(f"{line}{f'; Direct for {percent(own.iloc[0], 1)}' if len(own) else ''}.")
    return made


def _range(values: pd.Series) -> str:
    """`1.2% (AT) to 3.4% (TAKD)`."""
    names, numbers = [*map(str, values.index)], [*map(float, values)]
    low, high = (numbers.index(find(numbers)) for find in (min, max))
    if numbers[low] == numbers[high]:
        return percent(numbers[low], 1) + (f" ({names[0]})" if len(names) == 1 else "")
    return f"{percent(numbers[low], 1)} ({names[low]}) to {percent(numbers[high], 1)} ({names[high]})"


def unmeasured(frame: pd.DataFrame) -> tuple[int, int]:
    """How many of the planned networks have no measures, and how many networks there are."""
    networks = frame[frame["planned"].astype(bool) & frame["accuracy_pct"].notna()]
    known = networks["nll"].notna().sum() if "nll" in networks else 0
    return int(len(networks) - known), len(networks)
