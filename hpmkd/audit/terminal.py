"""The tables at the end of a sweep."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hpmkd.audit.places import placed, with_untaught
from hpmkd.audit.results import summary
from hpmkd.numeric import fixed, whole
from hpmkd.text_table import TextTable

if TYPE_CHECKING:
    import pandas as pd


def tables(frame: pd.DataFrame, order: list[str]) -> list[TextTable]:
    """The summary as one table per place, baselines in the order of the config."""
    made: list[TextTable] = []
    place = _places_of(order)
    headings: tuple[str, ...] = ("baseline", "runs", "accuracy %", "sd", "retention %", "train s", "total s")
    digits = {"mean_pct": 2, "sd_pct": 2, "retention_pct": 1, "train_seconds": 1, "total_seconds": 1}
    table = summary(with_untaught(frame))
    if table["best_test_pct"].notna().any():
        headings = (*headings[:2], "last epoch %", "sd", "best test epoch %", *headings[4:])
        digits = {"mean_pct": 2, "sd_pct": 2, "best_test_pct": 2, **digits}
    for name, part in table.groupby("place", sort=False):
        rows = sorted(part.to_dict("records"), key=lambda row: place.get(row["baseline"], len(place)))
        cells = [
            [str(row["baseline"]), whole(row["runs"]), *(fixed(row[column], count) for column, count in digits.items())]
            for row in rows
        ]
        made.append(TextTable(str(name), headings, cells))
    return made


def validation_tables(cells: pd.DataFrame, order: list[str]) -> list[TextTable]:
    """Of cells of a grid whose test accuracy is not looked at (see `chosen.unchosen`): a table per place, on validation
    images."""
    made: list[TextTable] = []
    place = _places_of(order)
    for name, part in placed(cells).groupby("place", sort=False):
        known = part.groupby("baseline", sort=False)["validation_accuracy_pct"]
        rows = [[str(label), whole(len(runs)), fixed(runs.mean(), 2), fixed(runs.std(), 2)] for label, runs in known]
        rows.sort(key=lambda row: place.get(row[0], len(place)))
        made.append(TextTable(f"{name}: other cells", ("baseline", "runs", "validation %", "sd"), rows))
    return made


def _places_of(order: Sequence[str]) -> dict[str, int]:
    return {baseline: number for number, baseline in enumerate(["teacher", *order])}
