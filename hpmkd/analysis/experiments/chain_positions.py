"""Along the chain: the accuracy of each model on the way from the teacher to the student."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pandas as pd

from hpmkd.analysis.experiments.chains import Chain, assistants_of
from hpmkd.analysis.experiments.contrast import ONCE
from hpmkd.analysis.section import Format, Table, digits
from hpmkd.numeric import whole
from hpmkd.plan.roles import Role

_RUN = re.compile(r"_run\d+$")  # of what each run has for itself


def positions(chains: Sequence[Chain], frame: pd.DataFrame) -> pd.DataFrame:
    """A row per model: `place`, `name`, `length`, `position` (0 is the teacher, `length` + 1 the students), `role`,
    `parameters`, `accuracy_pct` (of students, and of what each run has for itself, their mean). Models that are not
    there have no row."""
    stems = frame["file"].str.rsplit(".", n=1).str[0]
    known = frame.assign(stem=stems).drop_duplicates("stem").set_index("stem")
    rows: list[dict[str, Any]] = []
    for chain in chains:
        for length, label in chain.labels.items():
            students = chain.part[chain.part["baseline"] == label]
            about = {"place": chain.place, "name": chain.name, "length": length}
            above = {**_teacher(students), **{stem: _number(stem) for stem in assistants_of(students)}}
            for position in sorted(set(above.values())):
                own = known.loc[[stem for stem, one in above.items() if one == position and stem in known.index]]
                if len(own):
                    first = {name: own[name].iloc[0] for name in ("role", "parameters")}
                    rows.append({**about, "position": position, **first, "accuracy_pct": own["accuracy_pct"].mean()})
            mean = {"parameters": students["parameters"].iloc[0], "accuracy_pct": float(chain.of(length).mean())}
            rows.append({**about, "position": length + 1, "role": str(Role.STUDENT), **mean})
    columns = ["place", "name", "length", "position", "role", "parameters", "accuracy_pct"]
    return pd.DataFrame(rows, columns=columns).astype({"accuracy_pct": "float64"})


def _teacher(students: pd.DataFrame) -> dict[str, int]:
    """The first teacher of each run, from which every chain starts, at position 0; all runs may have the same."""
    made: dict[str, int] = {}
    for text in students["ancestors"].dropna():
        teachers = (stem for stem in str(text).split() if stem.startswith(f"{Role.TEACHER}_"))
        made |= dict.fromkeys(sorted(teachers, key=lambda one: (len(one), one))[:1], 0)
    return made


def _number(stem: str) -> int:
    """Place of an assistant in its chain, from its name; one that has no number is alone."""
    last = _RUN.sub("", stem).rpartition("_")[2]
    return int(last) if last.isdigit() else 1


def positions_table(along: pd.DataFrame, several: bool) -> Table:
    """Of `positions`."""
    places: dict[str, tuple[str, Format]] = {"place": ("data set", str)}
    columns: dict[str, tuple[str, Format]] = {
        **(places if several else {}), "name": ("chains of", str), "length": ("assistants", whole),
        "position": ("position", whole), "role": ("role", str), "parameters": ("parameters", whole),
        "accuracy_pct": ("accuracy %", digits(2)),
    }  # fmt: skip
    note = f"Test accuracy; position 0 is the teacher, the last the students (mean). {ONCE}"
    return Table("chain-positions", "Every model along the chains", along, columns=columns, note=note)
