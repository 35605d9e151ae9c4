"""`hpmkd status` of a folder that holds several sweeps."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from support.frames import CHOOSE, make_output, put_model, teacher_only

from hpmkd.cli.main import main
from hpmkd.config.programme import FILE, Programme
from hpmkd.store.lock import locked
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.progress_log import Recorder


def test_a_folder_that_holds_sweeps_names_them(
    tmp_path: Path, cache_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_output(tmp_path / "quick", cache_dir, lambda job: 90.0, **CHOOSE)
    make_output(tmp_path / "night [1]", cache_dir, teacher_only, **CHOOSE)
    (tmp_path / "no sweep").mkdir()
    assert main(["status", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert f"{tmp_path}: 2 sweeps" in text
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in text.splitlines() if line.startswith("│")]
    assert rows == [["night [1]", "1/8", "", "7", "", "stopped"], ["quick", "8/8", "", "", "", "done"]]
    assert f"more about one of them: hpmkd status '{tmp_path}/night [1]'" in text
    assert main(["status", str(tmp_path), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert {name: one["counts"].get("done") for name, one in said["sweeps"].items()} == {"night [1]": 1, "quick": 8}
    for command in (["report"], ["verify"]):
        assert main([*command, str(tmp_path)]) == 2
        error = capsys.readouterr().err
        assert "2 sweeps in it: night [1], quick" in error
        assert f"name one of them, such as {tmp_path}/night [1]" in error


def test_a_sweep_among_others_that_cannot_be_read(
    tmp_path: Path, cache_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_output(tmp_path / "a", cache_dir, lambda job: 90.0, **CHOOSE)
    make_output(tmp_path / "b", cache_dir, teacher_only, **CHOOSE)
    (tmp_path / "a" / "sweep.yaml").write_text("runs: [")
    Recorder(OutputDir(tmp_path / "b")).failed("student_Digits_AT_run1", "boom")
    assert main(["status", str(tmp_path)]) == 1
    text = capsys.readouterr().out
    assert "unreadable" in text
    assert str(tmp_path / "a" / "sweep.yaml") in text
    (row,) = (line for line in text.splitlines() if line.startswith("│ b "))
    assert [cell.strip() for cell in row.split("│")[1:-1]] == ["b", "1/8", "", "6", "1", "stopped"]


def test_a_single_sweep_and_its_end(tmp_path: Path, cache_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One that runs is running, also where all models are there already."""
    output, _, _ = make_output(tmp_path / "quick", cache_dir, lambda job: 90.0, **CHOOSE)
    assert main(["status", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert f"{tmp_path}: 1 sweep\n" in text
    assert "│ done " in text
    with locked(output):
        assert main(["status", str(tmp_path)]) == 0
    assert "│ running " in capsys.readouterr().out


def test_watching_a_programme_lasts_from_one_of_its_sweeps_to_the_next(
    tmp_path: Path, cache_dir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also while none of them is running; a sweep that cannot be read is told once."""
    first, _, jobs = make_output(tmp_path / "chain", cache_dir, teacher_only, baselines=["Direct"])
    make_output(tmp_path / "costs", cache_dir, lambda job: 90.0, baselines=["Direct"])
    (tmp_path / FILE).write_text(Programme(programme=["chain", "costs"]).yaml())
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "sweep.yaml").write_text("runs: [")
    programme, sweep = locked(OutputDir(tmp_path)), locked(first)
    programme.__enter__()
    steps = iter(
        [
            lambda: None,
            lambda: sweep.__enter__(),
            lambda: put_model(first, jobs["student_Digits_Direct_run1"], 80.0, {}),
            lambda: sweep.__exit__(None, None, None),
            lambda: programme.__exit__(None, None, None),
        ]
    )
    monkeypatch.setattr(time, "sleep", lambda seconds: next(steps)())
    assert main(["status", str(tmp_path), "--watch", "--json"]) == 1
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    told = [(line["sweeps"]["chain"]["sweep"], line["sweeps"]["chain"]["counts"]["done"]) for line in lines]
    assert told == [("stopped", 1), ("running", 1), ("running", 2), ("stopped", 2)]
    assert all("sweep.yaml" in line["errors"]["other"] for line in lines)
    assert next(steps, None) is None
