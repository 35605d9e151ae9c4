"""How often two teachers answer differently, from the files in `predictions/`."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd

from hpmkd.analysis.experiments.teacher_arms import Arms
from hpmkd.analysis.section import Format, Table, digits
from hpmkd.data.source.listing import count
from hpmkd.numeric import whole
from hpmkd.plan.roles import Role
from hpmkd.store import predictions
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.predictions import Predictions


def disagreements(arms: Arms, frame: pd.DataFrame, output: OutputDir) -> pd.DataFrame:
    """A row per pair of teachers of a place (and of a run, where each has its own) whose answers are known and are to
    the same images: `place`, `first`,
    `second` (stems), `images`, `differ_pct` (they predict different classes), `both_wrong_pct`, `errors_pct` (mean of
    their two error rates)."""
    known = _answers(arms, frame, output)
    rows: list[dict[str, Any]] = []
    for (one, a), (other, b) in itertools.combinations(known.items(), 2):
        together = _run_of(one) == _run_of(other)
        if together and len(a) == len(b) and a.data_sha256 == b.data_sha256 and np.array_equal(a.labels, b.labels):
            wrong = [answers.predicted != answers.labels for answers in (a, b)]
            row: dict[str, Any] = {"place": arms.place, "first": one, "second": other, "images": len(a)}
            row["differ_pct"] = 100 * float((a.predicted != b.predicted).mean())
            row["both_wrong_pct"] = 100 * float((wrong[0] & wrong[1]).mean())
            rows.append({**row, "errors_pct": 100 * float(np.mean(wrong))})
    columns = ["place", "first", "second", "images", "differ_pct", "both_wrong_pct", "errors_pct"]
    return pd.DataFrame(rows, columns=columns)


def _answers(arms: Arms, frame: pd.DataFrame, output: OutputDir) -> dict[str, Predictions]:
    """Of the teachers that students of these methods learnt from, by stem."""
    if "weights_sha256" not in frame:
        return {}
    labels = {label for own in arms.labels.values() for label in own.values()}
    students = arms.part[arms.part["baseline"].isin(labels)]
    needed = {name for text in students["ancestors"].dropna() for name in str(text).split()}
    stems = frame["file"].str.rsplit(".", n=1).str[0]
    teachers = frame.assign(stem=stems)[(frame["role"] == Role.TEACHER) & stems.isin(needed)].drop_duplicates("stem")
    found: dict[str, Predictions] = {}
    for stem, weights in sorted(zip(teachers["stem"], teachers["weights_sha256"], strict=True), key=_by_number):
        answers = predictions.read(output.predictions_file(str(stem)), weights) if isinstance(weights, str) else None
        if answers is not None:
            found[str(stem)] = answers
    return found


def _run_of(stem: str) -> str:
    """`run3` of `teacher_D_2_run3`; nothing where all runs share it."""
    last = stem.rpartition("_")[2]
    return last if last.startswith("run") else ""


def _by_number(one: tuple[str, Any]) -> tuple[int, str]:
    return len(one[0]), one[0]


def pairs_table(apart: pd.DataFrame, several: bool) -> Table:
    """Of `disagreements`."""
    places: dict[str, tuple[str, Format]] = {"place": ("data set", str)}
    columns: dict[str, tuple[str, Format]] = {
        **(places if several else {}), "first": ("teacher", str), "second": ("and", str), "images": ("images", whole),
        "differ_pct": ("differ, %", digits(2)), "both_wrong_pct": ("both wrong, %", digits(2)),
        "errors_pct": ("mean error, %", digits(2)),
    }  # fmt: skip
    note = "On test images: the two predict different classes; both are wrong; the mean of their error rates."
    return Table("teachers-pairs", f"{count(len(apart), 'pair')} of teachers", apart, columns=columns, note=note)
