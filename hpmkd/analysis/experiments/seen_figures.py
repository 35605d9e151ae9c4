"""The figures of what layers make of images."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd

from hpmkd.analysis.experiments.seen import DIRECT, TEACHER, TWO_SEEDS, TWO_TEACHERS, Floats, Place
from hpmkd.analysis.plots import representations as plots
from hpmkd.analysis.section import Drawing
from hpmkd.audit.represented import COLUMNS
from hpmkd.numeric import fixed, is_defined

_RUNS = "Small points: single runs. Diamonds: means, with their 95 % interval (Student's t)."
_LETTERS = {"embedding": "E", "logits": "L"}


def drawings(found: Sequence[Place], order: Sequence[str], several: bool) -> list[Drawing]:
    """Of what there is."""
    made = _similarity(found, order, several)
    for column, (title, label) in _SEPARATION.items():
        values = _values(found, column)
        if len(values):
            teachers = {one.name: one.models.loc[one.models["baseline"] == TEACHER, column].mean() for one in found}
            lines = {"teachers": {place: value for place, value in teachers.items() if is_defined(value)}}
            figure = partial(plots.dots, values, order, label, lines, several)
            text = f"{_RUNS} Dashed: the mean of the teachers."
            made.append(Drawing(column.removesuffix("_pct"), title, figure, text))
    return [*made, *_fidelity(found, order, several), *_maps(found, several)]


_SEPARATION = {
    "silhouette": ("Silhouette", "silhouette of the classes, embedding"),
    "knn_pct": ("Nearest neighbours", "test images with the class of their neighbours, %"),
    "probe_pct": ("Linear probe", "test images that a linear probe gets right, %"),
}


def _values(found: Sequence[Place], column: str) -> pd.DataFrame:
    """Of students, by place and baseline."""
    rows = [
        {"place": place.name, "baseline": name, "value": value}
        for place in found
        for name in place.order
        for value in place.by_run(column, name)
    ]
    return pd.DataFrame(rows, columns=["place", "baseline", "value"])


def _similarity(found: Sequence[Place], order: Sequence[str], several: bool) -> list[Drawing]:
    shown = [one for place in found for one in _panels(place, several)]
    made = []
    if shown:
        text = (
            "Mean over runs. Rows: the student's layers; columns: its teacher's. 1, 2, 3: maps after a stage; E: "
            f"embedding; L: logits. For reference {TWO_TEACHERS} (columns: the first), and {TWO_SEEDS} that differ by "
            "the seed alone."
        )
        made.append(Drawing("cka", "Similarity of layers", partial(plots.heat_maps, shown), text))
    values = _values(found, COLUMNS[0])
    if len(values):
        references = {
            kind: {place.name: float(one.mean()) for place in found if len(one := place.reference(kind, COLUMNS[0]))}
            for kind in (TWO_TEACHERS, TWO_SEEDS)
        }
        lines = {kind: numbers for kind, numbers in references.items() if numbers}
        figure = partial(plots.dots, values, order, "CKA with the teacher, embeddings", lines, several)
        made.append(Drawing("cka-embedding", "Similarity to the teacher", figure, _RUNS + _said(lines)))
    return made


def _said(lines: dict[str, dict[str, float]]) -> str:
    return " Lines: networks that have not learnt from each other." if lines else ""


def _panels(place: Place, several: bool) -> list[tuple[str, list[str], list[str], Floats]]:
    made = []
    for kind in (*place.order, TWO_TEACHERS, TWO_SEEDS):
        mine = [one for one in place.alike if one.kind == kind]
        mine = [one for one in mine if (one.rows, one.columns) == (mine[0].rows, mine[0].columns)]
        if mine:
            names = ([_letter(name) for name in names] for names in (mine[0].rows, mine[0].columns))
            title = f"{place.name}: {kind}" if several else kind
            made.append((title, *names, np.mean([one.cka for one in mine], axis=0)))
    return made


def _letter(layer: str) -> str:
    return _LETTERS.get(layer, layer.removeprefix("map "))


def _fidelity(found: Sequence[Place], order: Sequence[str], several: bool) -> list[Drawing]:
    columns = ["agreement_pct", "accuracy_pct"]
    parts = [place.models.assign(place=place.name) for place in found]
    students = pd.concat(parts).astype(dict.fromkeys(columns, "float64")).dropna(subset=columns)
    students = students[students["baseline"].isin(set(order))]
    if students.empty:
        return []
    teachers = {place.name: _teacher(place) for place in found}
    text = f"Large: means of baselines; small: single students; dashed: the teacher's accuracy. {DIRECT} agrees as far "
    text += "as two networks do that are both often right."
    figure = partial(plots.fidelity, students, teachers, order, several)
    return [Drawing("fidelity", "Fidelity against accuracy", figure, text)]


def _teacher(place: Place) -> float:
    """Accuracy of the first teacher."""
    teachers = place.models.loc[place.models["baseline"] == TEACHER, "accuracy_pct"]
    return float(teachers.iloc[0]) if len(teachers) else np.nan


def _maps(found: Sequence[Place], several: bool) -> list[Drawing]:
    shown = []
    for place in found:
        baselines = place.models["baseline"].to_dict()
        rank = {name: number for number, name in enumerate((TEACHER, *place.order))}
        known = [(stem, one.scatter) for stem, one in place.known.items() if one.scatter is not None]
        for stem, drawn in sorted(known, key=lambda one: rank.get(baselines[one[0]], len(rank))):
            where = f"{place.name}: " if several else ""
            shown.append((f"{where}{baselines[stem]} {fixed(drawn.trustworthiness, 2)}", drawn))
    if not shown:
        return []
    images = max(len(drawn.labels) for _, drawn in shown)
    text = (
        f"Illustration only. t-SNE of the embeddings of {images} test images (cosine, from PCA, fixed seed), a colour "
        "per class: of teachers, and of each baseline's first student. The number: trustworthiness."
    )
    return [Drawing("tsne", "Embeddings in the plane", partial(plots.maps, shown), text)]
