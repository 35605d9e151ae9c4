"""What latencies show, in sentences that are computed from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from hpmkd.analysis.experiments.contrast import listed, records
from hpmkd.numeric import MISSING, fixed, is_defined
from hpmkd.store.latency_file import Control, Latencies


def three(value: float) -> str:
    """About three significant digits."""
    if not is_defined(value):
        return MISSING
    return fixed(value, 3 if abs(value) < 1 else 2 if abs(value) < 10 else 1)


def sentences(found: Latencies, cells: pd.DataFrame, networks: pd.DataFrame, roles: pd.DataFrame) -> list[str]:
    """The most important first."""
    stopped = ["The measurement was stopped before its end; the same command continues it."] * (not found.complete)
    made = _sizes(found, cells, networks)
    return [*stopped, *made, *_runtimes(cells), *_batches(cells), *_trust(found), *_roles(roles)]


def untrusted(wrong: Sequence[Control], of: int, tolerance: float) -> str:
    """That the control is not equal to itself."""
    one = max(wrong, key=lambda control: abs(control.ratio.value - 1))
    return (
        f"Not to be trusted: in {len(wrong)} of {of} cases the same network, measured twice, is not equal to itself "
        f"within {tolerance:.0%} ({one.network}, {one.runtime}, batch size {one.batch}: ratio "
        f"{fixed(one.ratio.value, 3)}, 95 % {fixed(one.ratio.low, 3)} to {fixed(one.ratio.high, 3)}). Measure again "
        "on a quieter machine."
    )


def about(found: Latencies) -> str:
    """On what, and how quiet it was."""
    where = ", ".join(f"{name} {value}" for name, value in found.machine.items())
    quiet = found.warnings
    said = f"Not quiet: {'; '.join(quiet)}." if quiet else "Nothing else was seen at work."
    left = f" Not measured: {'; '.join(found.left_out)}." if found.left_out else ""
    return f"Measured on {where}. {said}{left}"


def _base(cells: pd.DataFrame) -> pd.DataFrame:
    """The cells of the smallest batch size, device and threads by device and threads: what is spoken of."""
    first = cells.iloc[0]
    same = (cells["device"] == first["device"]) & (cells["threads"] == first["threads"])
    mine: pd.DataFrame = cells[same & (cells["batch"] == cells.loc[same, "batch"].min())]
    return mine


def _sizes(found: Latencies, cells: pd.DataFrame, networks: pd.DataFrame) -> list[str]:
    """Of each network against the largest, in the first runtime."""
    rows = _base(cells)
    rows = rows[rows["runtime"] == rows["runtime"].iloc[0]]
    largest = networks.sort_values("multiply_adds", kind="stable")["name"].iloc[-1]
    tolerance, made = float(found.settings["tolerance"]), []
    for row in records(rows[rows["network"] != largest]):
        smaller = records(networks[networks["name"] == row["network"]])[0]
        where = f"{row['runtime']}, {row['place']}, batch size {row['batch']}"
        size = (
            f"{fixed(smaller['fewer_multiply_adds'], 1)} times fewer multiply-adds and "
            f"{fixed(smaller['fewer_parameters'], 1)} times fewer parameters"
        )
        made.append(f"{row['network']} against {largest} ({size}): {_speed(row, tolerance)} ({where}).")
    return made


def _speed(row: dict[str, Any], tolerance: float) -> str:
    value = f"{fixed(row['speedup'], 2)} times as fast"
    if not is_defined(row["speedup_low"]):
        return f"{value}, without an interval"
    interval = f"95 % {fixed(row['speedup_low'], 2)} to {fixed(row['speedup_high'], 2)}"
    if not row["trusted"]:
        return f"{value}, {interval}, not to be trusted"
    if row["speedup_low"] > 1 + tolerance or row["speedup_high"] < 1 / (1 + tolerance):
        return f"{value}, {interval}"
    return f"no difference beyond {tolerance:.0%} is shown, {value}, {interval}"


def _runtimes(cells: pd.DataFrame) -> list[str]:
    """Which runtime is the fastest; shown where the intervals of the medians do not meet."""
    rows = _base(cells)
    if rows["runtime"].nunique() < 2:
        return []
    winners: dict[str, list[str]] = {}
    for network, part in rows.groupby("network", sort=False):
        ranked = part.sort_values("p50", kind="stable")
        first, second = ranked.iloc[0], ranked.iloc[1]
        apart = bool(first["p50_high"] < second["p50_low"]) and bool(first["trusted"] and second["trusted"])
        winners.setdefault(str(first["runtime"]) if apart else "", []).append(str(network))
    shown = [f"{runtime} for {listed(names)}" for runtime, names in winners.items() if runtime]
    where = f"{rows['place'].iloc[0]}, batch size {rows['batch'].iloc[0]}"
    if not shown:
        return [f"That one runtime is faster than the others is not shown for any network ({where})."]
    rest = f"; not shown for {listed(winners[''])}" if winners.get("") else ""
    return [f"The fastest runtime ({where}): {'; '.join(shown)}{rest}."]


def _batches(cells: pd.DataFrame) -> list[str]:
    """What batches bring, of the largest network and the smallest in the first runtime."""
    rows = cells[(cells["place"] == cells["place"].iloc[0]) & (cells["runtime"] == cells["runtime"].iloc[0])]
    if rows["batch"].nunique() < 2:
        return []
    said = []
    for network, part in rows.groupby("network", sort=False):
        best, one = part.loc[part["throughput"].idxmax()], part.loc[part["batch"].idxmin()]
        said.append(
            f"{network} {fixed(best['throughput'], 0)} at {int(best['batch'])} ({fixed(one['throughput'], 0)} at "
            f"{int(one['batch'])})"
        )
    return [f"Most images per second, by batch size ({rows['runtime'].iloc[0]}): {'; '.join(said)}."]


def _trust(found: Latencies) -> list[str]:
    if not found.controls or any(not one.trusted for one in found.controls):
        return []
    within, count = f"{float(found.settings['tolerance']):.0%}", len(found.controls)
    return [f"Control: a network measured against itself is equal within {within} in all {count} cases."]


def _roles(roles: pd.DataFrame) -> list[str]:
    known = [row for row in records(roles) if is_defined(row["seconds_pct"])]
    if len(known) < 2:
        return []
    said = ", ".join(_share(row) for row in sorted(known, key=lambda row: -row["seconds_pct"]))
    return [f"Training seconds by role: {said}."]


def _share(row: dict[str, Any]) -> str:
    of = row["multiply_adds_pct"]
    work = f" ({fixed(of, 0)} % of multiply-adds)" if is_defined(of) else ""
    return f"{row['role']} {fixed(row['seconds_pct'], 0)} %{work}"
