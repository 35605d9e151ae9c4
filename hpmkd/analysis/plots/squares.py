"""Many square panels in one figure."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hpmkd.analysis.plots.style import WIDTH, plain
from hpmkd.text_table import fold

_LETTERS = 13.5  # of a title, to the inch
_TICKS = 0.22  # inches below a panel for the numbers on its axis


def squares(
    titles: Sequence[str], columns: int, left: float, gap: float, foot: float, ticks: float = _TICKS
) -> tuple[Figure, list[Axes]]:
    """A square panel for each title, which stands above it.

    All is laid out here, in inches: matplotlib would take seconds to find places for forty panels.

    Args:
        titles: of the panels.
        columns: panels side by side.
        left, gap: room beside the first panel, and between two.
        foot: room below the last ones.
        ticks: room below each panel.
    """
    side = (WIDTH - left - 0.08 - gap * (columns - 1)) / columns
    folded = [fold(title, int(side * _LETTERS)) for title in titles]
    heads = [0.1 + 0.13 * max(map(len, folded[at : at + columns])) for at in range(0, len(folded), columns)]
    height = sum(heads) + len(heads) * (side + ticks) + foot
    figure = Figure(figsize=(WIDTH, height))
    made: list[Axes] = []
    for number, title in enumerate(folded):
        row, column = divmod(number, columns)
        below = height - sum(heads[: row + 1]) - row * (side + ticks) - side
        x = left + column * (side + gap)
        one = figure.add_axes((x / WIDTH, below / height, side / WIDTH, side / height))
        one.set_title("\n".join(plain(line) for line in title), fontsize=8, pad=3)
        one.tick_params(labelsize=7)
        made.append(one)
    return figure, made
