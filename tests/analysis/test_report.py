"""Report and figures: what stands in them, of finished and unfinished sweeps."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure
from support.frames import epoch, make_output
from support.sweeps import ROOT, flip

from hpmkd.analysis.plots.style import FORMATS, render
from hpmkd.analysis.report import write_report
from hpmkd.analysis.report.content import Report, gather
from hpmkd.analysis.report.tables import ordered
from hpmkd.analysis.report.write import html
from hpmkd.analysis.section import Table, digits
from hpmkd.audit import terminal
from hpmkd.audit.results import load_results
from hpmkd.cli.main import main
from hpmkd.plan.job import Job
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.progress_log import Recorder

CHOOSE = {"baselines": ["Direct", "TraditionalKD", "HPM-KD"], "runs": 3}
NAMES = {"accuracy", "retention", "differences", "curves", "pareto", "times", "lineage", "costs", "costs-seconds"}


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
    names = {"accuracy", "differences", "practical", "times", "models", "costs", "costs-seconds", "costs-prices"}
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
        accuracies = page[page.index('id="table-accuracy"') :]
        row = next(line for line in accuracies.splitlines() if f'<td>{name}</td><td class="n">3</td>' in line)
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
        assert re.search(r"TraditionalKD.*Direct.*\+1\.00.*the same change in each run: no spread, no test", text)
        assert "cannot give a p below 0.25" in text
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
    left = len(jobs) - len(list(output.models.glob("*.pt")) + list(output.models.glob("search_*.json")))
    assert f"{left} of {len(jobs)} models are missing" in page
    assert f"hpmkd run --restore {tmp_path}" in page
    assert "failed, RuntimeError: &lt;boom&gt;" in page
    assert "no records of a finished student" in page
    for text in (page, (tmp_path / "report.md").read_text()):
        assert ("no two baselines with a run in common yet" in text) == (stop == "teacher_Digits")


def test_a_damaged_model_is_no_finished_one(tmp_path: Path, cache_dir: Path) -> None:
    """Sizes, which `status` looks at, do not tell it; what the report is made of does."""
    output, _, jobs = make_output(tmp_path, cache_dir, accuracy, **CHOOSE)
    flip(output.models / "teacher_Digits.pt")
    page = write_report(tmp_path).read_text()
    assert f"1 of {len(jobs)} models is missing: 1 damaged" in page
    assert "teacher_Digits: damaged, " in page
    assert f"hpmkd run --restore {tmp_path}" in page
    report = gather(tmp_path)
    table = report.table("accuracy")
    assert table is not None
    taught = table.frame.set_index("baseline").loc["TraditionalKD"]
    assert math.isnan(taught["total_seconds"])
    assert not math.isnan(table.frame.set_index("baseline").loc["Direct", "total_seconds"])


def test_before_the_plan_and_without_one(tmp_path: Path, cache_dir: Path) -> None:
    output, _, _ = make_output(tmp_path, cache_dir, accuracy, **CHOOSE)
    output.datasets_file.unlink()
    assert "has not planned" in html(gather(tmp_path))
    output.config_file.unlink()
    assert any("HPM-KD is better than Direct" in line for line in gather(tmp_path).conclusions)
    assert main(["report", str(tmp_path / "nowhere")]) == 2


def test_no_section_is_empty_before_the_first_model(tmp_path: Path, cache_dir: Path) -> None:
    make_output(tmp_path, cache_dir, lambda job: None, **CHOOSE)
    page = write_report(tmp_path).read_text()
    for part in ("accuracy", "cost", "lineage"):
        section = page.partition(f'<section id="{part}">')[2].partition("</section>")[0]
        assert "No model of the plan is finished yet." in section
    sections = (tmp_path / "report.md").read_text().split("\n## ")
    assert [one for one in sections if len(one.strip().splitlines()) == 1] == []
    assert sum("No model of the plan is finished yet." in one for one in sections) == 4


@pytest.mark.slow
def test_data_sets_come_in_the_order_of_the_command(tmp_path: Path, cache_dir: Path) -> None:
    names = ["MNIST", "Digits", "CIFAR10"]
    output, _, jobs = make_output(tmp_path, cache_dir, accuracy, datasets=names, **CHOOSE)
    page = write_report(tmp_path).read_text()
    assert "<dt>data sets</dt><dd>MNIST, Digits, CIFAR10</dd>" in page
    for name in ("accuracy", "times"):
        frame = pd.read_csv(tmp_path / "tables" / f"{name}.csv")
        assert list(dict.fromkeys(frame["dataset"])) == names
    output.model_file(jobs["teacher_MNIST"]).unlink()
    assert list(load_results(tmp_path)["dataset"].unique()) == names
    shown = terminal.tables(load_results(tmp_path), ["Direct"])
    assert [one.title for one in shown] == names


def test_conditions_come_in_the_order_of_the_command_in_all_that_is_shown(tmp_path: Path, cache_dir: Path) -> None:
    """Files of `Digits@n30` come before those of `Digits`."""
    order = ["Digits", "Digits@n30"]
    output, _, jobs = make_output(tmp_path, cache_dir, accuracy, datasets=order, **CHOOSE)
    recorder = Recorder(output, {key: job.fingerprint for key, job in jobs.items()})
    for key in sorted(key for key, job in jobs.items() if job.role == "student"):
        recorder.started(key)
        recorder.record(epoch(1, 1, job=key))
    report = gather(tmp_path)
    placed = [table.frame for table in report.all_tables if "place" in table.frame]
    assert len(placed) >= 4
    for frame in (*placed, report.curves):
        assert list(dict.fromkeys(frame["place"])) == order
    models = report.table("models")
    assert models is not None
    assert [one.get_title(loc="left") for one in drawing_of(report, "accuracy").axes] == order
    assert list(dict.fromkeys(models.frame["condition"].isna())) == [True, False]


def drawing_of(report: Report, name: str) -> Figure:
    found = report.drawing(name)
    assert found is not None
    return found.figure


def test_an_interval_is_spoken_of_where_there_is_one(tmp_path: Path, cache_dir: Path) -> None:
    for runs, said in ((1, "of so few runs there is no interval"), (3, "any value in an interval fits these runs")):
        root = tmp_path / str(runs)
        make_output(root, cache_dir, lambda job: 90.0 + (job.seed + len(job.key)) % 3, **CHOOSE | {"runs": runs})
        left = gather(root).not_shown
        assert left is not None
        assert said in left.note


def test_missing_numbers_are_dashes_and_rows_follow_the_config() -> None:
    frame = pd.DataFrame({"place": ["D", "D"], "baseline": ["AT", "Direct"], "value": [float("nan"), -0.001]})
    table = Table("t", "T", ordered(frame, ["Direct", "AT"]), {"baseline": ("b", str), "value": ("v", digits(1))})
    assert table.cells == [["Direct", "-0.0"], ["AT", "-"]]


def test_nothing_at_all(tmp_path: Path) -> None:
    OutputDir(tmp_path).models.mkdir()
    page = write_report(tmp_path).read_text()
    assert "Nothing can be compared yet" in page


@pytest.mark.slow
def test_a_report_does_not_depend_on_the_order_of_sets(finished: Path, tmp_path: Path) -> None:
    """Python shuffles sets of text anew in each process; figures, tables and results are the same to the byte."""
    found = []
    for seed in ("1", "2"):
        root = tmp_path / "sweep"
        shutil.copytree(finished, root)
        words = [sys.executable, "-m", "hpmkd", "report", str(root)]
        subprocess.run(words, check=True, env={**os.environ, "PYTHONHASHSEED": seed}, cwd=ROOT, capture_output=True)
        written = [*root.glob("figures/*"), *root.glob("tables/*"), *root.glob("results.*")]
        assert len(written) > 25
        found.append({path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in written})
        shutil.rmtree(root)
    assert {name for name in found[0] if found[0][name] != found[1][name]} == set()


def test_a_terminal_is_told_what_a_report_is_at(
    finished: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And nobody else: neither a file, nor who asks for quiet."""
    assert main(["report", str(finished)]) == 0
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert main(["report", str(finished), "-q"]) == 0
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert main(["report", str(finished)]) == 0
    said = capsys.readouterr()
    assert said.err.splitlines()[0] == f"reporting on {finished}: reading its models"
    assert len(said.err.splitlines()) == 3
    assert said.out == f"{finished / 'report.html'}\n"
