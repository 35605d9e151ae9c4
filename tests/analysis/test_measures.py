"""The report beyond accuracy: every number and sentence from the models' answers."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from support.frames import make_output
from support.predictions import made_up, put_all

from hpmkd.analysis.measure_groups import TEACHER, Group, confusions, groups, recall_frame
from hpmkd.analysis.measure_words import sentences, unmeasured
from hpmkd.analysis.plots import measures as plots
from hpmkd.analysis.report import write_report
from hpmkd.analysis.report.content import gather
from hpmkd.analysis.report.measures import MANY_PANELS
from hpmkd.analysis.report.write import html, markdown
from hpmkd.audit import measures, results
from hpmkd.audit.measure_tables import summary
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.predictions import Predictions

ORDER = ["Direct", "TraditionalKD", "AT"]
TABLES = {"measures", "calibration", "agreement", "confusions", "recall"}
FIGURES = {"calibration", "agreement", "reliability", "confusion"}


def make(root: Path, cache_dir: Path, **options: Any) -> OutputDir:
    options = {"baselines": ORDER, "runs": 2, **options}
    output, _, _ = make_output(root, cache_dir, lambda job: 60.0, **options)
    return output


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory, cache_dir: Path) -> OutputDir:
    output = make(tmp_path_factory.mktemp("measured & <so>"), cache_dir)
    put_all(output, lambda number, key: made_up(number, skill=5.0 if "teacher" in key else 3.0))
    write_report(output.root)
    return output


def read(output: OutputDir) -> tuple[pd.DataFrame, list[Group]]:
    frame, found = results.collect_measured(output, None)
    return frame, groups(frame, found, ORDER)


def test_the_section_stands_in_page_and_files(measured: OutputDir) -> None:
    page, text = (measured.root / "report.html").read_text(), (measured.root / "report.md").read_text()
    for name in FIGURES:
        assert f'id="figure-{name}"' in page
        assert f"figures/{name}.svg" in text
        assert (measured.root / "figures" / f"{name}.pdf").is_file()
    for name in TABLES:
        assert f'id="table-{name}"' in page
        assert (measured.root / "tables" / f"{name}.csv").is_file()
    for line in sentences(*read(measured), ORDER):
        assert line in page
        assert line in text
    assert "not measured here" not in page
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids)), "the page replaces details by their ids"
    assert [one for one in re.findall(r"<details[^>]*>", page) if "id=" not in one] == []
    links = [link for link in re.findall(r'href="([^"#]+)"', page) if not link.startswith("data:")]
    assert all((measured.root / link).is_file() for link in links)


def test_every_number_of_a_table_comes_from_results(measured: OutputDir) -> None:
    frame = pd.read_parquet(measured.root / "results.parquet")
    students = frame[(frame["role"] == "student") & (frame["baseline"] == "AT")]
    report = gather(measured.root)
    for name, columns in {
        "measures": ["macro_f1_pct", "nll", "brier"],
        "calibration": ["ece_pct", "ece_scaled_pct"],
        "agreement": ["agreement_pct", "teacher_kl"],
    }.items():
        table = report.table(name)
        assert table is not None
        row = table.frame.set_index("baseline").loc["AT"]
        for column in columns:
            assert row[column] == pytest.approx(students[column].mean())


def test_without_answers_the_report_says_what_to_do(tmp_path: Path, cache_dir: Path) -> None:
    output = make(tmp_path / "out", cache_dir)
    report = gather(output.root)
    assert not TABLES & {one.name for one in report.tables}
    assert "None of the models is measured here" in html(report)
    assert f"hpmkd measure {output.root}" in html(report)
    assert f"hpmkd measure {output.root}" in markdown(report)
    put_all(output, lambda number, key: made_up(number))
    output.predictions_file("student_Digits_AT_run1").unlink()
    assert unmeasured(results.collect(output, None)) == (1, 7)
    assert "1 of 7 models is not measured here" in html(gather(output.root))


def test_groups_are_sums_and_means_over_runs(measured: OutputDir) -> None:
    _, found = read(measured)
    assert [one.baseline for one in found] == [TEACHER, *ORDER]
    rows = pd.read_parquet(measured.measures_file).set_index("key")
    mine = rows.loc[["student_Digits_AT_run1", "student_Digits_AT_run2"]]
    group = found[-1]
    assert group.confusion is not None
    np.testing.assert_array_equal(group.confusion, np.sum(list(mine["confusion"]), axis=0).reshape(10, 10))
    np.testing.assert_allclose(group.recall, np.mean(list(mine["recall"]), axis=0))
    np.testing.assert_allclose(group.reliability[0].sum(), 400)
    assert group.confusion_pct is not None
    np.testing.assert_allclose(group.confusion_pct.sum(1), 100)


def confused(labels: np.ndarray, true: int, taken_for: int, sure: float = 8.0) -> Predictions:
    """All right, but for every image of one class."""
    predicted = np.where(labels == true, taken_for, labels)
    logits = np.full((len(labels), 10), -sure, np.float16)
    logits[np.arange(len(labels)), predicted] = 0
    return Predictions(labels, predicted, logits, 2.0, "data")


def test_a_planted_confusion_is_found_and_told(tmp_path: Path, cache_dir: Path) -> None:
    output, labels = make(tmp_path / "out", cache_dir), np.arange(100) % 10
    right = confused(labels, 11, 0)
    put_all(output, lambda _, key: right if "teacher" in key else confused(labels, 7, 2))
    frame, found = read(output)
    table = confusions(found)
    assert table[["true", "predicted", "students_pct", "teacher_pct"]].to_numpy().tolist() == [[7, 2, 100, 0]]
    said = " ".join(sentences(frame, found, ORDER))
    assert "Class 7 is found least (0.0% of its images" in said
    recall = recall_frame(found, ORDER, 30).set_index("class")
    assert recall.loc[7, "AT"] == 0
    assert recall.loc[7, TEACHER] == 100
    assert list(recall_frame(found, ORDER, 3)["class"]) == [0, 1, 7], "of many classes those that are found least"


def test_sentences_follow_the_numbers(tmp_path: Path, cache_dir: Path) -> None:
    """The same sweep with other answers, and each sentence that they concern is another."""
    output, labels = make(tmp_path / "out", cache_dir), np.arange(100) % 10
    other = {"Direct": confused(labels, 1, 2), "TraditionalKD": confused(labels, 3, 4), "AT": confused(labels, 3, 4)}

    def answers(_: int, key: str) -> Predictions:
        return next((made for name, made in other.items() if f"_{name}_" in key), confused(labels, 3, 4))

    put_all(output, answers)
    said = sentences(*read(output), ORDER)
    begins = "Distilled students give the class that the teacher gives for 100.0% of the test images; Direct"
    ends = "for 80.0%: 2 of 2 baselines agree more than that."
    assert any(line.startswith(begins) and line.endswith(ends) for line in said)
    assert "Of the images that the teacher gets wrong, they give its very error for 100.0%; Direct for 0.0%." in said
    other["Direct"], other["TraditionalKD"] = confused(labels, 3, 4), confused(labels, 1, 2)
    put_all(output, answers)
    said = sentences(*read(output), ORDER)
    assert any("80.0% (TraditionalKD) to 100.0% (AT)" in line and ": 0 of 2 baselines" in line for line in said)


def test_calibration_sentences(tmp_path: Path, cache_dir: Path) -> None:
    """Too sure, and T mends it; then too unsure, with a T that makes it worse; then without any."""
    output, labels = make(tmp_path / "out", cache_dir, baselines=["Direct"]), np.arange(100) % 10
    sure = confused(labels, 3, 4)
    put_all(output, lambda _, key: sure)
    said = " ".join(sentences(*read(output), ["Direct"]))
    before = 100 * measures.calibration_error(
        measures.reliability(measures.log_softmax(sure.logits), labels, sure.predicted)
    )
    assert f"Calibration error (ECE): {before:.1f}% (Direct)." in said
    assert "above 1 (too sure of themselves) for 1 of 1 baseline; with it the calibration error is lower for 1" in said
    put_all(output, lambda _, key: replace(sure, temperature=0.5))
    said = " ".join(sentences(*read(output), ["Direct"]))
    assert "for 0 of 1 baseline; with it the calibration error is lower for 0 of 1" in said
    put_all(output, lambda _, key: replace(sure, temperature=None))
    frame, found = read(output)
    assert "temperature" not in " ".join(sentences(frame, found, ["Direct"]))
    assert all(one.scaled is None for one in found)
    FigureCanvasAgg(plots.calibration(frame, ["Direct"])).draw()
    FigureCanvasAgg(plots.reliability(found, ["Direct"])).draw()


def test_the_range_of_calibration_errors_is_of_those_that_fall(tmp_path: Path, cache_dir: Path) -> None:
    """One baseline is too sure and T mends it; the others have a T that makes theirs worse."""
    output, labels = make(tmp_path / "out", cache_dir), np.arange(100) % 10
    sure = confused(labels, 3, 4)

    def answers(mended: str) -> None:
        put_all(output, lambda _, key: replace(sure, temperature=2.0 if f"_{mended}_" in key else 0.5))

    answers("Direct")
    frame, found = read(output)
    error = summary(frame).set_index("baseline")["ece_scaled_pct"]
    said = " ".join(sentences(frame, found, ORDER))
    assert f"is lower for 1 of 3: {error['Direct']:.1f}% (Direct); for the others it is {error['AT']:.1f}%." in said
    answers("none")
    assert f"is lower for 0 of 3: it is {error['AT']:.1f}%." in " ".join(sentences(*read(output), ORDER))


def test_a_temperature_of_some_models_only_is_not_averaged(tmp_path: Path, cache_dir: Path) -> None:
    output = make(tmp_path / "out", cache_dir, baselines=["Direct"])
    put_all(output, lambda number, key: made_up(number, temperature=None if key.endswith("run1") else 1.5))
    table = summary(results.collect(output, None)).set_index("baseline")
    assert np.isnan(table.loc["Direct", "temperature"])
    assert np.isnan(table.loc["Direct", "ece_scaled_pct"])
    assert table.loc["Direct", "ece_pct"] > 0


def test_figures_show_the_numbers(measured: OutputDir) -> None:
    frame, found = read(measured)
    table = summary(frame).set_index("baseline")
    (axes,) = plots.calibration(frame, ORDER).axes
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    assert [line.get_xdata()[0] for line in dots[::2]] == pytest.approx(
        table.loc[[TEACHER, *ORDER], "ece_pct"].tolist()
    )
    scaled = table.loc[[TEACHER, *ORDER], "ece_scaled_pct"].tolist()
    assert [line.get_xdata()[0] for line in dots[1::2]] == pytest.approx(scaled)
    figure = plots.reliability(found, ORDER)
    assert [axes.get_title(loc="left") for axes in figure.axes] == [TEACHER, *ORDER]
    images, right, confidence = found[-1].reliability[:, found[-1].reliability[0] > 0]
    solid = next(line for line in figure.axes[-1].lines if line.get_linestyle() == "-" and len(line.get_xdata()) > 2)
    np.testing.assert_allclose(solid.get_xdata(), confidence / images)
    np.testing.assert_allclose(solid.get_ydata(), right / images)
    heat = plots.confusion(found).axes[3].collections[1].get_array()
    part = found[3].confusion_pct
    assert part is not None
    expected = np.where(np.eye(10, dtype=bool), 0, part)
    np.testing.assert_allclose(np.ma.filled(heat, 0).reshape(10, 10), expected)


def test_one_teacher_has_nobody_to_agree_with(tmp_path: Path, cache_dir: Path) -> None:
    output = make(tmp_path / "out", cache_dir, runs=1)
    put_all(output, lambda number, key: made_up(number))
    frame, _ = read(output)
    (axes,) = plots.agreement(frame, ORDER).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ORDER


MANY = [
    "Direct", "TraditionalKD", "FitNets", "AT", "TAKD", "HPM-KD", "KD-Ensemble", "KD-Budget", "TraditionalKD-adaptive",
    "HPM-KD-noChain", "HPM-KD-noChain-noMultiTeacher-noMetaTemp",
]  # fmt: skip


@pytest.mark.slow
def test_many_baselines_are_folded_and_inside_their_figures(tmp_path: Path, cache_dir: Path) -> None:
    output = make(tmp_path / "out", cache_dir, baselines=MANY, runs=1, datasets=["Digits", "MNIST"])
    put_all(output, lambda number, key: made_up(number, images=60))
    report = gather(output.root)
    assert report.measures.folded
    assert 'id="fold-reliability"' in html(report)
    for name in FIGURES:
        drawing = report.drawing(name)
        assert drawing is not None
        canvas = FigureCanvasAgg(drawing.figure)
        canvas.draw()
        width, height = canvas.get_width_height()
        for axes in drawing.figure.axes:
            box = axes.get_tightbbox()
            assert box is not None
            assert box.x0 > -1, (name, axes.get_title(loc="left"))
            assert box.x1 < width + 1
            assert box.y0 > -1
            assert box.y1 < height + 1
    assert len(report.drawing("reliability").figure.axes) == 2 * (len(MANY) + 1) > MANY_PANELS  # type: ignore[union-attr]


def test_many_classes(tmp_path: Path, cache_dir: Path) -> None:
    """A hundred are drawn as an image; three hundred are not drawn; the table has the thirty that are found least."""
    output = make(tmp_path / "out", cache_dir, baselines=["Direct"], runs=1)
    put_all(output, lambda number, key: made_up(number, classes=100))
    report = gather(output.root)
    assert len(report.drawing("confusion").figure.axes[0].images) == 1  # type: ignore[union-attr]
    assert len(report.table("recall").frame) == 30  # type: ignore[union-attr]
    put_all(output, lambda number, key: made_up(number, classes=300))
    report = gather(output.root)
    assert report.drawing("confusion") is None
    assert report.table("confusions") is None
    assert "fold-confusion" not in html(report)


def test_four_classes_have_no_top_five(tmp_path: Path, cache_dir: Path) -> None:
    output = make(tmp_path / "out", cache_dir, baselines=["Direct"], runs=1)
    put_all(output, lambda number, key: made_up(number, classes=4))
    table = gather(output.root).table("measures")
    assert table is not None
    assert not any("top" in heading for heading in table.headings)


def test_a_class_without_test_images(tmp_path: Path, cache_dir: Path) -> None:
    output = make(tmp_path / "out", cache_dir, baselines=["Direct"], runs=1)
    labels = np.arange(100) % 9
    put_all(output, lambda _, key: confused(labels, 3, 4))
    frame, found = read(output)
    assert np.isnan(found[0].recall[9])
    assert "Class 3 is found least" in " ".join(sentences(frame, found, ["Direct"]))
    page = html(gather(output.root))
    assert not re.search(r">\s*nan", page, flags=re.IGNORECASE)
