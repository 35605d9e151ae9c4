"""Numbers beside axes: few, and plain."""

from __future__ import annotations

import math

from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

_LARGE = 1e4  # from here on with the prefix of a unit
_PREFIXES = ("", "k", "M", "G", "T", "P", "E")


def logarithmic(axis: Axis, low: float, high: float) -> None:
    """Plain numbers at 1, 2 and 5 of a decade: between 10^0 and 10^1 there is no power of ten to be labelled."""
    steps = (1.0, 2.0, 5.0) if high < 100 * low else (1.0,)
    axis.set_major_locator(LogLocator(subs=steps, numticks=6))
    axis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
    axis.set_minor_formatter(NullFormatter())


def linear(axis: Axis) -> None:
    """Few plain numbers."""
    axis.set_major_locator(MaxNLocator(5))
    axis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))


def short(value: float) -> str:
    """`0.5`, `2000`, `25 G`: large numbers with the prefix of a unit."""
    power = int(math.log10(abs(value)) // 3) if abs(value) >= _LARGE else 0
    return f"{value / 1000**power:g} {_PREFIXES[min(power, len(_PREFIXES) - 1)]}".rstrip()
