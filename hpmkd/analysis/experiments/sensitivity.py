"""Sensitivity to settings: grids such as temperature x alpha, of any baseline. Cells are compared on validation images;
test images are looked at for the chosen and the usual cell alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from hpmkd.analysis.experiments.choice import NEAR, choose, distances
from hpmkd.analysis.experiments.contrast import records, tested
from hpmkd.analysis.experiments.corrected import holm, shared_choice
from hpmkd.analysis.experiments.cost import Costs
from hpmkd.analysis.experiments.sensitivity_figures import Found, drawings
from hpmkd.analysis.experiments.sensitivity_words import sentences
from hpmkd.analysis.section import Format, Section, Table, digits
from hpmkd.audit.chosen import grids_by_validation
from hpmkd.audit.grids import Grid, name_without, places
from hpmkd.audit.sweep_dir import Saved
from hpmkd.config.sweep import SweepConfig
from hpmkd.data.source.listing import count
from hpmkd.numeric import divide, p_value, whole
from hpmkd.plan.catalog import baselines_of


def section(frame: pd.DataFrame, order: Sequence[str], saved: Saved) -> Section | None:
    """Of sweeps in which a setting of a baseline has several values; see `experiments.registry`."""
    found = _found(frame, saved)
    if not found or saved.config is None:
        return None
    several = len({one.place for one in found}) > 1
    rows = _rows(found)
    said: list[str] = []
    for one, row in zip(found, records(rows), strict=True):
        where = f"{one.place}: " if several else ""
        moved = _meta_temperature(saved.config, one.choice.grid)
        said += [where + text for text in sentences(one.choice, row, moved)]
    return Section(
        "sensitivity",
        "Sensitivity to settings",
        tuple(said),
        tables=(_table(rows, several),),
        drawings=tuple(drawings(found, several)),
        folded=(_cells(found, several),),
    )


def _found(frame: pd.DataFrame, saved: Saved) -> list[Found]:
    grids = grids_by_validation(saved.config)
    if not grids:
        return []
    costs, made = Costs(frame, saved), []
    for place, part in places(frame):
        for grid in grids:
            choice = choose(grid, part)
            if choice is not None:
                cells = distances(choice, part)
                one = choice.usual or choice.chosen
                students = part[part["baseline"].isin(set(cells["label"]))]
                mine = students[students["baseline"] == one]
                made.append(Found(place, choice, cells, (*costs.of(students), *costs.of(mine))))
    return made


def _rows(found: Sequence[Found]) -> pd.DataFrame:
    """A row per grid and place; Holm over the choices made anew."""
    anew = [shared_choice(one.choice.anew) for one in found]
    corrected = holm([own["p"] for own in anew])
    rows = []
    for one, own, p_holm in zip(found, anew, corrected, strict=True):
        choice = one.choice
        (regret,), (gain,) = (records(tested({"x": series})) for series in (choice.regret, choice.gain))
        best = float(choice.validation.iloc[0])
        row: dict[str, Any] = {"place": one.place, "name": choice.grid.name, "cells": len(choice.grid.cells)}
        row |= {"trained": len(one.cells), "candidates": len(choice.validation), "runs": len(choice.runs)}
        row |= {"chosen": choice.chosen, "chosen_settings": choice.grid.text(choice.chosen), "usual": choice.usual}
        row |= {"validation_pct": best, "near_pct": 100 * divide(choice.near, len(choice.validation))}
        row |= {"worst": float(choice.validation.iloc[-1]) - best, "regret": regret["difference"]}
        row |= {"regret_low": regret["low"], "regret_high": regret["high"]}
        row |= {"test_pct": choice.test.get(choice.chosen), "usual_test_pct": choice.test.get(choice.usual or "")}
        row |= {f"gain{end}": gain[name] for end, name in _ENDS.items()}
        row |= {f"anew{end}": own[name] for end, name in _ENDS.items()} | {"p": own["p"], "p_holm": p_holm}
        costs = zip(("multiply_adds", "seconds", "multiply_adds_one", "seconds_one"), one.cost, strict=True)
        rows.append({**row, **dict(costs)})
    return pd.DataFrame(rows)


_ENDS = {"_n": "n", "": "difference", "_low": "low", "_high": "high"}


def _meta_temperature(config: SweepConfig, grid: Grid) -> tuple[str, float, float] | None:
    """What T follows in the baselines of a grid over T, and from and to which multiple of T; None where it stands
    still."""
    own = [one for one in baselines_of(config) if name_without(one, grid.keys) == grid.name]
    if "kd.temperature" not in grid.keys or not own or not own[0].settings.get("hpmkd.meta_temperature"):
        return None
    settings = own[0].settings
    return settings["hpmkd.schedule"], settings["hpmkd.t_high"], settings["hpmkd.t_low"]


_PLACE: dict[str, tuple[str, Format]] = {"place": ("data set", str)}


def _table(rows: pd.DataFrame, several: bool) -> Table:
    signed = digits(2, sign=True)
    columns: dict[str, tuple[str, Format]] = {
        **(_PLACE if several else {}), "name": ("grid of", str), "candidates": ("cells", whole),
        "runs": ("runs", whole), "chosen_settings": ("chosen", str), "validation_pct": ("validation %", digits(2)),
        "near_pct": (f"% within {NEAR:g}", digits(0)), "worst": ("worst", signed), "regret": ("default loses", signed),
        "test_pct": ("test %", digits(2)), "usual_test_pct": ("default, test %", digits(2)),
        "gain": ("gain, test", signed), "gain_low": ("95 % from", signed), "gain_high": ("to", signed),
        "anew": ("chosen anew", signed), "anew_low": ("95 % from", signed), "anew_high": ("to", signed),
        "p": ("p (t)", p_value), "p_holm": ("p (Holm)", p_value),
    }  # fmt: skip
    note = (
        "Chosen: the cell with the highest mean accuracy on validation images, over the runs that all cells have. "
        f"% within {NEAR:g}: part of the cells that are at most {NEAR:g} points below it there; worst: the lowest, in "
        "points from it. Default: what the config says for all baselines. Default loses: on validation images, where "
        "the chosen cell is the highest of many means by luck, too. Gain: on test images, run by run, with the models "
        "by which it was chosen. Chosen anew: each run is tested with the cell that the other runs choose; interval "
        "and test allow for what these choices share (Nadeau and Bengio 2003), Holm's correction is over the grids. 95 "
        "% intervals by Student's t over runs, which share their teachers."
    )
    return Table("sensitivity", "The choice of settings", rows, columns=columns, note=note)


def _cells(found: Sequence[Found], several: bool) -> Table:
    parts = []
    for one in found:
        settings = [one.choice.grid.text(str(label)) for label in one.cells["label"]]
        about = {"place": one.place, "name": one.choice.grid.name, "settings": settings}
        parts.append(one.cells.assign(**about))
    frame = pd.concat(parts, ignore_index=True)
    signed = digits(2, sign=True)
    columns: dict[str, tuple[str, Format]] = {
        **(_PLACE if several else {}), "name": ("grid of", str), "settings": ("settings", str), "n": ("runs", whole),
        "mean_pct": ("validation %", digits(2)), "sd_pct": ("sd", digits(2)),
        "difference": ("to the chosen", signed), "low": ("95 % from", signed), "high": ("to", signed),
    }  # fmt: skip
    note = (
        "Accuracy on validation images alone: mean and sample standard deviation over a cell's runs, and the paired "
        "difference to the chosen cell (Student's t), which is the highest of all by luck, too."
    )
    return Table(
        "sensitivity-cells", f"All {count(len(frame), 'cell')}, on validation images", frame, columns=columns, note=note
    )
