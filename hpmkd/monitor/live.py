"""The live view: on a terminal a bar and the running models below the lines of progress, in a notebook above them;
elsewhere lines only."""

from __future__ import annotations

import contextlib
import math
import os
import sys
import time
from collections.abc import Callable, Iterator

from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from hpmkd.data.source.listing import count
from hpmkd.log import lines_above, print_line
from hpmkd.monitor.notebook import NotebookView, in_notebook
from hpmkd.monitor.tracker import Running, Tracker
from hpmkd.numeric import clock, is_defined, percent
from hpmkd.plan.job import label
from hpmkd.text_table import FoldedName

_EVERY_SECONDS = 0.25
_BAR_WIDTH = 30
_NAME_WIDTH = 24  # at least, if something else can go instead
_LEAST_IMPORTANT = (3, 1, 2)  # share, loss, accuracy; the epoch stays


class _Console(Console):
    """Leaves the cursor visible: after a kill -9 nobody could show it again."""

    def show_cursor(self, show: bool = True) -> bool:
        return False


def suits_a_live_view() -> bool:
    """Whether standard output is a terminal that can be painted on, and nobody has asked for plain text."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM", "dumb") in ("dumb", "unknown"):
        return False
    try:
        return sys.stdout is not None and sys.stdout.isatty() and not Console().is_jupyter
    except (OSError, ValueError):
        return False


class LiveView:
    """Lines that stay, and below them what changes. It is painted in the driver's own thread, when the driver says.

    A terminal that was closed ends the view, never the sweep.

    Args:
        tracker: what is shown.
        runs: per baseline, for the names.
        console: where to.
    """

    def __init__(self, tracker: Tracker, runs: int, console: Console) -> None:
        self.tracker, self.runs, self.console = tracker, runs, console
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._painted = -math.inf
        self._gone = False

    @contextlib.contextmanager
    def shown(self) -> Iterator[None]:
        """The view, for as long as the body lasts. What others print meanwhile appears above it."""
        self._try(lambda: self._live.start())
        try:
            self.refresh(force=True)
            with lines_above(self.write):
                yield
        finally:
            self._stop()

    def write(self, text: str, is_error: bool) -> None:
        """A line that stays, above the view; red if it is an error."""
        line = Text(text, style="red" if is_error else "")
        # Not broken by us: paths can be copied.
        self._try(lambda: self.console.print(line, soft_wrap=True, highlight=False))
        if self._gone:
            print_line(text, "stdout", is_error)

    def refresh(self, force: bool = False) -> None:
        """Paints anew, but not more often than the eye sees. The width is looked up each time: it may have changed."""
        now = time.monotonic()
        if force or now - self._painted >= _EVERY_SECONDS:
            self._painted = now
            self._try(lambda: self._live.update(render(self.tracker, self.runs), refresh=True))

    def _try(self, paint: Callable[[], object]) -> None:
        if not self._gone:
            try:
                paint()
            except (OSError, ValueError):  # ValueError: a closed file, or letters that it cannot show
                self._gone = True
                self._stop()

    def _stop(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._live.stop()


@contextlib.contextmanager
def watching(tracker: Tracker, runs: int, plain: bool) -> Iterator[Callable[[], None]]:
    """A live view for as long as models are trained, where one suits; gives what shows that something has changed.

    Args:
        tracker: what is shown.
        runs: per baseline, for the names.
        plain: there shall be none, whatever the terminal can do.
    """
    if not plain and in_notebook():
        cell = NotebookView(lambda: render(tracker, runs))
        with cell.shown():
            yield cell.refresh
        return
    if plain or not suits_a_live_view():
        yield _nothing
        return
    view = LiveView(tracker, runs, _Console(highlight=False))
    with view.shown():
        yield view.refresh


def _nothing() -> None:
    pass


def render(tracker: Tracker, runs: int) -> RenderableType:
    """One line for the sweep, one for each running model, or more where the terminal is narrow: names are folded."""
    return Group(_headline(tracker), _Rows(tracker, runs))


class _Rows:
    """The running models. Where there is no room for a name beside all that is known, the least important goes."""

    def __init__(self, tracker: Tracker, runs: int) -> None:
        self.tracker, self.runs = tracker, runs

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Table]:
        """The rows for a width."""
        running = list(self.tracker.running.values())
        columns = list(zip(*(self._cells(one) for one in running), strict=True))
        widths = [max(cell.cell_len for cell in column) for column in columns]
        kept = list(range(len(columns)))
        for place in _LEAST_IMPORTANT:
            if place in kept and _NAME_WIDTH + sum(widths[at] + 2 for at in kept) > options.max_width:
                kept.remove(place)
        rows = Table.grid(padding=(0, 2, 0, 0))
        rows.add_column()  # of all columns the one that gives way
        for at in kept:
            rows.add_column(no_wrap=True, width=widths[at])
        for number, one in enumerate(running):
            rows.add_row(FoldedName(label(one.job, self.runs)), *(columns[at][number] for at in kept))
        yield rows

    def _cells(self, one: Running) -> list[Text]:
        return [*_cells(one), Text(self.tracker.shares.get(one.job.role, ""), style="dim")]


def _headline(tracker: Tracker) -> Table:
    done, total = len(tracker.done), tracker.total
    left = tracker.seconds_left()
    line = Table.grid(padding=(0, 2, 0, 0))
    line.add_column(max_width=_BAR_WIDTH)  # of all columns the one that gives way
    for _ in range(3):
        line.add_column(no_wrap=True)
    soon = "" if left is None else f"about {clock(left)} left" if left >= 1 else "finishing"
    # An empty total would be shown as done.
    bar = ProgressBar(total=total or 1, completed=done)
    line.add_row(bar, f"{done}/{count(total, 'model')}", Text(clock(tracker.elapsed)), Text(soon, style="bold"))
    return line


def _cells(one: Running) -> list[Text]:
    if not one.of:
        return [Text("starts", style="dim"), Text(""), Text("")]
    loss = f"loss {one.train_loss:.4g}" if is_defined(one.train_loss) else ""
    accuracy = f"val {percent(one.validation_pct)}" if is_defined(one.validation_pct) else ""
    return [Text(f"epoch {one.epoch}/{one.of}"), Text(loss), Text(accuracy)]
