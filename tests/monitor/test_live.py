"""The live view, painted on consoles that are read afterwards."""

from __future__ import annotations

import io
import math
import sys
from typing import Any

import pytest
from rich.console import Console
from support.live import JOBS, LONG, tracker, without_colours

from hpmkd.log import console_lines, log, progress
from hpmkd.monitor import live
from hpmkd.monitor.live import LiveView, render, watching
from hpmkd.monitor.tracker import Tracker
from hpmkd.plan.events import EpochEnded, EpochResult, Failed, Finished
from hpmkd.plan.schedule import Places
from hpmkd.sweep.callbacks import TrackerCallback
from hpmkd.sweep.reports import to_report


class Terminal(io.StringIO):
    """A file that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


def console(width: int) -> Console:
    return Console(file=Terminal(), force_terminal=True, width=width, height=25, color_system="standard")


@pytest.mark.parametrize("width", [40, 80, 200])
def test_lines_fit_and_say_what_is_so(width: int) -> None:
    page = console(width)
    with page.capture() as capture:
        page.print(render(tracker(), 3))
    lines = capture.get().splitlines()
    assert len(lines) == (3 if width == 200 else 4), "one for the sweep, one for each model; a long name takes two"
    assert all(len(without_colours(line)) <= width for line in lines)
    text = without_colours(capture.get())
    assert f"1/{len(JOBS)} models" in text
    assert "0:01:10" in text
    assert "left" in text
    assert "…" not in text, "nothing is cut: names fold, and the least important goes"
    assert "epoch 7/15" in text
    assert "starts" in text
    assert ("epoch 7/15  loss 0.1235  val 96.20%  0.25 GPU" in text) == (width >= 80)
    name = [line[: line.find("  epoch") if "  epoch" in line else None].strip() for line in text.splitlines()[1:-1]]
    assert "".join(name).replace(" ", "") == "HPM-KD-noChain-uniform-noMetaTemp-M2run3/3D0"


def test_before_anything_is_known() -> None:
    page = console(80)
    with page.capture() as capture:
        page.print(render(Tracker(JOBS, {}), 3))
    assert f"0/{len(JOBS)} models" in without_colours(capture.get())
    assert "about" not in capture.get()
    one = Tracker(JOBS, {})
    one.started(LONG)
    one.reported(EpochEnded(LONG, EpochResult(1, math.nan, {}, math.nan, math.nan, 1.0, 2)))
    assert math.isnan(one.running[LONG].train_loss)
    with page.capture() as capture:
        page.print(render(one, 3))
    assert "nan" not in capture.get()


def test_lines_stay_above_and_bad_ones_are_red() -> None:
    page = console(60)
    view = LiveView(tracker(), 3, page)
    long = "/a/folder/that/is/deep/" * 5 + "error.txt"
    with console_lines(show_progress=True), view.shown():
        progress.info("teacher D0: [98.00]% in 3.0s")
        progress.error(f"Direct run 1/3 D0: FAILED, boom\n    full error: {long}")
        print("a line of somebody else")
    text = page.file.getvalue()  # type: ignore[attr-defined]
    plain = without_colours(text)
    assert "teacher D0: [98.00]% in 3.0s" in plain, "no markup is read"
    assert "a line of somebody else" in plain
    assert f"full error: {long}" in plain, "a path is in one piece"
    red = text[text.index("\x1b[31m") :]
    assert red.index("FAILED") < red.index("\x1b[0m")
    assert "\x1b[31mteacher" not in text
    assert sys.stdout is not page.file


def test_lines_are_plain_again_after_the_view(capsys: pytest.CaptureFixture[str]) -> None:
    page = console(80)
    with console_lines(show_progress=True):
        with LiveView(tracker(), 3, page).shown():
            progress.info("above the bar")
        progress.info("one row per model")
        log.error("2 models were not trained")
    assert "above the bar" in without_colours(page.file.getvalue())  # type: ignore[attr-defined]
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("one row per model\n", "2 models were not trained\n")


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, SystemExit])
def test_it_is_gone_after_any_end(error: type[BaseException], monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(live, "suits_a_live_view", lambda: True)
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("TERM", "xterm")

    def fail() -> None:
        with watching(tracker(), 3, plain=False) as show:
            show()
            assert sys.stdout is not terminal, "others' lines go above the view"
            raise error

    with pytest.raises(error):
        fail()
    assert sys.stdout is terminal
    assert "\x1b[?25l" not in terminal.getvalue(), "a cursor that is never hidden need not be shown again"
    assert terminal.getvalue().endswith(("\x1b[2K", "\r"))


def test_a_terminal_that_was_closed_ends_only_the_view(capsys: pytest.CaptureFixture[str]) -> None:
    class Closed(Terminal):
        def write(self, text: str) -> int:
            raise OSError(5, "Input/output error")

    before = sys.stdout
    view = LiveView(tracker(), 3, Console(file=Closed(), force_terminal=True, width=80))
    with console_lines(show_progress=True), view.shown():
        assert sys.stdout is before, "others write where they did"
        progress.info("said without a view")
        view.refresh(force=True)
    assert sys.stdout is before
    assert capsys.readouterr().out == "said without a view\n"


@pytest.mark.parametrize(
    ("term", "no_color", "expected"),
    [("xterm-256color", None, True), ("xterm", "1", False), ("dumb", None, False), (None, None, False)],
)
def test_where_it_is_shown(
    term: str | None, no_color: str | None, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("TERM", term), ("NO_COLOR", no_color)):
        monkeypatch.delenv(name, raising=False) if value is None else monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert live.suits_a_live_view() == expected
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert not live.suits_a_live_view(), "a pipe stays a pipe"


def test_where_it_is_not_shown_lines_are_as_ever(capsys: pytest.CaptureFixture[str]) -> None:
    with console_lines(show_progress=True), watching(tracker(), 3, plain=True) as show:
        progress.info("a line")
        show()
    assert capsys.readouterr().out == "a line\n"


def test_tune_keeps_the_tracker_up_to_date() -> None:
    class Trial:
        config = {"job": LONG}  # noqa: RUF012

    shown: list[int] = []
    made = Tracker(JOBS, {})
    made.round([LONG], Places.alike(1), {})
    watch: Any = TrackerCallback(made, lambda: shown.append(1))
    for end in ("error", "complete"):
        watch.on_trial_start(0, [], Trial)
        assert list(made.running) == [LONG]
        if end == "error":
            watch.on_trial_error(0, [], Trial)
            assert (made.running, made.done) == ({}, set())
    watch.on_trial_result(0, [], Trial, to_report(EpochEnded(LONG, EpochResult(1, 0.5, {}, 90.0, 0.1, 1.0, 1))))
    assert made.running[LONG].epoch == 1
    watch.on_trial_result(0, [], Trial, to_report(Finished(LONG, "trained", 90.0, 1.0)))
    watch.on_trial_complete(0, [], Trial)
    watch.on_step_begin(0, [])
    assert (made.running, made.done, shown) == ({}, {LONG}, [1])


def test_a_diverged_trial_has_made_nothing() -> None:
    class Trial:
        config = {"job": LONG}  # noqa: RUF012

    made = Tracker(JOBS, {})
    watch: Any = TrackerCallback(made, lambda: None)
    watch.on_trial_start(0, [], Trial)
    watch.on_trial_result(0, [], Trial, to_report(Failed(LONG, "epoch 1: the training loss is nan")))
    watch.on_trial_complete(0, [], Trial)
    assert made.done == set()
