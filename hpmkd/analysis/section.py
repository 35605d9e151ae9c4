"""What a report is made of: tables, figures, and sections that hold them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from hpmkd.numeric import MISSING, fixed

Format = Callable[[Any], str]


@dataclass(frozen=True)
class Table:
    """`frame` holds the numbers; `columns` says how they are shown: column -> (heading, format)."""

    name: str
    title: str
    frame: pd.DataFrame
    columns: Mapping[str, tuple[str, Format]]
    note: str = ""

    @property
    def headings(self) -> list[str]:
        """The first row."""
        return [heading for heading, _ in self.columns.values()]

    @property
    def cells(self) -> list[list[str]]:
        """The rest, as text; what is missing is a dash."""
        rows = self.frame.to_dict("records")
        return [[_cell(row[name], kind) for name, (_, kind) in self.columns.items()] for row in rows]

    @property
    def numeric(self) -> list[bool]:
        """Whether a column holds numbers."""
        return [kind is not str for _, kind in self.columns.values()]

    def latex(self) -> str:
        """A tabular with booktabs' rules, by pandas."""
        shown = pd.DataFrame(self.cells, columns=pd.Index(self.headings))
        align = "".join("r" if number else "l" for number in self.numeric)
        return str(shown.to_latex(index=False, escape=True, column_format=align))

    def csv(self) -> str:
        """All digits."""
        return str(self.frame.to_csv(index=False))


def _cell(value: Any, kind: Format) -> str:
    return MISSING if value is None or value is pd.NA or value != value else kind(value)


def digits(count: int, sign: bool = False) -> Format:
    """Numbers with `count` digits after the point."""
    return functools.partial(fixed, digits=count, sign=sign)


@dataclass(frozen=True)
class Drawing:
    """A figure with its name in files, its heading and what it shows. It is drawn when somebody wants to see it."""

    name: str
    title: str
    draw: Callable[[], Figure]
    caption: str

    @functools.cached_property
    def figure(self) -> Figure:
        """The same one each time."""
        return self.draw()


@dataclass(frozen=True)
class Section:
    """A part of a report with a heading of its own, shown in this order: sentences, figures, tables.

    Args:
        name: a word, unique in a report; the page's anchor.
        title: its heading.
        sentences: what its numbers say, the most important first; computed from them, never constant.
        tables: their names are unique in a report, as they are names of files.
        drawings: so are theirs.
        folded: more tables, behind a click.
        errors: what must not be and is.
    """

    name: str
    title: str
    sentences: tuple[str, ...]
    tables: tuple[Table, ...] = ()
    drawings: tuple[Drawing, ...] = ()
    folded: tuple[Table, ...] = ()
    errors: tuple[str, ...] = ()
