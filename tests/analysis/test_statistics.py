"""The block of statistics in the report: what stands there, when, and that it needs what it says."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.frames import make_frame

from hpmkd.analysis.report.content import Report, compose
from hpmkd.analysis.report.write import files, html, markdown
from hpmkd.audit.status import Status
from hpmkd.audit.sweep_dir import Saved
from hpmkd.store.output_dir import OutputDir

CURVES = ["dataset", "baseline", "run", "epoch", "train_loss", "validation_accuracy_pct", "lr", "train_seconds"]
EFFECTS = {"Direct": 0.0, "AT": 0.1, "TAKD": 0.6, "HPM-KD": 1.5}
FIGURES = {"interquartile", "profiles", "ranks"}


def sweep(datasets: int, baselines: int = 4, runs: int = 5) -> pd.DataFrame:
    """Paired runs with a little noise."""
    rng, parts = np.random.default_rng(0), []
    for number in range(datasets):
        common = rng.normal(0, 0.5, runs)
        scores = {
            name: list(90 - 3 * number + effect + common + rng.normal(0, 0.2, runs))
            for name, effect in list(EFFECTS.items())[:baselines]
        }
        parts.append(make_frame(scores, f"D{number}", teacher=94 - 3 * number))
    return pd.concat(parts, ignore_index=True).assign(channels="(1, 2)")


def report_on(frame: pd.DataFrame, root: Path, correctness: dict[str, np.ndarray] | None = None) -> Report:
    status = Status(str(root), "stopped", None, models=(), command=None)
    return compose(
        Saved(OutputDir(root), None, ()), frame, status, pd.DataFrame(columns=CURVES), correctness=correctness or {}
    )


def right(frame: pd.DataFrame, images: int = 1000) -> dict[str, np.ndarray]:
    """Test outputs of every student: easy images first, so that the better model is right on more of the same."""
    students = frame[frame["role"] == "student"].to_dict("records")
    return {row["file"][:-3]: np.arange(images) < images * row["accuracy_pct"] / 100 for row in students}


def test_one_data_set_has_tables_an_advice_and_a_reason(tmp_path: Path) -> None:
    report = report_on(sweep(1), tmp_path)
    assert not FIGURES & {one.name for one in report.drawings}
    assert report.table("ranks") is None
    for text in (html(report), markdown(report)):
        assert text.count("To show a difference of 0.5 points from Direct takes") == 1
        assert "need 3 groups (data set, condition, pair of networks); there is 1." in text
        assert re.search(r"\(TOST\), 5 comparisons: \d equivalent, \d different by more, \d undecided", text)
        assert "McNemar" not in text
    table = report.table("practical")
    assert table is not None
    row = dict(zip(table.headings[:7], table.cells[2][:7], strict=True))
    assert (row["baseline"], row["against"], row["TOST"]) == ("HPM-KD", "Direct", "different")
    assert html(report).count('<details id="statistics">') == 1


def test_test_outputs_bring_mcnemars_test(tmp_path: Path) -> None:
    frame = sweep(1)
    report = report_on(frame, tmp_path, right(frame))
    table = report.table("mcnemar")
    assert table is not None
    rows = {(row[1], row[2]): row for row in table.cells}
    gain = frame.pivot_table(index="run", columns="baseline", values="accuracy_pct", observed=True)
    images = 10 * (np.floor(gain["HPM-KD"] * 10) - np.floor(gain["Direct"] * 10)) / 10
    assert float(rows["HPM-KD", "Direct"][5]) == pytest.approx(images.mean(), abs=0.7)
    assert rows["HPM-KD", "Direct"][6:8] == ["5", "0"]
    assert rows["Direct", "HPM-KD"][6:8] == ["0", "5"]
    page = html(report)
    assert "runs needed, McNemar's test</summary>" in page
    assert "no independent tests" in page
    assert {"tables/mcnemar.csv", "tables/mcnemar.tex", "tables/practical.csv"} <= set(files(report))
    assert "McNemar's test on the test images" in markdown(report)


@pytest.mark.parametrize(("baselines", "figures"), [(2, {"interquartile", "profiles"}), (4, FIGURES)])
def test_three_data_sets_have_figures_over_them(baselines: int, figures: set[str], tmp_path: Path) -> None:
    report = report_on(sweep(3, baselines), tmp_path)
    assert FIGURES & {one.name for one in report.drawings} == figures
    page, text = html(report), markdown(report)
    for name in figures:
        assert page.count(f'id="figure-{name}"') == 1
        assert f"figures/{name}.svg" in text
    assert ("Critical differences need 3 baselines" in page) == (baselines == 2)
    table = report.table("interquartile")
    assert table is not None
    assert [row[0] for row in table.cells] == list(EFFECTS)[:baselines]
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids)), "figures share ids"


def test_groups_of_one_data_set_are_said_not_to_be_independent(tmp_path: Path) -> None:
    frame = sweep(3)
    assert "not independent" not in html(report_on(frame, tmp_path))
    same = frame.assign(condition=frame["dataset"], dataset="CIFAR10")
    report = report_on(same, tmp_path)
    assert "The 3 groups are of 1 data set: they are not independent" in html(report)


def test_what_friedman_does_not_show_is_not_claimed(tmp_path: Path) -> None:
    frame = sweep(3)
    frame.loc[frame["role"] == "student", "accuracy_pct"] = 90.0
    report = report_on(frame, tmp_path)
    drawing = report.drawing("ranks")
    assert drawing is not None
    assert drawing.caption.startswith("Friedman's test shows no difference")
    shown = report_on(sweep(6), tmp_path).drawing("ranks")
    assert shown is not None
    assert shown.caption.startswith("Baselines that a bar joins")


def test_bands_are_named_only_where_they_are_drawn(tmp_path: Path) -> None:
    captions = [report_on(sweep(3, runs=runs), tmp_path).drawing("profiles") for runs in (1, 3)]
    assert [one is not None and "Bands" in one.caption for one in captions] == [False, True]


def test_without_comparisons_nothing_is_said(tmp_path: Path) -> None:
    report = report_on(sweep(1, baselines=1), tmp_path)
    assert (report.advice, report.statistics) == ((), ())
    assert report.table("practical") is None
    assert "Advice" not in html(report)
    single = report_on(sweep(1, runs=1), tmp_path)
    assert single.table("practical") is None
    assert single.advice == ()


def test_of_a_p_that_is_not_given_nothing_is_said(tmp_path: Path) -> None:
    """Two baselines in two conditions: no Friedman test, so no p that could be too small."""
    for baselines, said in ((2, False), (4, True)):
        frame = sweep(2, baselines)
        table = report_on(frame.assign(condition=frame["dataset"], dataset="CIFAR10"), tmp_path).table("ranks")
        assert table is not None
        assert "The 2 groups are of 1 data set: they are not independent" in table.note
        assert ("p is too small" in table.note) is said


def test_the_dashed_front_is_explained_where_it_is_drawn(tmp_path: Path) -> None:
    frame = sweep(1)
    frame.loc[frame["baseline"] == "Direct", "accuracy_pct"] = 99.0  # the best, and the cheapest
    captions = [report_on(one, tmp_path).drawing("pareto") for one in (sweep(1), frame)]
    assert [one is not None and "Dashed" in one.caption for one in captions] == [True, False]
