"""What limits the conclusions of a report."""

from __future__ import annotations

import pandas as pd

from hpmkd.analysis import stats
from hpmkd.analysis.conclusions import LEVEL, MAX_NAMES, places
from hpmkd.config.protocol import LITERATURE
from hpmkd.data.source.listing import named

# Below, the bootstrap covers less than about 92 % where it says 95 %; see `stats`.
BOOTSTRAP_RUNS = 15


def cautions(frame: pd.DataFrame, comparisons: pd.DataFrame) -> list[str]:
    """What limits the conclusions: too few numbers, or numbers that cannot be compared."""
    made = _few_runs(comparisons[comparisons["n"] > 0])
    students = stats.students(frame)
    count, noun = students["place"].nunique(), places(students.to_dict("records"))
    if 1 < count < 5:
        these = noun.split(" of ")[0]
        made.append(f"Mean ranks over {count} {noun} describe these {these}; they do not generalise to others.")
    if "protocol" in frame and (frame.loc[frame["planned"].astype(bool), "protocol"] == LITERATURE).any():
        made.append(
            "Protocol literature: no images were held out, and others chose its recipe on these test images, so "
            "accuracies may be too high for new images; best test epochs are."
        )
    for column, name in (("device", "kinds of device"), ("torch", "versions of torch"), ("hpmkd", "versions of hpmkd")):
        kinds = sorted(map(str, frame.loc[frame["planned"].astype(bool), column].dropna().unique()))
        if len(kinds) > 1:
            made.append(f"The models come from {len(kinds)} {name} ({', '.join(kinds)}): times cannot be compared.")
    return made


def _few_runs(compared: pd.DataFrame) -> list[str]:
    tested = compared.loc[compared["n"] > 1, "n"]
    made = _untested(compared)
    if tested.empty:
        return made
    least = int(tested.min())
    if least < 6:
        attainable = 2.0 ** (1 - least)
        made.append(
            f"Where there are only {least} pairs an exact Wilcoxon test cannot give a p below "
            f"{attainable:.4g}: it cannot reach {LEVEL:g}, however large the difference. The paired t-test can, if "
            "differences are roughly normal."
        )
    if least < BOOTSTRAP_RUNS:
        made.append(
            f"Where there are only {least} pairs bootstrap intervals are too narrow (see the method notes); use "
            "Student's t interval instead."
        )
    return made


def _untested(compared: pd.DataFrame) -> list[str]:
    """Of comparisons with a single run, all of them or some."""
    once = compared[compared["n"] == 1]
    if once.empty:
        return []
    if len(once) == len(compared):
        return ["With one run per baseline there are no intervals and no tests; the order may be chance."]
    several = compared["place"].nunique() > 1
    names = [
        f"{row['baseline']} and {row['reference']}" + f" on {row['place']}" * several
        for row in once.to_dict("records")
        if (row["reference"], row["baseline"]) != ("HPM-KD", "Direct")
    ]
    return [
        "Where two baselines have one run in common there is no interval and no test, and the order may be chance: "
        f"{named(names, MAX_NAMES)}."
    ]
