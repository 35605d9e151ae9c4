"""Size of the student: what methods buy, and how much of the gap to the teacher they close, over the ratio of sizes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats as scipy_stats

from hpmkd.analysis import stats
from hpmkd.analysis.experiments import ratio_tables as tables
from hpmkd.analysis.experiments import ratio_words as words
from hpmkd.analysis.experiments.contrast import records, tested
from hpmkd.analysis.experiments.ratio_series import Series, Size, series_in
from hpmkd.analysis.section import Section
from hpmkd.analysis.stats.tost import spread
from hpmkd.audit.sweep_dir import Saved
from hpmkd.numeric import divide
from hpmkd.plan.architecture import parameter_count

DIRECT, PLAIN = "Direct", "TraditionalKD"
REFERENCES = (DIRECT, PLAIN)


def section(frame: pd.DataFrame, order: Sequence[str], saved: Saved) -> Section | None:
    """Of sweeps with students of several sizes from one teacher; see `experiments.registry`."""
    found = series_in(frame, saved)
    if not found:
        return None
    sizes = pd.concat([_sizes(one) for one in found], ignore_index=True)
    numbers = pd.concat([_numbers(one, order) for one in found], ignore_index=True)
    pairs = pd.concat([_pairs(one, order) for one in found], ignore_index=True)
    trends = pd.concat([_trends(one, order) for one in found], ignore_index=True)
    said: list[str] = []
    for one in found:
        where = f"{one.name}: " if len(found) > 1 else ""
        mine = [records(table[table["series"] == one.name]) for table in (sizes, numbers, pairs, trends)]
        said += [where + text for text in words.sentences(*mine)]
    several = len(found) > 1
    order = list(dict.fromkeys([*order, *numbers["name"]]))
    return Section(
        "ratios",
        "Size of the student",
        tuple(said),
        tables=(tables.size_table(sizes, several), tables.number_table(numbers, several)),
        drawings=tuple(tables.drawings(numbers, pairs, order, several)),
        folded=(
            *[tables.pair_table(pairs, several)] * (len(pairs) > 0),
            *[tables.trend_table(trends, several)] * (len(trends) > 0),
        ),
    )


def _sorted(one: Series, order: Sequence[str]) -> list[str]:
    """Its baselines in the order of the sweep."""
    place = {name: number for number, name in enumerate(order)}
    return sorted(one.baselines, key=lambda name: place.get(name, len(place)))


def _sizes(one: Series) -> pd.DataFrame:
    """A row per size: the networks and the gap between the teacher and students without one."""
    rows: list[dict[str, Any]] = []
    for size in one.sizes:
        teacher, student = size.networks
        row: dict[str, Any] = {"series": one.name, **_about(size)}
        row |= {"arch": student.arch, "widths": "-".join(map(str, student.channels))}
        row |= {"parameters": parameter_count(student), "teacher": teacher.arch, "teacher_pct": size.teacher_pct}
        alone = size.wide[DIRECT].dropna() if DIRECT in size.wide else pd.Series(dtype=float)
        direct = alone.to_numpy()
        gap = stats.share_of_gap(direct, direct, size.taught_by(alone.index))
        rows.append({**row, "direct_pct": float(direct.mean()) if len(direct) else math.nan,
                     **{name: gap[name] for name in ("gap", "gap_low", "gap_high", "gap_finding")}})  # fmt: skip
    return pd.DataFrame(rows)


def _about(size: Size) -> dict[str, Any]:
    return {"place": size.place, "ratio": size.ratio, "multiply_add_ratio": size.multiply_add_ratio}


def _numbers(one: Series, order: Sequence[str]) -> pd.DataFrame:
    """A row per size and baseline: accuracy, retention, and the share of the gap to the teacher that it closes."""
    rows = []
    for size in one.sizes:
        for name in (name for name in _sorted(one, order) if name in size.wide):
            values = size.wide[name].dropna()
            about = {"series": one.name, **_about(size), "name": name, "runs": len(values)}
            rows.append({**about, **_means(values, size), **_share(size, name)})
    return pd.DataFrame(rows)


def _means(accuracies: pd.Series, size: Size) -> dict[str, float]:
    """The mean, and retention with its 95 % interval by Student's t, which is that of runs: the teacher is one number,
    or each student is measured against its own."""
    scale = 100.0 / size.taught_by(accuracies.index) if len(size.own) else 1.0
    values, teacher = accuracies * scale, 100.0 if len(size.own) else size.teacher_pct
    mean, sd = float(values.mean()), spread(values.to_numpy(dtype=float))
    reach = float(scipy_stats.t.isf((1 - stats.CONFIDENCE) / 2, len(values) - 1)) * sd / math.sqrt(len(values))
    reach = reach if sd > 0 else math.nan
    ends = {"retention_pct": mean, "retention_low": mean - reach, "retention_high": mean + reach}
    return {
        "mean_pct": float(accuracies.mean()),
        **{name: 100 * divide(value, teacher) for name, value in ends.items()},
    }


def _share(size: Size, name: str) -> dict[str, float]:
    empty = dict.fromkeys(("share_pct", "share_low", "share_high"), math.nan)
    if name == DIRECT or DIRECT not in size.wide:
        return empty
    both = size.wide[[name, DIRECT]].dropna()
    found = stats.share_of_gap(both[name].to_numpy(), both[DIRECT].to_numpy(), size.taught_by(both.index))
    return dict(zip(empty, (100 * found[key] for key in ("share", "share_low", "share_high")), strict=True))


def _pairs(one: Series, order: Sequence[str]) -> pd.DataFrame:
    """A row per reference, baseline and size. Holm over the sizes of one baseline against one reference."""
    rows, by_place = [], {size.place: size for size in one.sizes}
    for reference in REFERENCES:
        for name in (name for name in _sorted(one, order) if name != reference):
            if (name, reference) == (DIRECT, PLAIN):
                continue  # the same as the other way round
            values = one.differences(name, reference)
            for row in records(tested(values)) if values else []:
                about = {"series": one.name, **_about(by_place[row.pop("name")])}
                rows.append({**about, "name": name, "reference": reference, **row})
    columns = ["series", "place", "ratio", "multiply_add_ratio", "name", "reference", "n", "difference", "low", "high",
               "p", "p_holm"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def _trends(one: Series, order: Sequence[str]) -> pd.DataFrame:
    """A row per reference and baseline: how the difference changes with the size, points per doubling of the ratio.

    A slope per run over the logarithm of the ratio, of the runs that have every size; Holm over the baselines.
    """
    parts = []
    for reference in REFERENCES:
        slopes = {}
        for name in (name for name in _sorted(one, order) if name != reference):
            values = {} if (name, reference) == (DIRECT, PLAIN) else one.differences(name, reference)
            if len(values) > 2:
                table = pd.DataFrame(values).dropna()
                doublings = np.log2([size.ratio for size in one.sizes if size.place in values])
                slope = np.polyfit(doublings, table.to_numpy().T, 1)[0] if len(table) else []
                slopes[name] = pd.Series(slope, index=table.index, dtype=float)
        if slopes:
            parts.append(tested(slopes).assign(series=one.name, reference=reference))
    columns = ["series", "reference", "name", "n", "difference", "low", "high", "p", "p_holm"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)
