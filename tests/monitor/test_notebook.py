"""The live view of a notebook: one output that changes."""

from __future__ import annotations

import IPython.display
import pytest
from support.live import JOBS, tracker

from hpmkd.monitor import live, notebook
from hpmkd.monitor.live import render, watching
from hpmkd.monitor.notebook import NotebookView, by_type


class Cell:
    """The output of a cell: what was displayed first, and each change of it."""

    def __init__(self) -> None:
        self.shown: list[dict[str, str]] = []

    def display(self, bundle: dict[str, str], raw: bool, display_id: bool) -> Cell:
        assert raw and display_id and not self.shown  # noqa: PT018
        self.shown.append(bundle)
        return self

    def update(self, bundle: dict[str, str], raw: bool) -> None:
        assert raw
        self.shown.append(bundle)


@pytest.fixture
def cell(monkeypatch: pytest.MonkeyPatch) -> Cell:
    made = Cell()
    monkeypatch.setattr(IPython.display, "display", made.display)
    return made


def test_with_colours_and_without() -> None:
    shown = by_type(render(tracker(), 3))
    assert f"1/{len(JOBS)} models" in shown["text/plain"]
    assert "epoch 7/15" in shown["text/plain"]
    assert "\x1b" not in shown["text/plain"]
    assert shown["text/html"].startswith("<pre style=")
    assert "<span style=" in shown["text/html"]
    assert "━" in shown["text/html"], "the bar"


def test_it_changes_now_and_then_and_at_the_end(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(notebook.time, "monotonic", lambda: now[0])
    said = iter("abcdef")
    view = NotebookView(lambda: next(said))

    def stopped() -> None:
        with view.shown():
            for moment in (0.2, 0.9, 1.1, 1.5, 2.2):
                now[0] = moment
                view.refresh()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert [one["text/plain"].strip() for one in cell.shown] == ["a", "b", "c", "d"]


@pytest.mark.parametrize("plain", [True, False])
def test_where_it_is_shown(
    plain: bool, cell: Cell, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(live, "in_notebook", lambda: True)
    with watching(tracker(), 3, plain=plain) as show:
        show()
    assert any(f"1/{len(JOBS)} models" in one["text/plain"] for one in cell.shown) != plain
    assert capsys.readouterr().out == ""


def test_these_tests_are_no_notebook() -> None:
    assert not notebook.in_notebook()
