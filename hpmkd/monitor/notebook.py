"""The live view in a notebook: one output of the cell that changes, above the lines of progress."""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Callable, Iterator
from typing import Any

from rich.console import Console, RenderableType

_EVERY_SECONDS = 1.0  # each change is a message to a browser that may be far away
_WIDTH = 100
# One size of line for bar and text, and a font in which a bar has no gaps.
_HTML = "<pre style=\"line-height:1.2;font-family:Menlo,'DejaVu Sans Mono',consolas,monospace\">{code}</pre>"


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook: Jupyter's or Colab's."""
    return Console().is_jupyter


class NotebookView:
    """What changes, in one place of the cell's output. Lines of progress follow below it, as they do without a view.

    Args:
        paint: what is to be shown now.
    """

    def __init__(self, paint: Callable[[], RenderableType]) -> None:
        self.paint = paint
        self._handle: Any = None
        self._painted = 0.0

    @contextlib.contextmanager
    def shown(self) -> Iterator[None]:
        """The view, for as long as the body lasts; how far it came stays."""
        from IPython.display import display

        self._painted = time.monotonic()
        self._handle = display(by_type(self.paint()), raw=True, display_id=True)
        try:
            yield
        finally:
            self._update()

    def refresh(self) -> None:
        """Paints anew, but not more often than is worth a message."""
        now = time.monotonic()
        if now - self._painted >= _EVERY_SECONDS:
            self._painted = now
            self._update()

    def _update(self) -> None:
        self._handle.update(by_type(self.paint()), raw=True)


def by_type(content: RenderableType) -> dict[str, str]:
    """By MIME type: with its colours, and as plain text."""
    console = Console(
        file=io.StringIO(), record=True, width=_WIDTH, force_terminal=True, force_jupyter=False,
        color_system="truecolor",
    )  # fmt: skip
    console.print(content)
    html = console.export_html(clear=False, inline_styles=True, code_format=_HTML)
    return {"text/html": html, "text/plain": console.export_text()}
