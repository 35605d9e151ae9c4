"""How figures look, and how they become files. One width, so that letters stay legible on a phone."""

from __future__ import annotations

import io
import itertools
import re
import textwrap
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

WIDTH = 4.6  # inches
_LETTER = 0.078  # inches, of a letter's width in a title; those of row names are a tenth smaller
_NAME, _TITLE = 30, 56  # letters of a line
TEXT = "#1b2631"  # replaced by the page's own colour in `inline`
# Mid tones, legible on white and on black; told apart by people who do not see red and green, with the marks below.
PALETTE = (
    "#3d85c6", "#e08a1e", "#2e9e73", "#cc4c5b", "#8f6bc1", "#a37048", "#d873a9", "#2aa5ad", "#97962e", "#828a91",
)  # fmt: skip
# Whose colours and marks are the first ones, in the figures of all sweeps.
_FIRST = ("Direct", "TraditionalKD", "FitNets", "AT", "TAKD", "KD-Ensemble", "KD-Budget", "HPM-KD")
MARKS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "h")
FORMATS = ("png", "svg", "pdf")
MAX_PIXELS = 60_000  # of a side; matplotlib refuses 2**16
# The white that a figure and each of its axes begin with in an SVG.
_GROUND = re.compile(
    r'(<g id="(?:figure|axes)_\d+">\s*)<g id="patch_\d+">\s*<path d="[^"]*" style="fill: #ffffff"/>\s*</g>\s*'
)
_RC: Any = {
    "font.size": 9.0,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "svg.fonttype": "none",
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.alpha": 0.18,
    "grid.color": TEXT,
    "legend.frameon": False,
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), TEXT),
    **dict.fromkeys(("xtick.labelsize", "ytick.labelsize", "legend.fontsize"), 8.5),
}


def plain(text: str) -> str:
    """Text that matplotlib draws as it is: a name may hold dollars, between which it would read a formula."""
    return text.replace("$", r"\$")


def _wrapped(text: str, width: int) -> str:
    return plain("\n".join(textwrap.wrap(text, width)))


@contextmanager
def styled() -> Iterator[None]:
    """Inside, figures look like ours, whatever a matplotlibrc says; outside nothing is changed."""
    with mpl.style.context(["default", _RC]):
        yield


def panels(heights: Sequence[float], titles: Sequence[str]) -> tuple[Figure, list[Axes]]:
    """A figure of axes below one another, each of its height in inches. Without pyplot: nothing global is touched."""
    figure = Figure(figsize=(WIDTH, sum(heights) + 0.35 * len(heights)), layout="constrained")
    axes = figure.subplots(len(heights), 1, squeeze=False, height_ratios=list(heights))[:, 0]
    for one, title in zip(axes, titles, strict=True):
        one.set_title(_wrapped(title, _TITLE))
    return figure, list(axes)


def rows(axes: Axes, names: Sequence[str]) -> None:
    """One named row per baseline, the first on top.

    A long name takes several lines, so that the axes stay wide. A title that is wider than they are ends where they do.
    """
    axes.set_yticks(range(len(names)), [_wrapped(name, _NAME) for name in names])
    for label in axes.get_yticklabels():
        label.set_fontsize(_RC["ytick.labelsize"] - label.get_text().count("\n"))
    longest = max((len(line) for label in axes.get_yticklabels() for line in label.get_text().split("\n")), default=0)
    title = axes.get_title(loc="left")
    if max(map(len, title.split("\n"))) * _LETTER > WIDTH - 0.9 * _LETTER * longest - 0.3:
        axes.set_title("", loc="left")
        axes.set_title(title, loc="right")
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)


def legend(figure: Figure, axes: Sequence[Axes], order: Sequence[str]) -> None:
    """One legend for all axes, below them, in as many columns as names of their length allow; it gets its own room."""
    found: dict[str, Any] = {}
    for one in axes:
        for handle, label in zip(*one.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    names = [name for name in order if name in found]
    longest = max(map(len, names), default=0)
    columns = 3 if longest <= 13 else 2 if longest <= 24 else 1
    figure.set_figheight(figure.get_figheight() + 0.2 * (1 + len(names) // columns))
    handles = [found[name] for name in names]
    figure.legend(handles, [plain(name) for name in names], loc="outside lower center", ncols=columns)


def _slots(names: Iterable[str]) -> dict[str, int]:
    """Name -> number of its colour and mark. The methods that every comparison has keep theirs in the figures of all
    sweeps, so that those of a paper can be read side by side; all others take what is free, in their order."""
    wanted = list(dict.fromkeys(names))
    made = {name: place for place, name in enumerate(_FIRST) if name in wanted}
    free = (number for number in itertools.count() if number not in made.values())
    return {name: made[name] if name in made else next(free) for name in wanted}


def colours(names: Iterable[str]) -> dict[str, str]:
    """Name -> colour; a sweep's baselines keep theirs in all figures if given in one order."""
    return {name: PALETTE[slot % len(PALETTE)] for name, slot in _slots(names).items()}


def marks(names: Iterable[str]) -> dict[str, str]:
    """Name -> mark; with its colour it is the only one of its kind among a hundred names."""
    return {name: MARKS[(slot + slot // len(PALETTE)) % len(MARKS)] for name, slot in _slots(names).items()}


def render(figure: Figure, kind: str) -> bytes:
    """The bytes of a png, svg or pdf file; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    metadata: dict[str, Any] = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}[kind]
    dpi = min(200.0, MAX_PIXELS / max(figure.get_size_inches()))
    with styled(), mpl.rc_context({"svg.hashsalt": "hpmkd"}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # a name in letters that the font lacks; SVG shows them
        _lay_out(figure)
        figure.savefig(buffer, format=kind, dpi=dpi, metadata=metadata, facecolor="white")
    return _renumbered(buffer.getvalue()) if kind == "svg" else buffer.getvalue()


def _lay_out(figure: Figure) -> None:
    """Gives everything its place, once. As long as a figure has a layout engine, matplotlib draws and lays it out twice
    for each file; and files of all kinds look alike so."""
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
        figure.set_layout_engine(None)


def _renumbered(svg: bytes) -> bytes:
    """Ids by their order. Matplotlib makes them of numbers with all their digits, of which the solver of the layout
    gives the last one now this way, now that way; what is drawn has six."""
    places: dict[bytes, bytes] = {}

    def number(found: re.Match[bytes]) -> bytes:
        return found[1] + places.setdefault(found[2], found[2][:1] + str(len(places)).encode()) + found[3]

    return re.sub(rb'(id="|url\(#|href="#)([A-Za-z][0-9a-f]{10})("|\))', number, svg)


def inline(svg: bytes, name: str, description: str) -> str:
    """A figure's SVG inside a page: as wide as there is room, in the page's colours, names of its own."""
    text = svg.decode()
    text = text[text.index("<svg") :]
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1)
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = _GROUND.sub(r"\1", text)
    text = text.replace(TEXT, "currentColor")
    # Two figures in one page must not share ids.
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r"url\(#", f"url(#{name}-", text)
    text = re.sub(r'xlink:href="#', f'xlink:href="#{name}-', text)
    return text.replace("<svg", f'<svg role="img" aria-label="{description}"', 1)
