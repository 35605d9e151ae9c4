"""Sections of experiments on the page, in Markdown and as files, whatever the experiment is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure
from support.frames import compose_report, make_frame

from hpmkd.analysis.experiments import registry
from hpmkd.analysis.report.write import files, html, markdown
from hpmkd.analysis.section import Drawing, Section, Table, digits
from hpmkd.audit.sweep_dir import Saved


def made_up(frame: pd.DataFrame, order: Sequence[str], saved: Saved) -> Section | None:
    """Of a sweep that has AT."""
    if "AT" not in order:
        return None
    rows = frame[frame["baseline"] == "AT"][["baseline", "accuracy_pct"]]
    columns = {"baseline": ("baseline", str), "accuracy_pct": ("<accuracy>", digits(2))}
    tables = [Table(name, name.title(), rows, columns, f"Note on {name}.") for name in ("open", "folded-one")]
    figure = Figure()
    figure.subplots().plot([1, 2], [3, 4])
    return Section(
        "madeup",
        "Made <up>",
        ("First *finding*.", "Second."),
        tables=(tables[0],),
        drawings=(Drawing("madeup-figure", "A figure", lambda: figure, "What it shows."),),
        folded=(tables[1],),
        errors=("This must not be.",),
    )


@pytest.fixture
def experiments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "EXPERIMENTS", {"madeup": made_up, "never": lambda *_: None})


def test_a_section_stands_everywhere(experiments: None, every_figure: None, tmp_path: Path) -> None:
    report = compose_report(make_frame({"Direct": [70.0, 71.0], "AT": [72.25, 73.5]}), tmp_path)
    page, text = html(report), markdown(report)
    sections = re.findall(r'<section id="(\w+)">', page)
    assert sections.index("madeup") == sections.index("differences") + 1
    assert "never" not in sections
    part = page[page.index('<section id="madeup">') :].partition("</section>")[0]
    assert "Made &lt;up&gt;" in part
    assert part.index("This must not be.") < part.index("First *finding*.") < part.index("<li>Second.")
    assert part.index('id="figure-madeup-figure"') < part.index('id="table-open"') < part.index("<details")
    assert part.index("<details") < part.index('id="table-folded-one"')
    assert part.count("Note on ") == 2
    assert part.count(">72.25<") == 2
    for line in ("## Made <up>", "**This must not be.**", r"First \*finding\*.", "- Second."):
        assert line in text.splitlines()
    assert "![A figure](figures/madeup-figure.svg)" in text
    assert text.count("| AT | 72.25 |") == 2
    assert "\n\n\n\n" not in text
    links = {link for link in re.findall(r'href="([^"#]+)"', page) if not link.startswith("profile")}
    assert {"figures/madeup-figure.pdf", "tables/open.csv", "tables/folded-one.tex"} <= links <= files(report).keys()
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_reports_find_what_is_in_sections(experiments: None, tmp_path: Path) -> None:
    report = compose_report(make_frame({"AT": [72.25]}), tmp_path)
    assert [report.table(name) is not None for name in ("open", "folded-one", "accuracy", "x")] == [True] * 3 + [False]
    assert report.drawing("madeup-figure") is not None


def test_where_the_models_are_not_there_is_no_section(experiments: None, tmp_path: Path) -> None:
    report = compose_report(make_frame({"Direct": [70.0, 71.0]}), tmp_path)
    assert report.sections == ()
    assert "madeup" not in html(report)
