"""What a grid of settings shows, in sentences that are computed from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hpmkd.analysis import stats
from hpmkd.analysis.experiments.choice import NEAR, Choice
from hpmkd.analysis.experiments.contrast import LEVEL, runs_text
from hpmkd.analysis.experiments.cost import scaled
from hpmkd.audit.grids import described, title
from hpmkd.data.source.listing import some_of
from hpmkd.numeric import divide, fixed, is_defined, p_phrase

_FOLLOWS = {
    "cosine": "as the training goes on",
    "loss": "as the loss falls",
    "convergence": "as the loss falls more slowly",
}


def sentences(choice: Choice, row: Mapping[str, Any], moved: tuple[str, float, float] | None) -> list[str]:
    """Of one grid in one place.

    Args:
        choice: what was chosen.
        row: of it, with intervals, tests and costs.
        moved: of a grid over T, the meta temperature: its schedule, and from and to which multiple of T.
    """
    made = [_headline(choice, row), *_default(choice, row), *_test(choice, row)]
    if moved is not None:
        schedule, high, low = moved
        made.append(
            f"{choice.grid.name}: the meta temperature multiplies T, from {high:g} T to {low:g} T "
            f"{_FOLLOWS.get(schedule, schedule)}; T in the grid is what it multiplies."
        )
    return [*made, *_cost(choice, row), *_partial(row)]


def _headline(choice: Choice, row: Mapping[str, Any]) -> str:
    keys = " x ".join(title(key) for key in choice.grid.keys)
    said = f"{choice.grid.name}, {row['candidates']} cells over {keys}: the highest on validation images is "
    said += f"{choice.grid.text(choice.chosen)} ({fixed(row['validation_pct'], 2)} %, {runs_text([row['runs']])})"
    share = f"{some_of(choice.near, row['candidates'], 'cell')} within {NEAR:g} points of it"
    return f"{said}; {share}, the lowest is {fixed(abs(row['worst']), 2)} points below."


def _default(choice: Choice, row: Mapping[str, Any]) -> list[str]:
    grid = choice.grid
    if choice.usual is None:
        return [f"{grid.name}: the default ({described(grid.keys, grid.usual)}) is none of these cells."]
    if choice.usual == choice.chosen:
        return [f"{grid.name}: the default ({grid.text(choice.usual)}) is the one that is chosen."]
    said = (
        f"{grid.name}: on validation images the default ({grid.text(choice.usual)}) is {fixed(row['regret'], 2)} points"
    )
    interval = _interval(row["regret_low"], row["regret_high"])
    return [f"{said} below it{f' ({interval})' if interval else ''}, of which a part is the luck of the highest mean."]


def _test(choice: Choice, row: Mapping[str, Any]) -> list[str]:
    """On test images; the finding is of the choice made anew."""
    if choice.usual is None or not is_defined(row["test_pct"]):
        return []
    said = []
    if choice.usual != choice.chosen and is_defined(row["gain"]):
        interval = _interval(row["gain_low"], row["gain_high"])
        said.append(
            f"{choice.grid.name}, test images: {fixed(row['test_pct'], 2)} % chosen, "
            f"{fixed(row['usual_test_pct'], 2)} % default, "
            f"{fixed(row['gain'], 2, sign=True)} points{f' ({interval})' if interval else ''}."
        )
    if row["runs"] < 2:
        return [*said, f"{choice.grid.name}: one run per cell cannot say whether choosing helps."]
    return [*said, f"{choice.grid.name}: {_finding(row)}"]


def _finding(row: Mapping[str, Any]) -> str:
    anew = f"{fixed(row['anew'], 2, sign=True)} points on test images"
    interval = _interval(row["anew_low"], row["anew_high"])
    if not is_defined(row["p_holm"]):
        if row["anew"] == 0:
            return "chosen anew for each run by the other runs, it is the default in every run."
        return f"chosen anew for each run by the other runs, it is {anew} from the default; that is not tested."
    evidence = f"{anew}, {interval}, {p_phrase(row['p_holm'], stats.CORRECTED)}"
    if row["p_holm"] < LEVEL:
        word = "pays" if row["anew"] > 0 else "harms"
        return f"choosing {word}: chosen anew for each run by the other runs, {evidence} against the default."
    return f"that choosing pays is not shown: chosen anew for each run by the other runs, {evidence}."


def _interval(low: Any, high: Any) -> str:
    return f"95 % interval {fixed(low, 2, sign=True)} to {fixed(high, 2, sign=True)}" if is_defined(low) else ""


def _cost(choice: Choice, row: Mapping[str, Any]) -> list[str]:
    parts = []
    for name, unit in (("multiply_adds", "multiply-adds"), ("seconds", "seconds")):
        times = divide(row[name], row[f"{name}_one"])
        if is_defined(times):
            plain = [scaled(row[key]).lstrip("+") for key in (name, f"{name}_one")]
            amounts = plain if unit == "multiply-adds" else [fixed(row[key], 0) for key in (name, f"{name}_one")]
            parts.append(f"{fixed(times, 1)} times the {unit} ({amounts[0]} against {amounts[1]})")
    if not parts:
        return []
    one = "the default alone" if choice.usual else "the chosen cell alone"
    return [f"{choice.grid.name}: searching these cells takes {' and '.join(parts)} of {one}, teachers included."]


def _partial(row: Mapping[str, Any]) -> list[str]:
    if row["candidates"] == row["cells"]:
        return []
    fewer = row["cells"] - row["candidates"]
    lack = some_of(fewer, row["cells"], "cell", verb="lacks")
    yet = "it is no candidate yet" if fewer == 1 else "they are no candidates yet"
    return [f"{row['name']}: {lack} runs that the others have; {yet}."]
