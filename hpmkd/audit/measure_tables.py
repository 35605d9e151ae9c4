"""The measures of a sweep's networks, summed up per baseline, and as tables for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hpmkd.audit import data_measures
from hpmkd.audit.measured import COLUMNS, NUMBERS
from hpmkd.audit.places import condition_of, distinct, groups
from hpmkd.audit.represented import COLUMNS as SEEN
from hpmkd.config.conditions import IMBALANCE, NOISE, has_any
from hpmkd.numeric import fixed, whole

if TYPE_CHECKING:
    import pandas as pd

    from hpmkd.text_table import TextTable

_CORRUPTED = "rare classes, wrong labels"
_TABLES = {
    "classes and probabilities": {
        "accuracy_pct": ("accuracy %", 2), "balanced_accuracy_pct": ("balanced %", 2),
        "macro_f1_pct": ("macro-F1 %", 2), "worst_recall_pct": ("worst class %", 1), "top5_pct": ("top-5 %", 2),
        "nll": ("NLL", 3), "brier": ("Brier", 3),
    },
    "calibration, agreement with the teacher": {
        "ece_pct": ("ECE %", 2), "temperature": ("T", 2), "ece_scaled_pct": ("ECE % at T", 2),
        "agreement_pct": ("agrees %", 2), "agreement_on_errors_pct": ("on its errors %", 1), "teacher_kl": ("KL", 3),
    },
    "representations": {
        "cka_embedding": ("CKA, embedding", 3), "cka_logits": ("CKA, logits", 3), "silhouette": ("silhouette", 3),
        "knn_pct": ("kNN %", 2), "probe_pct": ("probe %", 2),
    },
    _CORRUPTED: {
        "tail_recall_pct": ("tail recall %", 2), "many_shot_pct": ("many shot %", 2),
        "medium_shot_pct": ("medium %", 2), "few_shot_pct": ("few %", 2), "memorised_pct": ("memorised %", 1),
        "recovered_pct": ("recovered %", 1),
    },
}  # fmt: skip


def tables(frame: pd.DataFrame, order: Sequence[str]) -> list[TextTable]:
    """The summary as two tables per place (data set, condition, pair), baselines in their order; means over models.

    A column of which no number is defined, such as top-5 of four classes, is left out.
    """
    from hpmkd.text_table import TextTable

    place = {name: number for number, name in enumerate(["teacher", *order])}
    made: list[TextTable] = []
    for where, part in summary(frame).groupby("place", sort=False):
        rows = sorted(part.to_dict("records"), key=lambda row: place.get(row["baseline"], len(place)))
        for title, columns in _TABLES.items():
            shown = {name: about for name, about in columns.items() if part[name].notna().any()}
            apart = title == _CORRUPTED and not has_any(condition_of(str(where)), (*IMBALANCE, *NOISE))
            if apart or not shown:
                continue
            cells = [
                [str(row["baseline"]), whole(row["runs"]), *(fixed(row[name], d) for name, (_, d) in shown.items())]
                for row in rows
            ]
            headings = ("baseline", "n", *(heading for heading, _ in shown.values()))
            made.append(TextTable(f"{where}: {title}", headings, cells))
    return made


def summary(frame: pd.DataFrame) -> pd.DataFrame:
    """Per place and baseline (`teacher` for the teachers) means: `accuracy_pct`, `NUMBERS` and those of
    `represented` over `runs` models.

    The temperature and the error with it are missing unless all models have them; `compared` is how many have a
    teacher's answers to be compared with.

    Args:
        frame: of `results.collect`. Rows that are not planned, or not measured, are left out.
    """
    part = by_place(frame)
    others = (*data_measures.COLUMNS, *SEEN)
    part = part.reindex(columns=[*dict.fromkeys((*part.columns, *COLUMNS, *others))])
    part = part[part["nll"].notna()]
    numbers = ["accuracy_pct", *NUMBERS, *others]
    grouped = part.astype(dict.fromkeys(numbers, "float64")).groupby(["place", "baseline"], sort=False)
    made, known = grouped[numbers].mean(), grouped[numbers].count()
    made = made.assign(runs=grouped.size(), compared=known["agreement_pct"])
    for name in ("temperature", "ece_scaled_pct"):  # of some models alone it could not be set beside that of all
        made[name] = made[name].where(known[name] == made["runs"])
    return made.reset_index()


def by_place(frame: pd.DataFrame) -> pd.DataFrame:
    """The planned teachers (as baseline `teacher`) and students, with a column `place`; a teacher that several places
    share is there once for each, one with the weights of another not at all."""
    import pandas as pd

    parts = [_each_once(part).assign(place=names["place"]) for names, part in groups(frame)]
    part = pd.concat(parts) if parts else frame.iloc[:0].assign(place=None)
    part = part[part["role"].isin(["teacher", "student"])]
    return part.assign(baseline=part["baseline"].where(part["role"] == "student", "teacher"))


def _each_once(part: pd.DataFrame) -> pd.DataFrame:
    teachers = part["role"] == "teacher"
    return part[~teachers | part.index.isin(distinct(part[teachers]).index)]
