"""Sweeps whose runs have teachers of their own: retention, references, status and the words of the report."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.frames import make_output

from hpmkd.analysis import stats
from hpmkd.analysis.report.content import Report, gather
from hpmkd.audit import places
from hpmkd.audit.findings import headers
from hpmkd.audit.lineage import reference_teachers
from hpmkd.audit.results import load_results, summary
from hpmkd.audit.status import read_status
from hpmkd.audit.sweep_dir import open_saved
from hpmkd.audit.verification import verify_output
from hpmkd.plan.job import Job
from hpmkd.store.output_dir import OutputDir

CHOOSE = {"baselines": ["Direct", "TraditionalKD", "HPM-KD"], "runs": 3, "teacher__per_run": True, "hpmkd__teachers": 2}
TEACHERS = {1: 80.0, 2: 90.0, 3: 100.0}
STUDENTS = {"Direct": (72.0, 72.0, 72.0), "TraditionalKD": (72.0, 81.0, 90.0), "HPM-KD": (76.0, 81.0, 85.0)}


def accuracy(job: Job) -> float | None:
    """First teachers 80, 90, 100 by run, all else that is no student 50."""
    if job.role == "student":
        return STUDENTS[str(job.baseline)][(job.run or 0) - 1]
    return TEACHERS[job.run or 0] if job.role == "teacher" and job.number is None else 50.0


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory, cache_dir: Path) -> OutputDir:
    return make_output(tmp_path_factory.mktemp("own"), cache_dir, accuracy, **CHOOSE)[0]


@pytest.fixture(scope="module")
def report(sweep: OutputDir) -> Report:
    return gather(sweep.root)


def test_retention_is_that_of_each_student_against_the_teacher_of_its_run(sweep: OutputDir) -> None:
    frame = load_results(sweep.root)
    table = summary(frame).set_index("baseline")
    assert table["retention_pct"]["TraditionalKD"] == pytest.approx(90)  # of every run; the means give 90, too
    assert table["retention_pct"]["Direct"] == pytest.approx(100 * (72 / 80 + 72 / 90 + 72 / 100) / 3)
    assert table["retention_pct"]["HPM-KD"] == pytest.approx((95 + 90 + 85) / 3)
    assert set(table["teacher_pct"]) == {90.0}
    students = frame[frame["role"] == "student"]
    assert list(students["teacher"]) == [f"teacher_Digits_run{run}" for run in students["run"]]
    known = stats.scores(frame, least=1)
    assert known["HPM-KD"] == pytest.approx(np.array([[95, 90, 85]]))


def test_without_a_plan_names_say_it(sweep: OutputDir) -> None:
    frame = load_results(sweep.root).drop(columns="teacher")
    (names, part), *_ = places.groups(frame)
    assert dict(places.teachers_by_run(part, names["place"])) == TEACHERS
    assert places.teacher_pct(part, names["place"]) == 90.0


def test_a_run_whose_teacher_is_not_there_has_no_retention(sweep: OutputDir) -> None:
    frame = load_results(sweep.root)
    part = frame[frame["file"] != "teacher_Digits_run2.pt"]
    assert summary(part).set_index("baseline")["retention_pct"].drop("teacher").isna().all()


def test_networks_are_compared_with_the_teacher_of_their_run(sweep: OutputDir) -> None:
    found = reference_teachers(headers(sweep))
    for stem, teacher in found.items():
        assert teacher == f"teacher_Digits_run{stem[-1]}", stem
    assert {"student_Digits_Direct_run2", "student_Digits_HPM-KD_run3", "teacher_Digits_2_run1"} <= found.keys()
    assert "teacher_Digits_run1" not in found


def test_the_report_says_which_kind_its_intervals_are(report: Report, tmp_path: Path, cache_dir: Path) -> None:
    said = dict(report.facts)["teachers of the runs"]
    assert said == "each run has its own; intervals are about other teachers, too"
    table = report.table("differences")
    assert table is not None
    assert "Each run learns from teachers, assistants and a search of its own" in table.note
    shared = gather(make_output(tmp_path, cache_dir, lambda _: 50.0, baselines=["Direct", "AT"])[0].root)
    assert dict(shared.facts)["teachers of the runs"].startswith("all runs share them")
    table = shared.table("differences")
    assert table is not None
    assert "not about other teachers" in table.note
    notes = [one.note for one in report.all_tables]
    assert not any("not about other teachers" in note for note in notes)


def test_sections_of_experiments_say_it_too(tmp_path: Path, cache_dir: Path) -> None:
    grid = [{"baselines": ["TAKD"], "takd.steps": [1, 2]}]
    options = {"baselines": ["Direct", "TraditionalKD"], "vary": grid, "runs": 2, "teacher__per_run": True}
    output, _, jobs = make_output(tmp_path, cache_dir, lambda job: 70.0 + (job.run or 0) + (job.number or 0), **options)
    found = gather(output.root)
    chain = next(one for one in found.sections if one.name == "chain")
    assert any("other teachers, too" in one.note for one in (*chain.tables, *chain.folded))
    along = next(one for one in (*chain.tables, *chain.folded) if one.name == "chain-positions").frame
    two = along[along["length"] == 2].set_index("position")["accuracy_pct"]
    assert list(two.index) == [0, 1, 2, 3]
    assert two[1] == pytest.approx(72.5)  # assistants 1 of both runs: 72 and 73
    assert len([job for job in jobs.values() if job.role == "assistant"]) == 6


def test_status_and_verify_know_them(sweep: OutputDir) -> None:
    models = read_status(sweep.root).models
    runs = {one.key: one.run for one in models}
    assert (runs["teacher_Digits_run2"], runs["teacher_Digits_2_run3"], runs["search_Digits_run1"]) == (2, 3, 1)
    assert all(one.state == "done" for one in models)
    assert all(one.good for one in verify_output(sweep, open_saved(sweep.root).jobs))


def test_shares_of_the_gap_are_by_run() -> None:
    direct, student = np.array([70.0, 71.0, 72.5]), np.array([75.0, 76.5, 78.0])
    teachers = np.array([80.0, 82.0, 83.0])
    found = stats.share_of_gap(student, direct, teachers)
    assert found["gap"] == pytest.approx((teachers - direct).mean())
    assert found["share"] == pytest.approx((student - direct).mean() / (teachers - direct).mean())
    same = stats.share_of_gap(student, direct, np.full(3, 80.0))
    assert same == stats.share_of_gap(student, direct, 80.0)
    assert not np.isfinite(stats.share_of_gap(student, direct, np.array([80.0, np.nan, 80.0]))["share"])


def test_figures_of_retention_have_each_student_against_its_own(report: Report) -> None:
    drawing = report.drawing("retention")
    assert drawing is not None
    lines = drawing.figure.axes[0].get_lines()
    points = [tuple(line.get_xdata()) for line in lines if len(line.get_xdata()) == 3]
    assert any(values == pytest.approx((90.0, 90.0, 90.0)) for values in points)
