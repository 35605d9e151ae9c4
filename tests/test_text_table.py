"""Tables at any width: whole names, whole numbers, whole headings."""

from __future__ import annotations

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from hpmkd.text_table import FoldedName, TextTable, fold, printable

NAMES = ["teacher", "HPM-KD-noMetaTemp-uniform", "HPM-KD-noMetaTemp-noChain", "student_Digits_HPM-KD-noChain_run10.pt"]
NAMES += ["eine Datenmenge mit Leerzeichen", "数据集名字很长的一个数据集名字", "[red]x[/red]", "y" * 50]
HEADINGS = ("baseline", "runs", "accuracy %", "sd", "retention %", "train s", "total s")
NUMBERS = ["33", "98.12", "0.13", "101.2", "123.4", "1234.5"]


def paint(table: object, width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    console.print(table)
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined]


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_nothing_is_cut(width: int) -> None:
    lines = paint(TextTable("a [b]title[/b]", HEADINGS, [[name, *NUMBERS] for name in NAMES]), width)
    text = "\n".join(lines)
    assert all(cell_len(line) <= width for line in lines)
    assert "…" not in text
    assert "a [b]title[/b]" in text
    assert all(text.count(number) >= len(NAMES) for number in NUMBERS)
    for word in " ".join(HEADINGS).split():
        assert re.search(rf"(?<!\S){re.escape(word)}(?!\S)", text), word
    joined = re.sub(r"[\s│┃]", "", re.sub("|".join(map(re.escape, NUMBERS[::-1])), "", text))
    for name in NAMES:
        assert name.replace(" ", "") in joined, "each name stands there whole, in one line or several"


def test_names_stay_in_one_line_where_headings_can_give_way() -> None:
    lines = paint(TextTable("", HEADINGS, [["HPM-KD-noMetaTemp", *NUMBERS]]), 80)
    assert any("│ HPM-KD-noMetaTemp │" in line for line in lines)
    assert not any("accuracy %" in line for line in lines)


def test_words_stand_on_the_left_and_keep_their_style() -> None:
    table = TextTable("", ("file", "state", "MB"), [["a.pt", Text("good", style="green"), "1.5"]], words=["state"])
    assert "│ a.pt │ good  │ 1.5 │" in paint(table, 80)
    console = Console(file=io.StringIO(), width=80, force_terminal=True, color_system="standard")
    console.print(table)
    assert "\x1b[32mgood" in console.file.getvalue()  # type: ignore[attr-defined]


def test_a_table_without_rows() -> None:
    assert any("baseline" in line for line in paint(TextTable("", HEADINGS, []), 80))


@given(st.text(max_size=80), st.integers(4, 40))
def test_folding_loses_nothing(name: str, width: int) -> None:
    lines = fold(name, width)
    assert all(cell_len(line.rstrip()) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join(printable(name).split())


def test_names_break_at_their_joints() -> None:
    assert fold("HPM-KD-noChain-uniform", 16) == ["HPM-KD-noChain-", "  uniform"]
    assert fold("student_D_AT_run1.pt", 12) == ["student_D_", "  AT_run1.pt"]
    assert fold("short", 12) == ["short"]


def test_what_a_terminal_would_obey_is_escaped() -> None:
    assert printable("a\x1b[31mb\nc\udcff") == "a\\x1b[31mb\\nc\\udcff"
    assert "\x1b" not in "".join(paint(TextTable("\x1b[31m", ("file",), [["\x1b[31mx"]]), 80))


def test_a_folded_name_in_another_table() -> None:
    from rich.table import Table

    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column()
    table.add_column(no_wrap=True)
    table.add_row(FoldedName("HPM-KD-noChain-uniform"), "1234567890")
    assert [line.rstrip() for line in paint(table, 28)] == ["HPM-KD-noChain-   1234567890", "  uniform"]
