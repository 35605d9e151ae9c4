"""Are students closer to their teacher than others are, and do their embeddings separate the classes better?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from hpmkd.analysis.experiments.corrected import apart, holm, in_a_ring
from hpmkd.analysis.experiments.seen import DIRECT, LAYERS, TWO_SEEDS, TWO_TEACHERS, Place
from hpmkd.audit.represented import COLUMNS
from hpmkd.numeric import is_defined

LEVEL = 0.05
TITLES = {
    "cka_embedding": "CKA, embeddings",
    "cka_logits": "CKA, logits",
    "silhouette": "silhouette",
    "knn_pct": "neighbours, %",
    "probe_pct": "probe, %",
}
_COLUMNS = ["place", "measure", "reference", "baseline", "n", "difference", "low", "high", "p", "p_family", "finding"]


def contrasts(found: Sequence[Place]) -> pd.DataFrame:
    """A row per place, measure, reference and baseline: the mean difference over runs, its interval and p. `p_family`:
    after Holm's correction over the baselines of a place, measure and reference."""
    rows = []
    for place in found:
        for measure in COLUMNS:
            references = [DIRECT, *((TWO_TEACHERS, TWO_SEEDS) if measure in LAYERS else ())]
            for reference in references:
                rows += _family(place, measure, reference)
    return pd.DataFrame(rows, columns=_COLUMNS)


def _family(place: Place, measure: str, reference: str) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    for name in place.methods:
        difference, test = _difference(place, measure, reference, name)
        if len(difference):
            about = {"place": place.name, "measure": measure, "reference": reference, "baseline": name}
            made.append({**about, **test(difference)})
    for row, p in zip(made, holm([row["p"] for row in made]), strict=True):
        row["p_family"], row["finding"] = p, "not shown"
        if is_defined(p) and p < LEVEL:
            row["finding"] = "higher" if row["difference"] > 0 else "lower"
    return made


def _difference(
    place: Place, measure: str, reference: str, name: str
) -> tuple[pd.Series, Callable[[pd.Series], dict[str, float]]]:
    """By run, and how it is tested."""
    own = place.by_run(measure, name)
    if reference == DIRECT:
        return (own - place.by_run(measure, DIRECT)).dropna(), apart
    theirs = place.reference(reference, measure)
    if reference == TWO_TEACHERS and place.has_own_teachers:
        return (own - theirs).dropna(), apart
    if reference == TWO_TEACHERS:  # fixed, as the students' teacher is: what varies are the students
        return (own - theirs.mean()).dropna(), apart
    return (own - theirs).dropna(), in_a_ring
