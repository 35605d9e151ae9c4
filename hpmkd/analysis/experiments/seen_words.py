"""What the layers of networks make of images, in sentences that are computed from the tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats as scipy_stats

from hpmkd.analysis.experiments.contrast import listed, records, runs_text
from hpmkd.analysis.experiments.seen import DIRECT, TEACHER, TWO_SEEDS, TWO_TEACHERS, Place
from hpmkd.analysis.stats import CORRECTED
from hpmkd.data.source.listing import count, some_of
from hpmkd.numeric import fixed, is_defined, p_phrase

_TOLD = 4  # differences with their numbers; all are in the table
_FEWEST = 4  # means over which a correlation is said
Rows = Sequence[Mapping[str, Any]]
_SEPARATION = {"silhouette": ("silhouette", 3), "knn_pct": ("neighbours", 2), "probe_pct": ("linear probe", 2)}


def sentences(place: Place, table: pd.DataFrame) -> list[str]:
    """Of one place.

    Args:
        place: which.
        table: its rows of `seen_contrasts.contrasts`.
    """
    rows = records(table)
    made = [_closer(rows), *_references(place, rows), *_separation(rows), *_fidelity(place), *_maps(place)]
    missing = len(place.models) - len(place.known)
    if missing:
        made.append(f"{some_of(missing, len(place.models), 'model')} not compared yet.")
    return made


def _of(rows: Rows, measure: str, reference: str) -> Rows:
    return [row for row in rows if (row["measure"], row["reference"]) == (measure, reference)]


def _closer(rows: Rows) -> str:
    mine = _of(rows, "cka_embedding", DIRECT)
    if not mine:
        return "No student's embedding can be set beside Direct's: that needs both, and their teacher's, in one run."
    about = "Embeddings, CKA with the teacher's, against Direct's in the same run"
    if max(row["n"] for row in mine) < 2:
        return f"{about}: one run per baseline shows nothing; every difference may be chance."
    said = [f"{word}: {_told(part, 3)}" for word, part in _parts(mine, ("closer", "further away"))]
    rest = [row for row in mine if row["finding"] == "not shown"]
    said += [f"not shown: {len(rest)} of {len(mine)}"] if rest and said else []
    runs = runs_text([int(row["n"]) for row in mine])
    if not said:
        return f"{about}: no method is shown to be closer to its teacher than Direct is ({runs}), or further away."
    return f"{about}: {'; '.join(said)} ({runs}, p < 0.05 after Holm's correction)."


def _parts(rows: Rows, words: tuple[str, str]) -> list[tuple[str, Rows]]:
    """The rows that show something, higher ones first."""
    parts = [(word, [row for row in rows if row["finding"] == finding])
             for word, finding in zip(words, ("higher", "lower"), strict=True)]  # fmt: skip
    return [(word, part) for word, part in parts if part]


def _told(rows: Rows, digits: int) -> str:
    first = sorted(rows, key=lambda row: -abs(row["difference"]))[:_TOLD]
    said = [
        f"{row['baseline']} {fixed(row['difference'], digits, sign=True)} (95 % interval "
        f"{fixed(row['low'], digits, sign=True)} to {fixed(row['high'], digits, sign=True)}, "
        f"{p_phrase(row['p_family'], CORRECTED)})"
        for row in first
    ]
    return ", ".join(said) + (f" and {len(rows) - _TOLD} more" if len(rows) > _TOLD else "")


def _references(place: Place, rows: Rows) -> list[str]:
    """What two teachers, and two students of Direct, have with each other, and how students stand to that."""
    made = []
    for kind in (TWO_TEACHERS, TWO_SEEDS):
        values = place.reference(kind, "cka_embedding")
        if len(values):
            made.append(f"{_reference(kind, values)}; {_beside(_of(rows, 'cka_embedding', kind))}.")
    return made


def _reference(kind: str, values: pd.Series) -> str:
    if kind == TWO_SEEDS:
        who = "Students of Direct that differ by the seed alone have a CKA of {} with one another"
    elif len(values) == 1:
        who = "A teacher that was trained from another seed has a CKA of {} with the first"
    else:
        who = "Teachers that were trained from other seeds have a CKA of {} with the first"
    return f"{who.format(_mean(values))} (embeddings)"


def _beside(rows: Rows) -> str:
    if not any(is_defined(row["p"]) for row in rows):
        return "too few runs say how other students stand to that"
    words = ("closer to the teacher than that", "further away from it than that")
    shown = [f"{word}: {listed([row['baseline'] for row in part])}" for word, part in _parts(rows, words)]
    if not shown:
        return f"no method of {len(rows)} is shown to be closer to the teacher than that, or further away"
    rest = sum(row["finding"] == "not shown" for row in rows)
    return "students that are shown to be " + "; ".join([*shown, *[f"not shown: {rest} of {len(rows)}"] * (rest > 0)])


def _mean(values: pd.Series) -> str:
    if len(values) == 1:
        return fixed(values.iloc[0], 3)
    return f"{fixed(values.mean(), 3)} ({fixed(values.min(), 3)} to {fixed(values.max(), 3)}, n = {len(values)})"


def _separation(rows: Rows) -> list[str]:
    made = []
    for measure, (name, digits) in _SEPARATION.items():
        mine = _of(rows, measure, DIRECT)
        if not any(is_defined(row["p"]) for row in mine):
            continue
        said = [f"{word} for {_told(part, digits)}" for word, part in _parts(mine, ("higher", "lower"))]
        verdict = "; ".join(said) if said else f"no difference shown, of {count(len(mine), 'method')}"
        made.append(f"Classes in the embedding against Direct's, {name}: {verdict}.")
    return made


def _fidelity(place: Place) -> list[str]:
    means = fidelity_means(place)
    if len(means) < _FEWEST:
        return []
    if (means.std() < 1e-9).any():
        return []
    found = scipy_stats.pearsonr(means["agreement_pct"], means["accuracy_pct"])
    low, high = found.confidence_interval()
    about = f"Over the means of {len(means)} baselines, agreement with the teacher and accuracy have a correlation of"
    verdict = "" if found.pvalue < 0.05 else ": it is not shown that one goes with the other"
    return [f"{about} {fixed(found.statistic, 2, sign=True)} (95 % interval {fixed(low, 2, sign=True)} to "
            f"{fixed(high, 2, sign=True)}, {p_phrase(found.pvalue)}){verdict}."]  # fmt: skip


def fidelity_means(place: Place) -> pd.DataFrame:
    """`agreement_pct`, `accuracy_pct` by baseline of students, means over the runs that have both."""
    students = place.models[place.models["baseline"] != TEACHER]
    columns = ["agreement_pct", "accuracy_pct"]
    known = students.astype(dict.fromkeys(columns, "float64")).dropna(subset=columns)
    return known.groupby("baseline", sort=False)[columns].mean()


def _maps(place: Place) -> list[str]:
    trust = [one.scatter.trustworthiness for one in place.known.values() if one.scatter is not None]
    trust = [one for one in trust if is_defined(one)]
    if not trust:
        return []
    low, high = (fixed(end(trust), 2) for end in (np.min, np.max))
    found = low if low == high else f"{low} to {high}"
    return [
        "t-SNE is an illustration only: distances between clusters and their sizes mean nothing. Its trustworthiness, "
        f"which is 1 where all neighbours in the plane are neighbours in the embedding, is {found}."
    ]
