"""What the sections on imbalance and on label noise have in common: their lines, tables, figures and sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from hpmkd.analysis.experiments import severity_words as words
from hpmkd.analysis.experiments.contrast import SHARED, is_shown, records
from hpmkd.analysis.experiments.severities import DIRECT, Axis, Line, lines_of
from hpmkd.analysis.experiments.severity_tables import SAME, arms, levels_table, robustness
from hpmkd.analysis.plots.severity import MANY, at_the_worst, over_levels
from hpmkd.analysis.section import Drawing, Format, Section, Table, digits
from hpmkd.audit.chance import classes_of
from hpmkd.audit.sweep_dir import Saved
from hpmkd.numeric import digits as plain_digits
from hpmkd.numeric import p_value, whole


@dataclass(frozen=True)
class Study:
    """One of the two experiments.

    Args:
        name, title: of its section.
        axis: what is made worse.
        kinds: word -> what people call it.
        columns: further columns of results -> heading.
        spreads: of them, those of which a sentence tells least and most -> what they are.
        note: on what is trained, under the main table.
    """

    name: str
    title: str
    axis: Axis
    kinds: Mapping[str, str]
    columns: Mapping[str, str]
    spreads: Mapping[str, str]
    note: str
    figures: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def section(self, frame: pd.DataFrame, order: Sequence[str], saved: Saved) -> Section | None:
        """Of any sweep with such conditions; see `experiments.registry`."""
        lines = lines_of(frame, self.axis)
        if not lines:
            return None
        levels = levels_table(lines, order, self.axis, list(self.columns))
        classes = classes_of(saved.jobs)
        lost, beside = robustness(lines, order, self.axis, classes), arms(lines, order, self.axis)
        tables = (levels, lost, beside)
        several = len({one.place for one in lines}) > 1
        said = [text for line in lines for text in self._sentences(line, tables, several)]
        # Names of data sets are as they are.
        said = said if several else [text[:1].upper() + text[1:] for text in said]
        folded = [self._arm_table(beside)] if len(beside) else []
        return Section(
            self.name,
            self.title,
            tuple(said) or (f"{self.title}: no student is trained yet.",),
            tables=(self._level_table(levels), *([self._robust_table(lost)] if len(lost) else [])),
            drawings=tuple(self._drawings(levels, lost, beside)),
            folded=tuple(folded),
        )

    def _sentences(self, line: Line, tables: Sequence[pd.DataFrame], several: bool) -> list[str]:
        kind = (f"{line.place}: " if several else "") + self.kinds[line.kind]
        mine, test, arm = (records(_of(line, table)) for table in tables)
        others = _others(line, tables[1])
        # With several arms, what is so in one of them must not be read as being so in all.
        own = f"{kind}, arm “{line.arm}”" if line.arm != SAME or others else kind
        cautions = words.floor(test, self.axis, own)
        if line.arm != SAME:
            found = words.robust(test, self.axis, own) if any(map(is_shown, test)) else []
            return [*words.arm(arm, self.axis, kind, line.arm), *found, *cautions]
        made = [*words.losses(mine, self.axis, own), *words.robust(test, self.axis, own), *cautions]
        made += words.elsewhere([row for rows in others for row in rows if not any(map(is_shown, rows))], kind)
        for column, what in self.spreads.items():
            made += words.spread(mine, column, self.axis, own, what)
        return made

    def _first(self) -> dict[str, tuple[str, Format]]:
        return {
            "place": ("data set", str), "kind": ("kind", str), "arm": ("arm", str),
            "level": (self.axis.title, _level), "baseline": ("baseline", str),
        }  # fmt: skip

    def _level_table(self, levels: pd.DataFrame) -> Table:
        columns: dict[str, tuple[str, Format]] = {
            **self._first(), "runs": ("n", whole), "accuracy_pct": ("accuracy %", digits(2)),
            "retention_pct": ("of the teacher %", digits(1)), "lost": ("points lost", digits(2)),
            "low": ("95 % from", digits(2)), "high": ("to", digits(2)),
        }  # fmt: skip
        shown = {name: (text, digits(1)) for name, text in self.columns.items() if levels[name].notna().any()}
        note = (
            "Means over runs, test images. Points lost: accuracy of the same method without it minus that under it, "
            f"run by run, with its 95 % interval (Student's t). {self.note}"
        )
        return Table(self.name, self.title, levels, columns={**columns, **shown}, note=note)

    def _robust_table(self, lost: pd.DataFrame) -> Table:
        signed = digits(2, sign=True)
        columns: dict[str, tuple[str, Format]] = {
            **self._first(), "n": ("pairs", whole), "difference": ("loses more than Direct by", signed),
            "low": ("95 % from", signed), "high": ("to", signed), "p_holm": ("p (Holm)", p_value),
            "finding": ("finding", str),
        }  # fmt: skip
        floor = ""
        if (lost["near_chance"] != "").any():
            columns["near_chance"] = ("near chance", str)
            floor = (
                "Near chance: which of the two have a mean accuracy at that number that hardly differs from guessing; "
                "they cannot lose much more, so that a loss which is smaller than the other's says nothing there. "
            )
        note = (
            "What a method loses minus what Direct loses, run by run (a difference of differences): below 0 it loses "
            "less than Direct, which is more robust where both are well above chance. "
            f"{floor}Student's t; Holm over the methods and numbers of a data set, kind and arm. {SHARED}"
        )
        return Table(f"{self.name}-robust", "Loses a method less than Direct?", lost, columns=columns, note=note)

    def _arm_table(self, beside: pd.DataFrame) -> Table:
        signed = digits(2, sign=True)
        columns: dict[str, tuple[str, Format]] = {
            **self._first(), "n": ("pairs", whole), "difference": ("gains", signed), "low": ("95 % from", signed),
            "high": ("to", signed), "p_holm": ("p (Holm)", p_value),
        }  # fmt: skip
        note = (
            "Accuracy in an arm minus that of the same method in the arm “same”, run by run; Holm over the methods and "
            "numbers of an arm. Clean teacher: teachers and assistants are those of the data set without it. Same "
            "size, balanced: as many training images, each class alike."
        )
        return Table(f"{self.name}-arms", "Other teachers, other images", beside, columns=columns, note=note)

    def _drawings(self, levels: pd.DataFrame, lost: pd.DataFrame, beside: pd.DataFrame) -> list[Drawing]:
        made, order = [], list(dict.fromkeys(levels["baseline"]))
        usual = levels[levels["arm"] == SAME]
        for column, (title, text) in {"accuracy_pct": ("Accuracy", _ACCURACY), **self.figures}.items():
            part = usual[usual[column].notna()].drop(columns=["low", "high"])
            if len(part):
                name = self.name if column == "accuracy_pct" else f"{self.name}-{column.removesuffix('_pct')}"
                figure = partial(over_levels, self._panels(part), column, order=order, label=self.axis.title, unit="%")
                made.append(Drawing(name, f"{title} over the {self.axis.title}", figure, text))
        part = lost[(lost["arm"] == SAME) & lost["difference"].notna()]
        if len(part):
            figure = partial(self._differences, part, order)
            text = (
                f"What a method loses minus what {DIRECT} loses in the same runs, mean and 95 % interval (Student's t, "
                "not corrected); below 0: it loses less." + _MANY
            )
            made.append(Drawing(f"{self.name}-robust", f"Loses more than {DIRECT} by", figure, text))
        part = beside[beside["difference"].notna()]
        if len(part):
            text = (
                "Accuracy in another arm minus that of the same method in the usual one, same runs, mean and 95 % "
                "interval (Student's t, not corrected)." + _MANY
            )
            figure = partial(self._differences, part, order)
            made.append(Drawing(f"{self.name}-arms", "Other teachers, other images", figure, text))
        return made

    def _differences(self, part: pd.DataFrame, order: Sequence[str]) -> Figure:
        panels = self._panels(part)
        if part["baseline"].nunique() > MANY:
            return at_the_worst(panels, "difference", order=order, label=self.axis.title, unit="points")
        return over_levels(panels, "difference", order=order, label=self.axis.title, unit="points", zero=True)

    def _panels(self, rows: pd.DataFrame) -> pd.DataFrame:
        names = rows["kind"].map(lambda kind: self.kinds[kind])
        arms = rows["arm"].map(lambda arm: "" if arm == SAME else f", {arm}")
        return rows.assign(panel=rows["place"] + ": " + names + arms)


_MANY = f" Of more than {MANY} methods the worst number alone."
_ACCURACY = "Test accuracy, mean over runs; the teacher is the one that students of the same data learn from."


def _of(line: Line, table: pd.DataFrame) -> pd.DataFrame:
    mine = (table["place"] == line.place) & (table["kind"] == line.kind) & (table["arm"] == line.arm)
    return table[mine]


def _others(line: Line, lost: pd.DataFrame) -> list[list[dict[str, Any]]]:
    """What the other arms of the same place and kind show, a list of rows each."""
    near = lost[(lost["place"] == line.place) & (lost["kind"] == line.kind) & (lost["arm"] != line.arm)]
    return [records(part) for _, part in near.groupby("arm", sort=False)]


def _level(value: float) -> str:
    return plain_digits(float(value))
