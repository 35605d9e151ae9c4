"""The components that change no weights: the parallel pipeline and the shared memory. They are judged by the clock."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from hpmkd.analysis import stats
from hpmkd.analysis.experiments.arms import TITLES, Group
from hpmkd.analysis.experiments.cost import Costs
from hpmkd.analysis.section import Format, Table, digits
from hpmkd.numeric import whole


def rows(groups: Sequence[Group], costs: Costs) -> pd.DataFrame:
    """A row for the full method and for each without a component of the engine, of the families that have one."""
    made: list[dict[str, Any]] = []
    for group in groups:
        full = group.family.cells[frozenset()]
        arms = {"": full, **group.family.engine} if group.family.engine else {}
        for component, label in arms.items():
            students = group.of(label)
            same, known = stats.same_weights(group.part, label, full) if component else (0, 0)
            parents = costs.parents(students)
            own = parents - costs.parents(group.of(full))
            recalled = costs.recalled(parents)
            made.append(
                {
                    "place": group.place, "method": group.family.name, "component": component, "baseline": label,
                    "weights": f"{same} of {known} runs" if known else None, "runs": len(students),
                    "seconds": costs.of(students)[1],
                    "least_seconds": costs.least_elapsed(students, serial=component == "parallel"),
                    "own": len(own), "own_seconds": costs.seconds(own),
                    "recalled": len(recalled), "recalled_seconds": costs.seconds(recalled),
                }
            )  # fmt: skip
    return pd.DataFrame(made)


def tables(found: pd.DataFrame, several: bool) -> list[Table]:
    """Of `rows`; none where there are none."""
    if found.empty:
        return []
    places: dict[str, tuple[str, Format]] = {"place": ("data set", str), "method": ("method", str)}
    columns: dict[str, tuple[str, Format]] = {
        **(places if several else {}), "baseline": ("baseline", str), "weights": ("same weights", str),
        "runs": ("runs", whole), "seconds": ("one worker, s", digits(1)),
        "least_seconds": ("enough workers, s", digits(1)), "own": ("models of its own", whole),
        "own_seconds": ("their s", digits(1)), "recalled": ("recalled", whole),
        "recalled_seconds": ("their s", digits(1)),
    }  # fmt: skip
    note = (
        "These components change no weights, so they are judged by the clock alone. One worker: training seconds of "
        "the students and of all that they depend on. Enough workers: the longest way from a teacher to a student, "
        "which no number of workers can shorten; without the parallel pipeline the students come one after another. "
        "Models of its own: trained again, though the full method has the same ones from others. Recalled: taken from "
        "an earlier sweep, with the seconds that they took there. Baselines of one sweep wait for each other, so the "
        "clock of the sweep tells nothing about one of them."
    )
    return [Table("ablation-clock", "Parallel pipeline and shared memory", found, columns=columns, note=note)]


def sentences(group: Group) -> list[str]:
    """How far the weights are those of the full method."""
    made = []
    for component, label in group.family.engine.items():
        same, known = stats.same_weights(group.part, label, group.family.cells[frozenset()])
        if known and same == known:
            made.append(
                f"Without the {TITLES[component]} ({label}) the weights are the same in {same} of {known} runs."
            )
    return made


def unequal(group: Group, one: str, other: str, frame: pd.DataFrame) -> str:
    """What to say where two baselines that must have the same weights have not; else nothing."""
    same, known = stats.same_weights(group.part, one, other)
    if same == known:
        return ""
    count = f"{group.place}: {one} has other weights than {other} in {known - same} of {known} runs"
    reason = _reason(pd.concat([group.of(one), group.of(other)]), frame)
    if reason:
        return f"{count}. They need not be equal here: {reason}."
    return f"{count}, though it must have the same ones: an error of the program. Please report it."


def _reason(students: pd.DataFrame, frame: pd.DataFrame) -> str:
    """Why equal recipes may give unequal weights: a GPU, several machines or versions; empty: nothing is known."""
    stems = {name for text in students["ancestors"] for name in text.split()}
    parents = frame[frame["file"].str.rsplit(".", n=1).str[0].isin(stems)]
    models = pd.concat([students, parents])
    if (models["device"].dropna() != "cpu").any():
        return "sums on a GPU have no fixed order, unless resources.deterministic is set"
    for column, kind in (("hardware", "machines"), ("torch", "versions of torch")):
        names = sorted(map(str, models[column].dropna().unique()))
        if len(names) > 1:
            return f"the models come from {len(names)} {kind} ({', '.join(names)})"
    return ""
