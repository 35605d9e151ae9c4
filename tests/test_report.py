"""Report and figures: what stands in them, of finished and unfinished sweeps."""

from __future__ import annotations

import itertools
import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from builders import make_config, make_jobs
from frames import make_frame, make_output
from matplotlib.backends.backend_agg import FigureCanvasAgg
from test_progress import epoch

from hpmkd import plots, stats
from hpmkd.cli.main import main
from hpmkd.costs import costs
from hpmkd.job import Job
from hpmkd.methods import METHODS
from hpmkd.output import Output
from hpmkd.plots.cost import pareto_front
from hpmkd.plots.lineage import nodes
from hpmkd.plots.style import FORMATS, inline, render
from hpmkd.progress import Recorder
from hpmkd.report import write_report
from hpmkd.report.content import gather
from hpmkd.report.tables import Table, digits, ordered
from hpmkd.report.write import html

CHOOSE = {"baselines": ["Direct", "TraditionalKD", "HPM-KD"], "runs": 3}
NAMES = {"accuracy", "retention", "differences", "curves", "pareto", "times", "lineage"}


def accuracy(job: Job) -> float | None:
    """Made-up accuracies: teachers 98, students by baseline and run."""
    if job.role != "student":
        return 98.0
    base = {"Direct": 90.0, "TraditionalKD": 91.0, "HPM-KD": 92.5}[job.baseline or ""]
    return base + (job.run or 0) * 0.25 + (0.1 if (job.run, job.baseline) == (2, "HPM-KD") else 0)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, cache_dir: Path) -> Path:
    """A whole sweep with records of its epochs, and its report."""
    root = tmp_path_factory.mktemp("finished & <done>")
    output, _, jobs = make_output(root, cache_dir, accuracy, **CHOOSE)
    recorder = Recorder(output, {key: job.fingerprint for key, job in jobs.items()})
    for key, job in jobs.items():
        if job.role == "student":
            recorder.started(key)
            for number in (1, 2):
                recorder.record(epoch(number, 2, job=key))
    write_report(root)
    return root


def test_everything_is_written(finished: Path) -> None:
    figures = {path.name for path in (finished / "figures").iterdir()}
    assert figures == {f"{name}.{kind}" for name in NAMES for kind in ("png", "svg", "pdf")}
    tables = {path.name for path in (finished / "tables").iterdir()}
    names = {"accuracy", "differences", "times", "models"}
    assert tables == {"curves.csv"} | {f"{name}.{kind}" for name in names for kind in ("csv", "tex")}
    assert (finished / "report.md").is_file()


def test_the_page_needs_nothing_from_elsewhere(finished: Path) -> None:
    page = (finished / "report.html").read_text()
    assert not re.search(r'(src|href)="(https?:)?//', page)
    assert "<script" not in page
    links = [link for link in re.findall(r'href="([^"#]+)"', page) if not link.startswith("#")]
    assert links
    assert all((finished / link).is_file() for link in links)
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids)), "figures share ids"
    assert "finished &amp; &lt;done&gt;" in page
    for name in set(re.findall(r"url\(#([^)]+)\)", page)) | set(re.findall(r'xlink:href="#([^"]+)"', page)):
        assert name in ids


def test_every_number_is_in_the_parquet_file(finished: Path) -> None:
    """From the file alone, by hand, to the cells of the page."""
    frame = pd.read_parquet(finished / "results.parquet")
    page = (finished / "report.html").read_text()
    students = frame[frame["role"] == "student"]
    for name, part in students.groupby("baseline"):
        others = frame[frame["file"].str.rsplit(".", n=1).str[0].isin(set(" ".join(part["ancestors"]).split()))]
        cells = [f"{part['accuracy_pct'].mean():.2f}", f"{part['accuracy_pct'].std(ddof=1):.2f}"]
        total = f"{part['train_seconds'].sum() + others['train_seconds'].sum():.1f}"
        row = next(line for line in page.splitlines() if f'<td>{name}</td><td class="n">3</td>' in line)
        assert all(f">{cell}<" in row for cell in [*cells, total])
    wide = students.pivot(index="run", columns="baseline", values="accuracy_pct")
    shown = pd.read_csv(finished / "tables" / "differences.csv").set_index(["reference", "baseline"])
    change = (wide["HPM-KD"] - wide["Direct"]).mean()
    assert shown.loc[("Direct", "HPM-KD"), "difference"] == pytest.approx(change)
    assert f">{change:+.2f}<" in page


