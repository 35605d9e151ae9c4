"""Number of teachers: what each further, independently trained teacher buys, how they are weighted, what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import pandas as pd

from hpmkd.analysis.experiments import teacher_words as words
from hpmkd.analysis.experiments.attention import attention_table, spreads
from hpmkd.analysis.experiments.contrast import ONE_SET, SHARED, is_shown, records, tested
from hpmkd.analysis.experiments.cost import Costs
from hpmkd.analysis.experiments.disagreement import disagreements, pairs_table
from hpmkd.analysis.experiments.teacher_arms import Arms, arms_in
from hpmkd.analysis.plots import series
from hpmkd.analysis.section import Drawing, Format, Section, Table, digits
from hpmkd.audit.grids import places
from hpmkd.audit.sweep_dir import Saved
from hpmkd.numeric import p_value, whole


def section(frame: pd.DataFrame, order: Sequence[str], saved: Saved) -> Section | None:
    """Of sweeps in which methods have several numbers of teachers; see `experiments.registry`."""
    found = [arms for place, part in places(frame) if (arms := arms_in(place, part, saved.config)) is not None]
    if not found:
        return None
    several, costs = len(found) > 1, Costs(frame, saved)
    shared = "" if saved.config is None else f" = {saved.config.kd_budget.students}"
    budget = (
        f"KD-Budget trains one student for what HPM-KD with M teachers costs, its teachers shared by kd_budget.students"
        f"{shared}; with another number of runs the multiply-adds of a sweep are not the same."
    )
    numbers = pd.concat([_numbers(one, costs) for one in found], ignore_index=True)
    beside = pd.concat([_beside(one) for one in found], ignore_index=True)
    spread = pd.concat([spreads(one) for one in found], ignore_index=True)
    apart = pd.concat([disagreements(one, frame, saved.output) for one in found], ignore_index=True)
    said: list[str] = []
    for one in found:
        where = f"{one.place}: " if several else ""
        mine = [records(table[table["place"] == one.place]) for table in (numbers, beside, spread, apart)]
        said += [where + text for text in words.sentences(*mine)]
    return Section(
        "teachers",
        "Number of teachers",
        tuple(said),
        tables=(
            _number_table(numbers, several, budget),
            *[attention_table(spread, several)] * (len(spread) > 0),
        ),
        drawings=tuple(_drawings(found, numbers, spread, several)),
        folded=(
            *[_beside_table(beside, several, budget)] * (len(beside) > 0),
            *[pairs_table(apart, several)] * (len(apart) > 0),
        ),
    )


def _numbers(arms: Arms, costs: Costs) -> pd.DataFrame:
    """A row per arm and M: accuracy, difference to that arm's fewest teachers (Holm over its M), cost."""
    rows = []
    for name, labels in arms.labels.items():
        least = min(labels)
        values = {f"M {m}": arms.wide[label] - arms.wide[labels[least]] for m, label in labels.items() if m != least}
        found = {str(row["name"]): row for row in records(tested(values))}
        for m, label in labels.items():
            own = found.get(f"M {m}", {})
            multiply_adds, seconds = costs.of(arms.part[arms.part["baseline"] == label])
            row: dict[str, Any] = {"place": arms.place, "name": name, "teachers": m, "baseline": label}
            row |= {"runs": int(arms.wide[label].notna().sum()), "mean_pct": float(arms.wide[label].mean())}
            row |= {key: own.get(key) for key in ("n", "difference", "low", "high", "p", "p_holm")}
            rows.append({**row, "multiply_adds": multiply_adds, "seconds": seconds})
    floats = ["n", "mean_pct", "difference", "low", "high", "p", "p_holm", "multiply_adds", "seconds"]
    return pd.DataFrame(rows).astype(dict.fromkeys(floats, "float64"))


