"""Writes the report's files. Each is written atomically, so it can be read while it is written again."""

from __future__ import annotations

import re
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from hpmkd.analysis.plots.style import FORMATS, inline, render
from hpmkd.analysis.report.content import Report, gather
from hpmkd.audit import results
from hpmkd.files import commit_bytes


def write_report(root: Path) -> Path:
    """Writes `report.html`, `report.md`, `figures/`, `tables/` into the sweep's folder; returns the HTML file.

    `results.parquet` and `results.csv` are written anew from the same model files, so that both agree.

    Raises:
        UsageError: there is no sweep. EnvironmentProblem: the folder cannot be written.
    """
    report = gather(root)
    folder = report.output.root
    results.write(report.frame, report.output)
    for drawing in report.drawings:
        for kind in FORMATS:
            commit_bytes(folder / "figures" / f"{drawing.name}.{kind}", render(drawing.figure, kind))
    for table in report.tables:
        commit_bytes(folder / "tables" / f"{table.name}.csv", table.csv().encode())
        commit_bytes(folder / "tables" / f"{table.name}.tex", table.latex().encode())
    if len(report.curves):
        commit_bytes(folder / "tables" / "curves.csv", report.curves.to_csv(index=False).encode())
    commit_bytes(folder / "report.md", markdown(report).encode())
    commit_bytes(folder / "report.html", html(report).encode())
    return folder / "report.html"


def _environment(autoescape: bool) -> Environment:
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


def html(report: Report) -> str:
    """One self-contained page: no script, no font, no picture from elsewhere."""
    svg = {one.name: Markup(inline(one.figure, one.name, one.title)) for one in report.drawings}
    return _environment(autoescape=True).get_template("report.html.j2").render(report=report, svg=svg)


def markdown(report: Report) -> str:
    """The same for a repository; figures are the files beside it."""
    ticks = max(map(len, re.findall("`+", report.config)), default=0)
    template = _environment(autoescape=False).get_template("report.md.j2")
    return template.render(report=report, fence="`" * max(3, ticks + 1))


def _plain(text: object) -> str:
    """One line that Markdown shows as it is: names may hold anything. Underscores within words mean nothing there."""
    return re.sub(r"([\\`*\[|$]|<(?=[a-zA-Z/!?])|(?<!\w)_|_(?!\w))", r"\\\1", " ".join(str(text).split()))
