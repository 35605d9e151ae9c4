"""Speed-up: how much faster the sweep is with more workers, by `speedup.json`, and how fast it could be."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import pandas as pd

from hpmkd.analysis.experiments.contrast import listed
from hpmkd.analysis.plots.latency import speedups
from hpmkd.analysis.section import Drawing, Format, Section, Table, digits
from hpmkd.audit.sweep_dir import Saved
from hpmkd.bench.speedup_table import Row, critical_path, rows
from hpmkd.data.source.listing import count
from hpmkd.errors import UsageError
from hpmkd.numeric import fixed, is_defined, whole
from hpmkd.store import speedup_file
from hpmkd.store.speedup_file import Speedups

_TITLE = "Speed-up with more workers"
_ESTIMATES = ("seconds", "speedup", "efficiency", "serial")


def section(frame: pd.DataFrame, order: Sequence[str], saved: Saved) -> Section | None:
    """Of sweeps whose folder holds a `speedup.json`; see `experiments.registry`."""
    try:
        found = speedup_file.read(saved.output.speedup_file)
    except UsageError as error:
        return Section("speedup", _TITLE, (), errors=(str(error),))
    if found is None or not (made := rows(found)):
        return None
    table = frame_of(made)
    drawings = []
    if len(table) > 1:
        text = (
            "Means of repeats and 95 % intervals (Student's t). Dotted: every worker does its whole part. Dashed: "
            "what the longest way through the plan allows."
        )
        drawings.append(Drawing("speedup", "Speed-up and efficiency", partial(speedups, table), text))
    return Section(
        "speedup", _TITLE, tuple(sentences(found, made)), tables=(_table(table, found),), drawings=tuple(drawings)
    )


def frame_of(made: Sequence[Row]) -> pd.DataFrame:
    """A row per number of workers."""
    values = []
    for row in made:
        one = {"workers": row.workers, "repeats": row.repeats, "least": row.least, "most": row.most}
        for name in _ESTIMATES:
            estimate = getattr(row, name)
            one |= {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
        values.append(one)
    return pd.DataFrame(values)


def sentences(found: Speedups, made: Sequence[Row]) -> list[str]:
    """What was found, computed from the rows."""
    said = [_gain(row) for row in made if row.workers > 1]
    path = critical_path(found)
    alone = made[0].seconds.value
    if is_defined(path) and len(made) > 1:
        said.append(
            f"The longest way through the plan takes {fixed(path, 1)} s of training; with one worker the sweep takes "
            f"{fixed(alone, 1)} s, so that no number of workers makes it more than {fixed(alone / path, 1)} times as "
            "fast."
        )
    if len(made) < 2:
        said.append("Only one worker was measured: there is nothing to compare.")
    said.append(
        f"The weights of all {count(found.models, 'network')} were equal in all {count(len(found.runs), 'run')}."
    )
    if found.open:
        said.append(f"{count(len(found.open), 'run')} not done yet; the same command continues.")
    noted = sorted({text for texts in found.quiet.values() for text in texts})
    if noted:
        said.append(f"The machine was not quiet: {'; '.join(noted)}.")
    if found.left_out:
        said.append(f"Not measured: {listed(list(found.left_out))}.")
    return said


def _gain(row: Row) -> str:
    one = row.speedup
    what = f"With {row.workers} workers the sweep is {fixed(one.value, 2)} times as fast"
    bound = f"the plan allows {fixed(row.most, 2)}, efficiency {fixed(row.efficiency.value, 2)}"
    if not is_defined(one.low):
        return f"{what} (one repeat shows nothing; {bound})."
    interval = f"95 % {fixed(one.low, 2)} to {fixed(one.high, 2)}, {count(row.repeats, 'repeat')}"
    finding = "" if one.low > 1 or one.high < 1 else "; that it is faster or slower is not shown"
    serial = f", serial fraction {fixed(row.serial.value, 3)}" if is_defined(row.serial.value) else ""
    return f"{what} ({interval}; {bound}{serial}){finding}."


def _table(table: pd.DataFrame, found: Speedups) -> Table:
    columns: dict[str, tuple[str, Format]] = {
        "workers": ("workers", whole), "repeats": ("repeats", whole), "seconds": ("seconds", digits(1)),
        "least": ("at least", digits(1)), "speedup": ("speed-up S", digits(2)), "speedup_low": ("95 % from", digits(2)),
        "speedup_high": ("to", digits(2)), "most": ("at most", digits(2)), "efficiency": ("efficiency S/p", digits(2)),
        "serial": ("serial fraction", digits(3)), "serial_low": ("from", digits(3)), "serial_high": ("to", digits(3)),
    }  # fmt: skip
    threads = f"{found.threads} torch thread{'s' * (found.threads != 1)}"
    note = (
        "The same sweep again and again, each in an empty folder, without the shared memory, numbers of workers in "
        "turns; seconds of the whole command, Ray's start and end included. S = T1/Tp in each repeat; means with 95 "
        "% intervals (Student's t). Serial fraction (Karp & Flatt 1990): (1/S - 1/p) / (1 - 1/p). At least: the "
        "larger of T1/p and the longest way through the plan in measured training seconds. Each worker has "
        f"{threads}. Measured on {found.machine.get('hardware', 'an unknown machine')}."
    )
    return Table("speedup", "Speed-up by number of workers", table, columns=columns, note=note)
