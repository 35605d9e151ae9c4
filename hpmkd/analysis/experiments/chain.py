"""Length of the chain: what each further assistant between teacher and student buys, and what it costs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import pandas as pd

from hpmkd.analysis.experiments import chain_words as words
from hpmkd.analysis.experiments.chain_positions import positions, positions_table
from hpmkd.analysis.experiments.chains import Chain, chains_in
from hpmkd.analysis.experiments.contrast import SHARED, is_shown, records, tested
from hpmkd.analysis.experiments.corrected import holm
from hpmkd.analysis.experiments.cost import Costs
from hpmkd.analysis.plots import series
from hpmkd.analysis.section import Drawing, Format, Section, Table, digits
from hpmkd.analysis.stats.tost import LEVEL, MARGIN, equivalence
from hpmkd.audit.grids import places
from hpmkd.audit.sweep_dir import Saved
from hpmkd.numeric import is_defined, p_value, whole


def section(frame: pd.DataFrame, order: Sequence[str], saved: Saved) -> Section | None:
    """Of sweeps with chains of several lengths; see `experiments.registry`."""
    chains = [chain for place, part in places(frame) for chain in chains_in(place, part, saved.config)]
    if not chains:
        return None
    several, costs = len({one.place for one in chains}) > 1, Costs(frame, saved)
    lengths = pd.concat([_lengths(one, costs) for one in chains], ignore_index=True)
    steps = pd.concat([_steps(one) for one in chains], ignore_index=True)
    along = positions(chains, frame)
    said: list[str] = []
    for one in chains:
        where = f"{one.place}: " if several else ""
        said += [where + text for text in words.sentences(one.name, *(_own(table, one) for table in (lengths, steps)))]
    return Section(
        "chain",
        "Length of the chain",
        tuple(said),
        tables=(_length_table(lengths, several), _step_table(steps, several)),
        drawings=tuple(_drawings(lengths, along, several)),
        folded=(positions_table(along, several),) if len(along) else (),
    )


def _own(table: pd.DataFrame, chain: Chain) -> list[dict[str, Any]]:
    return records(table[(table["place"] == chain.place) & (table["name"] == chain.name)])


def _lengths(chain: Chain, costs: Costs) -> pd.DataFrame:
    """A row per length: accuracy, difference to the shortest in the same runs, cost with all parents."""
    first = chain.labels[chain.lengths[0]]
    found = records(tested({str(n): chain.of(n) - chain.wide[first] for n in chain.lengths[1:]}))
    differences = {int(row["name"]): row for row in found}
    rows = []
    for length, label in chain.labels.items():
        students, own = chain.part[chain.part["baseline"] == label], differences.get(length, {})
        multiply_adds, seconds = costs.of(students)
        row: dict[str, Any] = {"place": chain.place, "name": chain.name, "length": length, "baseline": label}
        row |= {"runs": len(chain.of(length).dropna()), "mean_pct": float(chain.of(length).mean())}
        row |= {name: own.get(name) for name in ("difference", "low", "high", "p", "p_holm")}
        rows.append({**row, "multiply_adds": multiply_adds, "seconds": seconds})
    numbers = ["mean_pct", "difference", "low", "high", "p", "p_holm", "multiply_adds", "seconds"]
    return pd.DataFrame(rows).astype(dict.fromkeys(numbers, "float64"))


def _steps(chain: Chain) -> pd.DataFrame:
    """A row per pair of lengths: each with the next, then each with the longest. Holm over the pairs of a question, of
    differences and of equivalences each."""
    longest = chain.lengths[-1]
    neighbours = list(zip(chain.lengths, chain.lengths[1:], strict=False))
    questions = {"next": neighbours, "longest": [(one, longest) for one in chain.lengths[:-1]]}
    return pd.concat([_question(chain, kind, pairs) for kind, pairs in questions.items()], ignore_index=True)


def _question(chain: Chain, kind: str, pairs: Sequence[tuple[int, int]]) -> pd.DataFrame:
    """The longer of each pair minus the shorter."""
    values = {f"{one} to {two}": chain.of(two) - chain.of(one) for one, two in pairs}
    rows = records(tested(values))
    same = [equivalence(values[row["name"]].dropna().to_numpy(dtype=float).round(9)) for row in rows]
    corrected = holm([one["p_equivalence"] for one in same])
    made = []
    for row, one, p, (shorter, longer) in zip(rows, same, corrected, pairs, strict=True):
        about = {"place": chain.place, "name": chain.name, "question": kind, "pair": row.pop("name")}
        about |= {"shorter": shorter, "longer": longer}
        equal = {"equal_low": one["equal_low"], "equal_high": one["equal_high"], "p_equal": p}
        made.append({**about, **row, **equal, "finding": _finding(row, p)})
    return pd.DataFrame(made)


def _finding(row: dict[str, Any], p_equal: float) -> str:
    parts = []
    if is_shown(row):
        parts.append("better" if row["difference"] > 0 else "worse")
    if p_equal < LEVEL:
        parts.append(f"within {MARGIN:g} points")
    if parts or is_defined(p_equal):
        return ", ".join(parts) or "undecided"
    return "the same change in each run: no test" if row["n"] > 1 else "one run: no test" if row["n"] else "no run yet"


_ABOUT: dict[str, tuple[str, Format]] = {"name": ("chains of", str)}


def _places(several: bool) -> dict[str, tuple[str, Format]]:
    return {"place": ("data set", str), **_ABOUT} if several else _ABOUT


def _length_table(lengths: pd.DataFrame, several: bool) -> Table:
    signed = digits(2, sign=True)
    columns: dict[str, tuple[str, Format]] = {
        **_places(several), "length": ("assistants", whole), "runs": ("runs", whole),
        "mean_pct": ("accuracy %", digits(2)), "difference": ("to the shortest", signed), "low": ("95 % from", signed),
        "high": ("to", signed), "p_holm": ("p (Holm)", p_value), "multiply_adds": ("multiply-adds", words.amount),
        "seconds": ("seconds", digits(0)),
    }  # fmt: skip
    note = (
        "Test accuracy of the students by number of assistants, and their difference to the shortest chain, run by "
        "run, with its 95 % interval by Student's t; Holm over the lengths. Cost: these students with everything that "
        f"they depend on. {SHARED} The assistants of a chain are trained once, so a length is that of one chain."
    )
    return Table("chain", "Accuracy and cost by length", lengths, columns=columns, note=note)


def _step_table(steps: pd.DataFrame, several: bool) -> Table:
    signed = digits(2, sign=True)
    columns: dict[str, tuple[str, Format]] = {
        **_places(several), "pair": ("assistants", str), "question": ("against the", str), "n": ("pairs", whole),
        "difference": ("longer buys", signed), "low": ("95 % from", signed), "high": ("to", signed),
        "p_holm": ("p (Holm)", p_value), "equal_low": ("90 % from", signed), "equal_high": ("to", signed),
        "p_equal": ("p (TOST, Holm)", p_value), "finding": ("finding", str),
    }  # fmt: skip
    note = (
        "The longer chain minus the shorter, run by run. Two questions, each corrected by Holm over its pairs: is "
        f"there a difference (paired t-test), and is it less than {MARGIN:g} points either way (two one-sided tests, "
        "TOST; the 90 % interval is theirs)? Both may be so. Undecided: neither; more runs would tell."
    )
    return Table("chain-steps", "What a longer chain buys", steps, columns=columns, note=note)


def _drawings(lengths: pd.DataFrame, along: pd.DataFrame, several: bool) -> list[Drawing]:
    text = (
        "Students: difference to the shortest chain in the same runs, mean and 95 % interval (Student's t). Shaded: "
        f"within {MARGIN:g} points of it."
    )
    figure = partial(series.differences, lengths, "length", "assistants in the chain", margin=MARGIN, several=several)
    made = [Drawing("chain", "What assistants buy", figure, text)]
    if len(along):
        text = (
            "Test accuracy of each model on the way from the teacher (0) over the assistants to the students (the last "
            "of each line, their mean); a line for each length."
        )
        made.append(Drawing("chain-positions", "Along the chain", partial(series.along, along, several), text))
    return made
