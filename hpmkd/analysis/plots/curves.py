"""Learning curves."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from hpmkd.analysis.plots.style import colours, legend, panels, styled
from hpmkd.analysis.plots.ticks import logarithmic

_DASHES = ("-", "--", "-.", ":")  # with the ten colours 40 lines are told apart


def curves(epochs: pd.DataFrame, order: Sequence[str]) -> Figure:
    """Training loss and validation accuracy of the students by epoch: thin lines are runs, the thick one their mean.

    Losses of different methods are different sums, so their heights are not to be compared.

    Args:
        epochs: one row per kept epoch: `place`, `baseline`, `run`, `epoch`, `train_loss`, `validation_accuracy_pct`.
        order: the baselines.
    """
    shade = colours(order)
    places = list(dict.fromkeys(epochs["place"]))
    kinds = {"validation_accuracy_pct": "validation accuracy, %", "train_loss": "training loss"}
    with styled():
        titles = [f"{where}: {label}" for where in places for label in kinds.values()]
        figure, axes = panels([1.9] * len(titles), titles)
        for number, axis in enumerate(axes):
            part, column = epochs[epochs["place"] == places[number // 2]], list(kinds)[number % 2]
            for place, name in enumerate(order):
                mine = part[part["baseline"] == name].dropna(subset=column)  # not every epoch is validated
                if mine.empty:
                    continue
                for _, run in mine.groupby("run"):
                    axis.plot(run["epoch"], run[column], lw=0.6, alpha=0.35, color=shade[name])
                mean = mine.groupby("epoch")[column].mean()
                dash = _DASHES[(place + place // 20) % 4]
                axis.plot(mean.index, mean, dash, lw=1.6, color=shade[name], label=name, marker=_mark(mean))
            if column == "train_loss" and (part[column] > 0).all():
                axis.set_yscale("log")
                logarithmic(axis.yaxis, *axis.get_ylim())
            axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes[-1].set_xlabel("epoch")
        legend(figure, axes, order)
    return figure


def _mark(points: pd.Series) -> str:
    """A line of one point is none."""
    return "D" if len(points) == 1 else ""