def _beside(arms: Arms) -> pd.DataFrame:
    """A row per M and pair of arms that is a question (see `Arms.questions`); Holm over the M of a question."""
    rows: list[dict[str, Any]] = []
    for one, other in arms.questions():
        theirs = arms.labels[other]
        both = {m: label for m, label in arms.labels[one].items() if theirs.get(m, label) != label}
        values = {f"M {m}": arms.wide[label] - arms.wide[theirs[m]] for m, label in both.items()}
        for row, m in zip(records(tested(values)) if values else [], both, strict=True):
            finding = "not shown"
            if is_shown(row):
                finding = "better" if row["difference"] > 0 else "worse"
            about = {"place": arms.place, "name": one, "against": other, "teachers": m}
            rows.append({**about, **{key: value for key, value in row.items() if key != "name"}, "finding": finding})
    columns = ["place", "name", "against", "teachers", "n", "difference", "low", "high", "p", "p_holm", "finding"]
    return pd.DataFrame(rows, columns=columns)


def _places(several: bool) -> dict[str, tuple[str, Format]]:
    about: dict[str, tuple[str, Format]] = {"name": ("method", str)}
    return {"place": ("data set", str), **about} if several else about


def _number_table(numbers: pd.DataFrame, several: bool, budget: str) -> Table:
    signed = digits(2, sign=True)
    columns: dict[str, tuple[str, Format]] = {
        **_places(several), "teachers": ("M", whole), "runs": ("runs", whole), "mean_pct": ("accuracy %", digits(2)),
        "difference": ("to fewest", signed), "low": ("95 % from", signed), "high": ("to", signed),
        "p_holm": ("p (Holm)", p_value), "multiply_adds": ("multiply-adds", words.amount),
        "seconds": ("seconds", digits(0)),
    }  # fmt: skip
    note = (
        "Test accuracy of the students by number of teachers, and the difference to the same method with the fewest, "
        "run by run, with its 95 % interval by Student's t; Holm over the M of a method. KD-Budget has one teacher "
        f"whatever M is. {budget} Cost: these students with everything that they depend on. {SHARED} "
        f"{ONE_SET}"
    )
    return Table("teachers", "Accuracy and cost by number of teachers", numbers, columns=columns, note=note)


def _beside_table(beside: pd.DataFrame, several: bool, budget: str) -> Table:
    signed = digits(2, sign=True)
    columns: dict[str, tuple[str, Format]] = {
        **_places(several), "against": ("against", str), "teachers": ("M", whole), "n": ("pairs", whole),
        "difference": ("difference", signed), "low": ("95 % from", signed), "high": ("to", signed),
        "p_holm": ("p (Holm)", p_value), "finding": ("finding", str),
    }  # fmt: skip
    note = (
        "Two methods with the same number of teachers, run by run. Holm over the M of each pair of methods, fewer than "
        f"in the table of paired differences. {budget}"
    )
    return Table("teachers-methods", "Methods with equally many teachers", beside, columns=columns, note=note)


def _drawings(found: Sequence[Arms], numbers: pd.DataFrame, spread: pd.DataFrame, several: bool) -> list[Drawing]:
    parts, references = [], []
    for one in found:
        name, series_of = one.reference()
        references.append(name)
        for arm, labels in one.labels.items():
            values = {f"M {m}": one.wide[label] - series_of for m, label in labels.items()}
            made = tested(values).assign(place=one.place, arm=arm, teachers=list(labels))
            parts.append(made.drop(columns="name").rename(columns={"arm": "name"}))
    text = (
        f"Students: difference to {' or '.join(dict.fromkeys(references))} in the same runs, mean and 95 % interval "
        "(Student's t)."
    )
    rows = pd.concat(parts, ignore_index=True)
    figure = partial(series.differences, rows, "teachers", "M, number of teachers", margin=0.0, several=several)
    drawn = [Drawing("teachers", "What teachers buy", figure, text)]
    if len(spread):
        text = (
            "exp(H), H the mean entropy of the attention's weights on validation images: how many equally weighted "
            "teachers would be as spread. Dashed: how many are weighted, assistants included."
        )
        drawn.append(
            Drawing("attention", "Effective number of teachers", partial(series.entropies, spread, several), text)
        )
    return drawn
