"""Whatever a sweep's numbers and names are, there are tables, a page and figures; what is not defined is a dash."""

from __future__ import annotations

import functools
import io
import math
import re
import tempfile
import warnings
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from rich.console import Console
from support.frames import compose_report, make_frame, make_output

from hpmkd.analysis import advice, stats
from hpmkd.analysis.costs import costs
from hpmkd.analysis.plots.style import render
from hpmkd.analysis.report.write import html, markdown
from hpmkd.analysis.stats import pairs
from hpmkd.audit import results, terminal
from hpmkd.cli.main import main
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.result_file import commit

NAMES = [
    "D",
    "<b>x</b>",
    "[red]a[/]",
    "$x^$",
    "a|b `c`",
    "x & 'y' \"z\"",
    "数据",
    "_under_",
    "</section><script>",
    "a" * 70,
]
numbers = st.one_of(st.sampled_from([0.0, math.nan, 50.0, 1e-300]), st.integers(0, 10_000).map(lambda one: one / 100))
seconds = st.one_of(st.sampled_from([0.0, math.nan, 10.0]), st.floats(0, 1e7))
names = st.sampled_from(NAMES)


@st.composite
def frames(draw: st.DrawFn) -> pd.DataFrame:
    """Rows as `results.collect` makes them, of some data sets: with and without teachers, references, runs, numbers."""
    rows = []
    for dataset in draw(st.lists(names, min_size=1, max_size=3, unique=True)):
        choose = st.lists(st.sampled_from(["Direct", "HPM-KD", "AT", "TAKD"]), max_size=4, unique=True)
        runs, same = draw(st.sampled_from([1, 2, 3, 7, 60])), draw(st.booleans())
        scores = {}
        for baseline in draw(choose):
            values = [draw(numbers)] * runs if same else draw(st.lists(numbers, min_size=runs, max_size=runs))
            scores[baseline] = [None if draw(st.integers(0, 9)) == 0 else value for value in values]
        frame = make_frame(scores, dataset, teacher=draw(numbers))
        if draw(st.booleans()):
            frame = frame[frame["role"] != "teacher"]
        rows.append(frame)
    frame = pd.concat(rows, ignore_index=True)
    frame["train_seconds"] = pd.Series([draw(seconds) for _ in range(len(frame))], dtype="float64")
    frame["planned"] = [draw(st.integers(0, 9)) > 0 for _ in range(len(frame))]
    return frame


def tried(examples: int) -> Callable[[Callable[[pd.DataFrame], None]], Callable[[], None]]:
    """What is to hold for a frame, tried on so many."""

    def wrap(check: Callable[[pd.DataFrame], None]) -> Callable[[], None]:
        @settings(max_examples=examples, suppress_health_check=list(HealthCheck))
        @given(frames())
        def every(frame: pd.DataFrame) -> None:
            check(frame)

        return every

    return wrap


