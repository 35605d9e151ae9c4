"""What the layers of students make of images, beside their teacher's: similarity, separation of classes, fidelity."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from hpmkd.analysis.experiments.contrast import FIXED, SAME
from hpmkd.analysis.experiments.seen import DIRECT, LAYERS, TEACHER, TWO_SEEDS, TWO_TEACHERS, Place, places_seen
from hpmkd.analysis.experiments.seen_contrasts import TITLES, contrasts
from hpmkd.analysis.experiments.seen_figures import drawings
from hpmkd.analysis.experiments.seen_words import sentences
from hpmkd.analysis.section import Format, Section, Table, digits
from hpmkd.audit.represented import COLUMNS
from hpmkd.audit.sweep_dir import Saved
from hpmkd.numeric import p_value, whole


def section(frame: pd.DataFrame, order: Sequence[str], saved: Saved) -> Section | None:
    """Of sweeps whose representations are measured; see `experiments.registry`."""
    found = places_seen(frame, order, saved)
    if not found:
        return None
    several, table = len(found) > 1, contrasts(found)
    said = []
    for one in found:
        where = f"{one.name}: " if several else ""
        said += [where + text for text in sentences(one, table[table["place"] == one.name])]
    tables = [_means_table(found, several), *[_contrast_table(table, several)] * (len(table) > 0)]
    return Section(
        "representations",
        "What the layers make of images",
        tuple(said),
        tables=tuple(tables),
        drawings=tuple(drawings(found, order, several)),
        folded=tuple([_layer_table(found, several)] * any(one.alike for one in found)),
    )


def _axes(several: bool) -> dict[str, tuple[str, Format]]:
    return {"place": ("data set", str)} if several else {}


def _means_table(found: Sequence[Place], several: bool) -> Table:
    rows: list[dict[str, Any]] = []
    for place in found:
        for name in (TEACHER, *place.order):
            mine = place.models.loc[place.models["baseline"] == name, list(COLUMNS)].astype("float64")
            means = {measure: float(mine[measure].mean()) for measure in COLUMNS}
            if name == TEACHER:  # with the first teacher: a row below
                means |= dict.fromkeys(LAYERS, math.nan)
            rows.append({"place": place.name, "baseline": name, "n": int(mine["silhouette"].notna().sum()), **means})
        for kind in (TWO_TEACHERS, TWO_SEEDS):
            values = {measure: place.reference(kind, measure) for measure in LAYERS}
            if len(values["cka_embedding"]):
                means = {measure: float(one.mean()) for measure, one in values.items()}
                rows.append({"place": place.name, "baseline": kind, "n": len(values["cka_embedding"]), **means})
    columns: dict[str, tuple[str, Format]] = {
        **_axes(several), "baseline": ("baseline", str), "n": ("n", whole), "cka_embedding": (TITLES["cka_embedding"],
        digits(3)), "cka_logits": (TITLES["cka_logits"], digits(3)), "silhouette": ("silhouette", digits(3)),
        "knn_pct": (TITLES["knn_pct"], digits(2)), "probe_pct": (TITLES["probe_pct"], digits(2)),
    }  # fmt: skip
    frame = pd.DataFrame(rows)
    note = (
        "Means over n networks, on test images. CKA with the teacher (linear, Kornblith et al. 2019, debiased): 1 "
        "where layers are the same but for rotation and size, about 0 where they have nothing in common. Silhouette by "
        "true class (cosine, Rousseeuw 1987), -1 to 1. Neighbours: the class that most of the 10 nearest training "
        "images have. Probe: logistic regression on the frozen embedding."
    )
    return Table("representations", "Layers and embeddings", frame[frame["n"] > 0], columns=columns, note=note)


def _contrast_table(table: pd.DataFrame, several: bool) -> Table:
    signed = digits(3, sign=True)
    columns: dict[str, tuple[str, Format]] = {
        **_axes(several), "title": ("measure", str), "baseline": ("baseline", str), "reference": ("against", str),
        "n": ("runs", whole), "difference": ("difference", signed),
        "low": ("95 % from", signed), "high": ("to", signed),
        "p": ("p (t)", p_value), "p_family": ("p (Holm)", p_value), "finding": ("finding", str),
    }  # fmt: skip
    note = (
        "Mean over runs of a student's number minus the reference's, with its 95 % interval by Student's t. Against "
        f"{DIRECT}: run by run, {SAME}. Against {TWO_TEACHERS}: their CKA with each other, {FIXED}. "
        f"Against {TWO_SEEDS}: the CKA of Direct's run with its next one, run by run; as "
        "neighbouring runs share a network, interval and test are widened by the most that this can do. Holm: over the "
        "baselines of a measure, reference and place."
    )
    frame = table.assign(title=table["measure"].map(TITLES))
    return Table("representations-differences", "Closer to the teacher?", frame, columns=columns, note=note)


def _layer_table(found: Sequence[Place], several: bool) -> Table:
    rows = []
    for place in found:
        for one in place.alike:
            for (i, j), value in np.ndenumerate(one.cka):
                about = {"place": place.name, "kind": one.kind, "row": one.rows[i], "column": one.columns[j]}
                rows.append({**about, "cka": value})
    grouped = pd.DataFrame(rows).groupby(["place", "kind", "row", "column"], sort=False)["cka"]
    frame = grouped.agg(n="count", mean="mean", sd="std").reset_index()
    columns: dict[str, tuple[str, Format]] = {
        **_axes(several), "kind": ("networks", str), "row": ("layer", str), "column": ("of the other", str),
        "n": ("n", whole), "mean": ("CKA", digits(3)), "sd": ("sd", digits(3)),
    }  # fmt: skip
    note = "CKA of every layer of a student with every one of its teacher: mean and standard deviation over runs."
    return Table("representations-layers", "CKA, layer by layer", frame, columns=columns, note=note)