def test_words_are_those_of_the_statistics(finished: Path) -> None:
    for name in ("report.html", "report.md"):
        text = (finished / name).read_text()
        assert "HPM-KD is better than Direct: +2.53 points" in text
        assert "TraditionalKD against Direct: +1.00 points in each of 3 runs; without any spread" in text
        assert "cannot give less than p = 0.25" in text
        assert "models are missing" not in text


def test_markdown_has_the_tables_of_the_page(finished: Path) -> None:
    text = (finished / "report.md").read_text()
    report = gather(finished)
    for table in report.tables:
        for row in table.cells:
            assert f"| {' | '.join(row)} |" in text
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert all((finished / link).is_file() for link in links)
    assert "{{" not in text
    assert "\n\n\n\n" not in text


def test_latex_and_csv_say_the_same(finished: Path) -> None:
    latex = (finished / "tables" / "accuracy.tex").read_text()
    assert latex.count(r"\toprule") == 1
    assert r"retention \%" in latex
    csv = pd.read_csv(finished / "tables" / "accuracy.csv")
    for value in csv["mean_pct"]:
        assert f"{value:.2f}" in latex


def test_the_same_sweep_gives_the_same_figures(finished: Path) -> None:
    drawing = gather(finished).drawing("accuracy")
    assert drawing is not None
    for kind in FORMATS:
        assert render(drawing.figure, kind) == (finished / "figures" / f"accuracy.{kind}").read_bytes()


