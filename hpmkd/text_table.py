"""Tables on a terminal of any width: names fold at their joints, numbers and headings are never cut."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich import box
from rich.cells import cell_len, get_character_cell_size
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions

_INDENT = "  "  # of a name's second line
_LEAST = 8  # letters of a name in a line
_JOINTS = re.compile(r"[^-_/. ]*[-_/. ]|[^-_/. ]+")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def printable(text: str) -> str:
    """Control characters and what no encoding knows (names of files may hold anything) as escapes: one line, and
    nothing that a terminal would obey."""
    return _UNPRINTABLE.sub(lambda found: repr(found[0])[1:-1], text)


def fold(name: str, width: int) -> list[str]:
    """A name in lines of at most `width` cells, broken behind a joint (`-`, `_`, `/`, `.`, a blank) where there is one.

    All but the first line are indented, so that the next name can be told from them.
    """
    lines, line = [], ""
    for piece in _JOINTS.findall(printable(name)):
        if line.strip() and cell_len(line) + cell_len(piece.rstrip()) > width:
            lines.append(line)
            line = _INDENT
        for letter in piece:
            if line.strip() and cell_len(line) + get_character_cell_size(letter) > width and letter != " ":
                lines.append(line)
                line = _INDENT
            line += letter
    return [*lines, line]


class FoldedName:
    """A name as a cell of a table that Rich lays out: as wide as there is room, folded where there is less."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        """Rich asks for the least and the greatest width."""
        longest = cell_len(printable(self.name))
        return Measurement(min(_LEAST, longest), longest)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """The lines for a width."""
        yield Text("\n".join(fold(self.name, options.max_width)), no_wrap=True, overflow="crop")


@dataclass(frozen=True)
class TextTable:
    """A table whose first column holds names, and the others numbers or short words.

    Rich prints it as wide as it needs to be. Where the terminal is narrower, headings break between words, then lines
    between columns go, then names fold.

    Args:
        title: above it; no markup.
        headings: one per column.
        rows: a cell per column, a string or a styled `Text`.
        words: headings of columns that hold words: they stand on the left.
    """

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str | Text]]
    words: Sequence[str] = ()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Table]:
        """The table for a width."""
        yield self.fitted(options.max_width)

    def fitted(self, width: int) -> Table:
        """The table in the first layout that has room for the whole names, else in the narrowest."""
        longest = max(cell_len(printable(str(cell))) for cell in [self.headings[0], *(row[0] for row in self.rows)])
        one_line = self._widths([cell_len(heading) for heading in self.headings])
        narrow = self._widths([max(map(cell_len, heading.split())) for heading in self.headings])
        count = len(self.headings)
        for widths in (one_line, narrow):
            if width - sum(widths) - (3 * count + 1) >= longest:
                return self._table([longest, *widths], lined=True)
        room = width - sum(narrow) - (count - 1)
        return self._table([max(_LEAST, min(room, longest)), *narrow], lined=False)

    def _widths(self, headings: Sequence[int]) -> list[int]:
        """Of the columns behind the names."""
        columns = list(zip(*self.rows, strict=True)) or [()] * len(headings)
        cells = [max((cell_len(str(cell)) for cell in column), default=0) for column in columns]
        return [max(pair) for pair in zip(headings, cells, strict=True)][1:]

    def _table(self, widths: Sequence[int], lined: bool) -> Table:
        look: dict[str, Any] = {"box": box.HEAVY_HEAD}
        if not lined:
            look = {"box": box.SIMPLE_HEAD, "padding": 0, "show_edge": False, "pad_edge": False}
        table = Table(title=Text(printable(self.title), style="table.title") if self.title else None, **look)
        for place, (heading, width) in enumerate(zip(self.headings, widths, strict=True)):
            is_number = place > 0 and heading not in self.words
            table.add_column(heading, justify="right" if is_number else "left", width=width)
        for row in self.rows:
            table.add_row(*(_styled(cell, "\n".join(_lines(cell, widths, at))) for at, cell in enumerate(row)))
        return table


def _lines(cell: str | Text, widths: Sequence[int], place: int) -> list[str]:
    return fold(str(cell), widths[0]) if place == 0 else [str(cell)]


def _styled(cell: str | Text, text: str) -> Text:
    return Text(text, style=cell.style if isinstance(cell, Text) else "", no_wrap=True, overflow="crop")
