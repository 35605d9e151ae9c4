"""The index page: what each mode says first."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from support import browser
from support.frames import make_output

from hpmkd.analysis.report.content import UNPLANNED
from hpmkd.analysis.report.write import environment
from hpmkd.analysis.section import Section
from hpmkd.config.programme import FILE
from hpmkd.programme.index import Index, compose, write_index

LEFT = ("59 of 60 models are missing: 59 not started.", "To continue: hpmkd run --restore p/one")


def trained(roles: list[str]) -> pd.DataFrame:
    """A row each; the first is from the shared memory."""
    rows = pd.DataFrame({"role": roles, "planned": True, "accuracy_pct": 90.0})
    return rows.assign(recalled=[True, *[False] * (len(rows) - 1)][: len(rows)], train_seconds=60.0)


def report(*sections: str) -> Any:
    """As much of a report as the page asks for."""
    return SimpleNamespace(
        sections=tuple(Section(name, name.title(), (f"about {name}",)) for name in sections),
        conclusions=("compared",),
        missing=(),
        failures=(),
        frame=trained(["student", "student"]),
        facts=(),
        cautions=(),
        continues=(),
        table=lambda name: None,
    )


@pytest.mark.parametrize(
    ("mode", "sections", "said"),
    [
        ("chain_cpu", ("costs", "chain"), ["about chain", "about costs", "compared"]),
        ("full", ("costs",), ["compared", "about costs"]),
        ("full", (), ["compared"]),
    ],
)
def test_what_a_mode_is_about_comes_first(mode: str, sections: tuple[str, ...], said: list[str]) -> None:
    page = compose("title", [mode, "later"], {mode: report(*sections)})
    first, later = page.entries
    assert [sentence for _, sentence in first.sentences] == said
    assert (first.models, first.is_there, later.models, later.is_there) == ("2 models", True, "not started", False)
    assert page.totals.startswith("1 model trained in 0:01:00 (hours:minutes:seconds)"), (
        "what came from the shared memory is not counted again"
    )
    assert page.totals.endswith("; 1 more taken from the shared memory.")
    assert all(not found for _, found in page.claims)


def test_a_programme_that_shares_nothing_does_not_say_that_it_does() -> None:
    alone = report("chain")
    alone.frame = trained(["student", "student"]).assign(recalled=False)
    page = compose("title", ["one"], {"one": alone})
    assert page.totals.startswith("2 models trained")
    assert page.totals.endswith("; none taken from the shared memory.")


def pages(index: Index) -> list[str]:
    """As text and as HTML."""
    kinds = (("md", False), ("html", True))
    return [environment(autoescape=html).get_template(f"index.{kind}.j2").render(index=index) for kind, html in kinds]


def test_a_mode_that_has_its_settings_alone_is_not_started() -> None:
    new = report("chain")
    new.frame, new.missing, new.continues = trained([]), (UNPLANNED, LEFT[1]), LEFT[1:]
    (entry,) = compose("title", ["one"], {"one": new}).entries
    assert (entry.models, entry.missing, entry.is_told) == ("not started", (), False)


def test_what_limits_a_mode_stands_beside_what_it_says() -> None:
    """Verdicts were given on models at chance, which the mode's own report said and the page did not."""
    one, two, empty = report("chain"), report("noise"), report()
    one.cautions, two.cautions = ("few pairs", "the teacher is worse than Direct"), ("few pairs",)
    empty.frame, empty.cautions = trained([]), ()
    index = compose("title", ["chain", "noise", "empty"], {"chain": one, "noise": two, "empty": empty})
    assert index.cautions == ("few pairs",), "said once; a mode without models has no say"
    assert [entry.cautions for entry in index.entries] == [("the teacher is worse than Direct",), (), ()]
    for page in pages(index):
        assert page.count("few pairs") == 1
        assert page.count("the teacher is worse than Direct") == 1


def test_over_what_p_is_corrected_is_said_where_it_stands() -> None:
    for page in pages(compose("title", ["chain"], {"chain": report("chain")})):
        assert "over all baselines that a reference is compared with, in a section over that section" in page


@pytest.mark.parametrize("roles", [[], ["teacher"]])
def test_a_mode_without_students_has_a_row_alone(roles: list[str]) -> None:
    """“Nothing can be compared yet” stood there once for each mode, each with a folder of its own to continue."""
    new = report("chain")
    new.frame, new.missing, new.continues = trained(roles), LEFT, LEFT[1:]
    index = compose("title", ["one", "two"], {"one": new}, "To continue: hpmkd run --restore p")
    assert index.entries[0].models == "1 model; " * len(roles) + LEFT[0]
    for page in pages(index):
        assert "compared" not in page.partition("p (Holm)")[0]
        assert page.count("To continue: hpmkd run --restore p") == 1
        assert "p/one" not in page
    new.failures = ("teacher_D: failed",)
    assert all("teacher_D: failed" in page for page in pages(compose("title", ["one"], {"one": new})))


def test_an_unfinished_programme_says_how_to_continue_all_of_it(tmp_path: Path, cache_dir: Path) -> None:
    root = tmp_path / "both"
    make_output(root / "one", cache_dir, lambda job: 90.0 if job.run != 2 else None, baselines=["Direct", "AT"], runs=2)
    (root / FILE).write_text("programme: [one, two]\n")
    write_index(root)
    text = (root / "report.md").read_text()
    assert text.count("--restore") == 1
    assert f"To continue: hpmkd run --restore {root}\n" in text
    (root / FILE).write_text("programme: [one]\n")
    make_output(root / "one", cache_dir, lambda job: 90.0, baselines=["Direct", "AT"], runs=2)
    write_index(root)
    assert ("--restore" in (root / "report.md").read_text()) == (
        "--restore" in (root / "one" / "report.md").read_text()
    )


@pytest.mark.skipif(browser.find() is None, reason=f"none of {', '.join(browser.NAMES)} is installed")
def test_the_contents_fit_a_telephone(tmp_path: Path) -> None:
    names = [f"representations_of_everything_{number}_cpu" for number in range(3)]
    made = {name: report("chain") for name in names}
    path = tmp_path / "report.html"
    path.write_text(pages(compose("title", names, made))[1])
    program = browser.find()
    assert program is not None
    page = browser.Browser(program, tmp_path / "profile")
    try:
        page.send("Emulation.setDeviceMetricsOverride", width=390, height=800, deviceScaleFactor=1, mobile=True)
        page.open(path.as_uri())
        cells = "[...document.querySelectorAll('#table-contents td')]"
        right = f"Math.max(...{cells}.map(one => one.getBoundingClientRect().right))"
        assert page.run(right) <= 390
        assert page.run(
            "document.querySelector('.scroll').scrollWidth <= document.querySelector('.scroll').clientWidth"
        )
    finally:
        page.close()
