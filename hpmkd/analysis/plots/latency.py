"""Latencies over batch sizes and compression, and speed-ups over workers."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from hpmkd.analysis.plots.style import PALETTE, TEXT, colours, legend, marks, panels, styled
from hpmkd.numeric import is_defined

_HEIGHT = 2.1  # inches


def over_batch(cells: pd.DataFrame, name: str, unit: str) -> Figure:
    """A panel per runtime and place, a line per network, both axes logarithmic.

    Args:
        cells: of `experiments.latency.cells_of`.
        name: the column, with `_low` and `_high` beside it.
        unit: of its axis.
    """
    groups = list(cells.groupby(["runtime", "place"], sort=False))
    networks = list(dict.fromkeys(map(str, cells["network"])))
    shade, mark = colours(networks), marks(networks)
    with styled():
        figure, axes = panels([_HEIGHT] * len(groups), [f"{runtime}, {place}" for (runtime, place), _ in groups])
        for one, (_, part) in zip(axes, groups, strict=True):
            for network, mine in part.groupby("network", sort=False):
                _line(one, mine, "batch", name, colour=shade[str(network)], mark=mark[str(network)])
            one.set_yscale("log")
            one.set_ylabel(unit)
            _powers(one, sorted(set(cells["batch"])))
        axes[-1].set_xlabel("images per call")
        legend(figure, axes, networks)
    return figure


def _line(axes: Axes, part: pd.DataFrame, over: str, name: str, colour: str, mark: str) -> None:
    axes.plot(part[over], part[name], mark + "-", ms=4.5, lw=1.3, color=colour, label=str(part["network"].iloc[0]))
    for at, low, high in zip(part[over], part[f"{name}_low"], part[f"{name}_high"], strict=True):
        if is_defined(low):
            axes.plot([at, at], [low, high], lw=1.6, color=colour, alpha=0.7)


def _powers(axes: Axes, values: Sequence[float]) -> None:
    """A logarithmic axis that names these values alone."""
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator([float(value) for value in values]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def compression(cells: pd.DataFrame, networks: pd.DataFrame) -> Figure:
    """Two panels, over parameters and multiply-adds: a point per network and runtime, at the smallest batch size."""
    first = cells.iloc[0]
    mine = cells[(cells["place"] == first["place"]) & (cells["batch"] == first["batch"])]
    joined = mine.merge(networks, left_on="network", right_on="name")
    runtimes = list(dict.fromkeys(map(str, joined["runtime"])))
    shade, mark = colours(runtimes), marks(runtimes)
    about = f"{first['place']}, batch size {first['batch']}"
    with styled():
        figure, axes = panels([2.3, 2.3], [about, ""])
        for one, column in zip(axes, ("fewer_parameters", "fewer_multiply_adds"), strict=True):
            for runtime, part in joined.sort_values(column, kind="stable").groupby("runtime", sort=False):
                name = str(runtime)
                one.plot(part[column], part["speedup"], mark[name] + ":", ms=5, lw=0.8, color=shade[name], label=name)
                for at, low, high in zip(part[column], part["speedup_low"], part["speedup_high"], strict=True):
                    if is_defined(low):
                        one.plot([at, at], [low, high], lw=1.6, color=shade[name], alpha=0.7)
            ends = [1.0, float(joined[column].max())]
            one.plot(ends, ends, "--", lw=1, color=TEXT, alpha=0.6)
            one.set_xscale("log")
            one.set_yscale("log")
            for axis in (one.xaxis, one.yaxis):
                axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
                axis.set_minor_formatter(FuncFormatter(lambda value, _: ""))
            one.set_ylabel("times as fast")
            one.set_xlabel(f"times fewer {column.removeprefix('fewer_').replace('multiply_adds', 'multiply-adds')}")
        legend(figure, axes, runtimes)
    return figure


def speedups(rows: pd.DataFrame) -> Figure:
    """Speed-up and efficiency over workers, with what is ideal and what the plan allows.

    Args:
        rows: with `workers`, `speedup`, `efficiency` (each with `_low`, `_high`), `most`.
    """
    names = ["measured", "bound of the plan", "ideal"]
    with styled():
        figure, axes = panels([2.4, 1.8], ["", ""])
        workers = rows["workers"].astype(float)
        for one, name in zip(axes, ("speedup", "efficiency"), strict=True):
            each = 1.0 if name == "speedup" else workers
            one.plot(workers, workers / each, ":", lw=1.1, color=TEXT, alpha=0.7, label=names[2])
            one.plot(workers, rows["most"] / each, "--", lw=1.3, color=PALETTE[1], label=names[1])
            part = rows.assign(network=names[0])
            _line(one, part, "workers", name, colour=PALETTE[0], mark="o")
            one.set_ylim(bottom=0)
            one.set_ylabel({"speedup": "speed-up"}.get(name, name))
            one.xaxis.set_major_locator(FixedLocator(list(workers)))
        axes[-1].set_xlabel("workers")
        legend(figure, axes, names)
    return figure