@pytest.mark.parametrize("stop", ["student_Digits_HPM-KD_run2", "teacher_Digits"])
def test_unfinished_sweeps_say_what_is_missing(
    stop: str, tmp_path: Path, cache_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    order: list[str] = []

    def until(job: Job) -> float | None:
        order.append(job.key)
        return None if stop in order else accuracy(job)

    output, _, jobs = make_output(tmp_path, cache_dir, until, **CHOOSE)
    Recorder(output).failed("student_Digits_HPM-KD_run2", "RuntimeError: <boom>")
    assert main(["report", str(tmp_path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {"report.html", "report.md"} <= set(found["files"])
    assert all((Path(found["root"]) / name).is_file() for name in found["files"])
    page = (tmp_path / "report.html").read_text()
    left = len(jobs) - len(list(output.models.glob("*.pt")) + list(output.models.glob("choice_*.json")))
    assert f"{left} of {len(jobs)} models are missing" in page
    assert f"hpmkd run --restore {tmp_path}" in page
    assert "failed, RuntimeError: &lt;boom&gt;" in page
    assert "no records of a finished student" in page
    for text in (page, (tmp_path / "report.md").read_text()):
        assert ("no two baselines with a run in common yet" in text) == (stop == "teacher_Digits")


def test_before_the_plan_and_without_one(tmp_path: Path, cache_dir: Path) -> None:
    output, _, _ = make_output(tmp_path, cache_dir, accuracy, **CHOOSE)
    output.datasets_file.unlink()
    assert "has not planned" in html(gather(tmp_path))
    output.config_file.unlink()
    assert any("HPM-KD is better than Direct" in line for line in gather(tmp_path).conclusions)
    assert main(["report", str(tmp_path / "nowhere")]) == 2


def two_data_sets() -> pd.DataFrame:
    scores = {"Direct": [70.0, 71.0, 69.0], "AT": [71.0, 72.5, 70.2]}
    return pd.concat([make_frame(scores, "D1"), make_frame(scores, "D2")], ignore_index=True)


def test_figures_have_a_panel_per_data_set_and_show_every_run() -> None:
    frame, order = two_data_sets(), ["AT", "Direct"]
    figure = plots.accuracy(frame, order)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["D1", "D2"]
    dots = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert [sorted(line.get_xdata()) for line in dots] == [[70.2, 71.0, 72.5], [69.0, 70.0, 71.0]]
    means = [line.get_xdata()[0] for line in figure.axes[0].lines if line.get_marker() == "D"]
    assert means == pytest.approx([np.mean([71.0, 72.5, 70.2]), 70.0])
    share = [line.get_xdata()[0] for line in plots.retention(frame, order).axes[1].lines if line.get_marker() == "D"]
    assert share == pytest.approx([mean / 0.8 for mean in means])


def test_the_forest_shows_what_is_significant() -> None:
    scores = {"Direct": [70.0, 71.0, 69.0], "AT": [75.0, 76.1, 74.2], "TAKD": [70.5, 70.6, 69.0]}
    table = stats.comparisons(make_frame(scores))
    figure = plots.differences(table, ["AT", "TAKD"])
    points = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert [line.get_xdata()[0] for line in points] == pytest.approx(list(table["difference"]))
    assert [line.get_markerfacecolor() == "none" for line in points] == [False, True]


def test_the_front_of_accuracy_and_cost() -> None:
    rows = {"a": (10, 70.0), "b": (20, 69.0), "c": (30, 72.0), "d": (30, 71.0), "e": (40, 72.0)}
    part = pd.DataFrame([{"baseline": k, "total_seconds": s, "mean_pct": a} for k, (s, a) in rows.items()])
    assert list(pareto_front(part)["baseline"]) == ["a", "c"]


def test_bars_add_up_to_the_time_of_the_sweep() -> None:
    frame = two_data_sets()
    figure = plots.times(costs(frame), ["Direct", "AT"])
    ends = [max(bar.get_x() + bar.get_width() for bar in axes.patches) for axes in figure.axes]
    assert ends == [70.0, 70.0]


def test_lineage_points_from_parents_to_children(tmp_path: Path, cache_dir: Path) -> None:
    make_output(tmp_path, cache_dir, accuracy, **CHOOSE)
    graph = nodes(gather(tmp_path).frame, "Digits", ["HPM-KD", "Direct", "TraditionalKD"])
    assert graph["student Direct"].parents == set()
    assert graph["student TraditionalKD"].parents == {"teacher_Digits"}
    mentors = {"teacher_Digits", "teacher_Digits_2", "assistant_Digits_HPM-KD_1", "choice_Digits"}
    assert graph["student HPM-KD"].parents == mentors
    for node in graph.values():
        assert all(graph[parent].column < node.column for parent in node.parents)
    assert next(name for name in graph if name.startswith("student")) == "student HPM-KD"


def test_lineage_is_legible_where_there_are_tables() -> None:
    """Boxes of a plan with every baseline, and a table of each teacher's logits, do not lie upon each other."""
    rows = [
        {
            "file": job.file_name,
            "role": job.role,
            "dataset": job.data.name,
            "baseline": job.baseline,
            "planned": True,
            "parents": " ".join(parent.key for parent in job.teachers),
        }
        for job in make_jobs(make_config(runs=3, kd__logits="auto")).values()
    ]
    assert "table" in {row["role"] for row in rows}
    figure = plots.lineage(pd.DataFrame(rows), list(METHODS))
    FigureCanvasAgg(figure).draw()
    boxes = [text.get_bbox_patch().get_window_extent() for axes in figure.axes for text in axes.texts]
    assert len(boxes) > len(METHODS)
    for first, second in itertools.combinations(boxes, 2):
        assert not first.overlaps(second)


@pytest.mark.parametrize("count", [1, 12])
def test_svg_takes_the_colour_of_the_page(count: int) -> None:
    scores = {f"Baseline-{number}": [70.0 + number, 71.0] for number in range(count)}
    frame = make_frame(scores)
    for figure in (plots.accuracy(frame, list(scores)), plots.pareto(stats.summary(frame), list(scores))):
        text = inline(figure, "one", "a figure")
        root = ElementTree.fromstring(text)
        assert (root.get("role"), root.get("width")) == ("img", None)
        assert "currentColor" in text
        assert "#1b2631" not in text
        assert render(figure, "png").startswith(b"\x89PNG")


def test_missing_numbers_are_dashes_and_rows_follow_the_config() -> None:
    frame = pd.DataFrame({"dataset": ["D", "D"], "baseline": ["AT", "Direct"], "value": [float("nan"), -0.001]})
    table = Table("t", "T", ordered(frame, ["Direct", "AT"]), {"baseline": ("b", str), "value": ("v", digits(1))})
    assert table.cells == [["Direct", "-0.0"], ["AT", "\N{EN DASH}"]]


def test_nothing_at_all(tmp_path: Path) -> None:
    Output(tmp_path).models.mkdir()
    page = write_report(tmp_path).read_text()
    assert "Nothing can be compared yet" in page
