"""Writes the report's files. Each is written atomically, so it can be read while it is written again."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from hpmkd.analysis.plots.style import FORMATS, inline, render
from hpmkd.analysis.report.content import Report, gather
from hpmkd.analysis.section import Drawing
from hpmkd.audit import measured, results
from hpmkd.data.source.listing import count
from hpmkd.files import commit_bytes
from hpmkd.log import steps


def write_report(root: Path) -> Path:
    """Writes `report.html`, `report.md`, `figures/`, `tables/` into the sweep's folder; returns the HTML file.

    `results.parquet` and `results.csv` are written anew from the same model files, so that both agree.

    Raises:
        UsageError: there is no sweep. EnvironmentProblem: the folder cannot be written.
    """
    return write_files(gather(root))


def write_files(report: Report) -> Path:
    """The same of what was gathered."""
    folder = report.output.root
    drawn = f"{count(len(report.all_drawings), 'figure')}, {count(len(report.all_tables), 'table')}"
    steps.info(f"writing {drawn} and the page to {folder}")
    for name, make in files(report).items():
        commit_bytes(folder / name, make())
    return folder / "report.html"


def files(report: Report) -> dict[str, Callable[[], bytes]]:
    """Name -> what makes the bytes of each file of a report; the pages last."""
    made = results.files(report.frame) | measured.files(report.measures.frame, report.output)
    svg = functools.cache(_svg)  # for its file and for the page
    for drawing in report.all_drawings:
        for kind in FORMATS:
            one = svg if kind == "svg" else functools.partial(_drawn, kind=kind)
            made[f"figures/{drawing.name}.{kind}"] = functools.partial(one, drawing)
    for table in report.all_tables:
        made[f"tables/{table.name}.csv"] = functools.partial(_encoded, table.csv)
        made[f"tables/{table.name}.tex"] = functools.partial(_encoded, table.latex)
    if len(report.curves):
        made["tables/curves.csv"] = lambda: report.curves.to_csv(index=False).encode()
    made["report.md"] = lambda: _encoded(lambda: markdown(report))
    made["report.html"] = lambda: _encoded(lambda: html(report, svg))
    return made


def _drawn(drawing: Drawing, kind: str) -> bytes:
    return render(drawing.figure, kind)


def _svg(drawing: Drawing) -> bytes:
    return _drawn(drawing, "svg")


def _encoded(text: Callable[[], str]) -> bytes:
    # A folder may have been given a name that is no text.
    return text().encode(errors="backslashreplace")


def environment(autoescape: bool) -> Environment:
    """Jinja with our templates and filters."""
    # With StrictUndefined a name that a template misspells is an error, not an empty place in a report.
    made = Environment(
        loader=PackageLoader("hpmkd.analysis.report"),
        autoescape=autoescape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["cell"] = _plain
    return made


def html(report: Report, svg: Callable[[Drawing], bytes] = _svg) -> str:
    """One self-contained page: no script, no font, no picture from elsewhere. `svg`: draws, or knows what was drawn."""
    pictures = {one.name: Markup(inline(svg(one), one.name, one.title)) for one in report.all_drawings}
    return environment(autoescape=True).get_template("report.html.j2").render(report=report, svg=pictures)


def markdown(report: Report) -> str:
    """The same for a repository; figures are the files beside it."""
    ticks = max(map(len, re.findall("`+", report.config)), default=0)
    template = environment(autoescape=False).get_template("report.md.j2")
    return template.render(report=report, fence="`" * max(3, ticks + 1))


def _plain(text: object) -> str:
    """One line that Markdown shows as it is: names may hold anything. Underscores within words mean nothing there."""
    return re.sub(r"([\\`*\[|$]|<(?=[a-zA-Z/!?])|(?<!\w)_|_(?!\w))", r"\\\1", " ".join(str(text).split()))