class Cells(HTMLParser):
    """The cells of a page, and whether each element that was opened was closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.cells: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in ("meta", "path", "use", "br"):
            self.open.append(tag)
        if tag == "td":
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in self.open:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "td":
            self.cells[-1] += data


def tables_of_any_frame(frame: pd.DataFrame) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stats.summary(frame), costs(frame), stats.ranks(frame), stats.friedman(frame)
        for table in terminal.tables(frame, ["Direct", "HPM-KD", "AT", "TAKD"]):
            page = Console(file=io.StringIO(), width=100)
            page.print(table)
            text = page.file.getvalue()  # type: ignore[attr-defined]
            assert not re.search(r"\b(nan|inf|None|<NA>)\b", text)
            assert "…" not in text


def statistics_of_any_frame(frame: pd.DataFrame) -> None:
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("error")
        patch.setattr(pairs, "RESAMPLES", 99)
        compared = stats.needed(stats.comparisons(frame))
        tests, known = stats.rank_tests(frame, stats.REFERENCES), stats.scores(frame)
        means, profile = stats.interquartile_means(known), stats.performance_profiles(known)
        advice.advice(compared), advice.practical(compared), advice.over_groups(tests, known)
        right = {str(file).rpartition(".")[0]: np.arange(9) < 5 for file in frame["file"]}
        images = stats.mcnemar_over_runs(frame, compared, right)
    for row in compared.to_dict("records"):
        three = [row[name] for name in ("p_worse", "p_same", "p_better")]
        assert sum(three) == pytest.approx(1) if row["n"] > 1 else all(map(math.isnan, three))
        assert (row["equivalence"] in ("equivalent", "different", "undecided")) == (row["n"] > 1 and row["sd"] > 0)
        assert not row["runs_low"] > row["runs_needed"]
        assert not row["runs_needed"] > row["runs_high"]
        assert not row["equal_low"] > row["difference"] + 1e-9
    assert set(images["discordant"]) <= {0.0}
    assert set(means["baseline"]) == set(known) == set(profile["baseline"])
    assert means["iqm"].notna().all()
    assert not any(set(one) < set(other) for one in tests.cliques for other in tests.cliques)


def page_and_figures_of_any_frame(frame: pd.DataFrame, folder: Path) -> None:
    report = compose_report(frame, Path(tempfile.mkdtemp(dir=folder)))
    page, text = html(report), markdown(report)
    parsed = Cells(page)
    assert parsed.open == []
    assert "<script>" not in page
    assert not {"nan", "inf", "None", "<NA>", "nan%"} & set(parsed.cells)
    assert not re.search(r"\| (nan|inf|None|<NA>) \|", text)
    assert "\N{EN DASH}" not in text
    shown = {row["dataset"] for row in frame[frame["planned"]].to_dict("records")}
    assert not shown or shown & set(parsed.cells), "names stand there as they are"


@pytest.mark.parametrize("examples", [20, pytest.param(300, marks=pytest.mark.slow)])
def test_tables_of_any_frame(examples: int) -> None:
    tried(examples)(tables_of_any_frame)()


@pytest.mark.parametrize("examples", [15, pytest.param(200, marks=pytest.mark.slow)])
def test_statistics_of_any_frame(examples: int) -> None:
    tried(examples)(statistics_of_any_frame)()


@pytest.mark.parametrize("examples", [3, pytest.param(30, marks=pytest.mark.slow)])
def test_page_and_figures_of_any_frame(examples: int, tmp_path: Path, every_figure: None) -> None:
    tried(examples)(functools.partial(page_and_figures_of_any_frame, folder=tmp_path))()


def test_a_teacher_at_nothing_has_no_retention(tmp_path: Path) -> None:
    frame = make_frame({"Direct": [0.0, 1.0, 2.0], "AT": [0.0, 1.0, 2.5]}, teacher=0.0)
    assert stats.summary(frame)["retention_pct"].isna().all()
    report = compose_report(frame, tmp_path)
    assert report.drawing("retention") is None
    accuracies = report.table("accuracy")
    assert accuracies is not None
    assert [row[-3] for row in accuracies.cells] == ["-", "-", "-"]


def test_a_sweep_whose_teacher_has_learnt_nothing(tmp_path: Path, cache_dir: Path, every_figure: None) -> None:
    """From its files: the report, and the table that ends a sweep."""
    choose = {"baselines": ["Direct", "TraditionalKD"], "runs": 2}
    make_output(tmp_path, cache_dir, lambda job: 0.0 if job.role == "teacher" else 1.0 * (job.run or 1), **choose)
    assert main(["report", str(tmp_path)]) == 0
    (table,) = terminal.tables(results.load_results(tmp_path), ["Direct", "TraditionalKD"])
    assert [row[4] for row in table.rows] == ["-", "-", "-"]


def test_a_cost_of_which_a_part_is_unknown_is_unknown() -> None:
    frame = make_frame({"Direct": [1.0, 2.0], "AT": [1.0, 2.0]})
    frame.loc[frame["role"] == "teacher", "train_seconds"] = math.nan
    table = stats.summary(frame).set_index("baseline")["total_seconds"]
    assert table["Direct"] == 20.0
    assert math.isnan(table["AT"])


def test_a_copied_student_is_no_second_pair(tmp_path: Path) -> None:
    frame = make_frame({"Direct": [70.0, 71.0], "AT": [72.0, 73.5]})
    copy = frame[frame["file"] == "student_D_AT_run1.pt"].assign(file="copy.pt")
    frame = pd.concat([frame, copy], ignore_index=True)
    assert stats.comparisons(frame)["n"].tolist() == [2]
    assert "copy.pt" in html(compose_report(frame, tmp_path))


@pytest.mark.slow
def test_hundreds_of_rows(tmp_path: Path, every_figure: None) -> None:
    many = {f"B{number}": [70.0 + number, 71.0] for number in range(34)}
    frame = pd.concat([make_frame({"Direct": [70.0, 70.5], **many}, f"D{number}") for number in range(3)])
    report = compose_report(frame.reset_index(drop=True), tmp_path)
    assert len(report.conclusions) < 20
    assert Cells(html(report)).open == []


def test_a_figure_of_many_panels_is_no_error() -> None:
    figure = Figure(figsize=(1, 400))
    assert render(figure, "png").startswith(b"\x89PNG")


def test_models_that_call_each_other_parent_end_nothing(tmp_path: Path) -> None:
    """Only edited metadata can say so."""
    output = OutputDir(tmp_path)
    for name, other in (("teacher_D", "teacher_D_2"), ("teacher_D_2", "teacher_D")):
        about = {"role": "teacher", "dataset": "D", "parents": {other: "", name: ""}, "run": "first", "epochs": None}
        commit(output.models / f"{name}.pt", {}, math.nan, math.nan, about)
    about = {"role": "student", "dataset": "D", "baseline": "AT", "run": 1, "parents": {"teacher_D": ""}}
    commit(output.models / "student_D_AT_run1.pt", {}, 70.0, 1.0, about)
    assert main(["report", str(tmp_path)]) == 0
    frame = results.load_results(tmp_path).set_index("file")
    assert set(frame.loc["student_D_AT_run1.pt", "ancestors"].split()) == {"teacher_D", "teacher_D_2"}
    assert frame.loc["teacher_D.pt", "run"] is pd.NA


def test_names_are_no_formulas(tmp_path: Path) -> None:
    frame = make_frame({"Direct": [70.0, 71.0], "AT": [72.0, 73.5]}, "$\\frac$ $")
    for drawing in compose_report(frame, tmp_path).drawings:
        FigureCanvasAgg(drawing.figure).draw()
        assert b"frac" in render(drawing.figure, "svg") or drawing.name == "differences"
