"""The measures of a sweep's networks, summed up per baseline, and as tables for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hpmkd.audit.measured import COLUMNS, NUMBERS
from hpmkd.numeric import fixed, whole

if TYPE_CHECKING:
    import pandas as pd

    from hpmkd.text_table import TextTable

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
}  # fmt: skip


def tables(frame: pd.DataFrame, order: Sequence[str]) -> list[TextTable]:
    """The summary as two tables per data set, baselines in the order of the config; means over models.

    A column of which no number is defined, such as top-5 of four classes, is left out.
    """
    from hpmkd.text_table import TextTable

    place = {name: number for number, name in enumerate(["teacher", *order])}
    made: list[TextTable] = []
    for dataset, part in summary(frame).groupby("dataset", sort=False):
        rows = sorted(part.to_dict("records"), key=lambda row: place.get(row["baseline"], len(place)))
        for title, columns in _TABLES.items():
            shown = {name: about for name, about in columns.items() if part[name].notna().any()}
            cells = [
                [str(row["baseline"]), whole(row["runs"]), *(fixed(row[name], d) for name, (_, d) in shown.items())]
                for row in rows
            ]
            headings = ("baseline", "n", *(heading for heading, _ in shown.values()))
            made.append(TextTable(f"{dataset}: {title}", headings, cells))
    return made


def summary(frame: pd.DataFrame) -> pd.DataFrame:
    """Per data set and baseline (`teacher` for the teachers) means: `accuracy_pct` and `NUMBERS` over `runs` models.

    Args:
        frame: of `results.collect`. Rows that are not planned, or not measured, are left out.
    """
    part = frame[frame["planned"].astype(bool) & frame["role"].isin(["teacher", "student"])]
    part = part.reindex(columns=[*dict.fromkeys((*part.columns, *COLUMNS))])
    part = part[part["nll"].notna() & part["dataset"].notna()]
    part = part.assign(baseline=part["baseline"].where(part["role"] == "student", "teacher"))
    numbers = ["accuracy_pct", *NUMBERS]
    grouped = part.astype(dict.fromkeys(numbers, "float64")).groupby(["dataset", "baseline"], sort=False)
    return grouped[numbers].mean().assign(runs=grouped.size()).reset_index()
