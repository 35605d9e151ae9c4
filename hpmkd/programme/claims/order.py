"""Claims about which method is better."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from hpmkd.analysis.costs import with_ancestors
from hpmkd.analysis.experiments.contrast import evidence, is_shown, records
from hpmkd.analysis.report.content import Report
from hpmkd.audit.places import groups
from hpmkd.audit.results import absent, total
from hpmkd.numeric import divide, fixed
from hpmkd.programme.claims.base import Evidence, Verdict

# Those that the paper compares; a ranking needs most of them.
PUBLISHED = ("Direct", "TraditionalKD", "FitNets", "AT", "TAKD", "HPM-KD")
_ENOUGH = 4
OWN = "HPM-KD"


def first(report: Report) -> Iterator[Evidence]:
    """Whether HPM-KD has the highest mean of the published methods, and is shown to be above the next."""
    accuracy, differences = report.table("accuracy"), report.table("differences")
    if accuracy is None or differences is None:
        return
    for place, part in accuracy.frame.groupby("place", sort=False):
        means = part[part["baseline"].isin(PUBLISHED)].set_index("baseline")["mean_pct"].dropna()
        if OWN not in means or len(means) < _ENOUGH:
            continue
        apart = differences.frame
        apart = apart[(apart["place"] == place) & (apart["reference"] == OWN) & apart["baseline"].isin(means.index)]
        yield _place_of(str(place), means.sort_values(ascending=False, kind="stable"), apart)


def _place_of(place: str, means: pd.Series, apart: pd.DataFrame) -> Evidence:
    """`apart`: the others minus HPM-KD, in the same runs."""
    rank = list(means.index).index(OWN) + 1
    rows = {str(row["baseline"]): row for row in records(apart)}
    worse = [name for name, row in rows.items() if is_shown(row) and row["difference"] < 0]
    better = [name for name, row in rows.items() if is_shown(row) and row["difference"] > 0]
    verdict = Verdict.OPPOSITE if better else Verdict.UNDECIDED
    if rank == 1 and not better:
        verdict = Verdict.AGREES if len(worse) == len(means) - 1 else Verdict.IN_PART if worse else Verdict.UNDECIDED
    listing = ", ".join(f"{name} {fixed(value, 2)}" for name, value in means.items())
    said = [f"rank {rank} of {len(means)} by mean accuracy ({listing} %)"]
    rival = next(name for name in means.index if name != OWN)
    if rival in rows:
        said.append(f"{rival} minus {OWN}: {evidence(rows[rival])}")
    said.append(f"shown to be below it: {', '.join(worse) or 'none'}; above it: {', '.join(better) or 'none'}")
    return Evidence(place, verdict, "; ".join(said))


def cheaper_than_takd(report: Report) -> Iterator[Evidence]:
    """Multiply-adds by the plan, and seconds, of all students with everything that they depend on."""
    frame = report.frame
    if not {"role", "baseline", "training_multiply_adds"} <= set(frame.columns):
        return
    for names, part in groups(frame[frame["planned"].astype(bool)]):
        students = part[part["role"] == "student"]
        students = students[students["baseline"].isin((OWN, RIVAL))]
        if not {OWN, RIVAL} <= set(students["baseline"]) or absent(students, frame):
            continue
        whole = {name: with_ancestors(frame, students[students["baseline"] == name]) for name in (OWN, RIVAL)}
        work, seconds = (divide(total(whole[OWN][one]), total(whole[RIVAL][one])) for one in _COSTS)
        text = (
            f"by the plan, nothing is tested here: {OWN} takes {fixed(work, 2)} times the multiply-adds of {RIVAL}, "
            f"with everything that both depend on, and took {fixed(seconds, 2)} times its training seconds, which "
            "depend on what else the machine did; the paper's claim is in hours"
        )
        yield Evidence(str(names["place"]), _cheaper(work, seconds), text)


def _cheaper(work: float, seconds: float) -> Verdict:
    """Of two ratios: by multiply-adds, and in part only where seconds, which the paper counts, say the opposite."""
    if (work - 1) * (seconds - 1) < 0:
        return Verdict.IN_PART
    return Verdict.AGREES if work < 1 else Verdict.OPPOSITE if work > 1 else Verdict.UNDECIDED


RIVAL = "TAKD"
_COSTS = ("training_multiply_adds", "train_seconds")
