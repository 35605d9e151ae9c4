"""The sweep from Python, as a notebook calls it."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Any

import pytest
from support import varied
from support.frames import make_output
from support.sweeps import stamps, tiny

import hpmkd
from hpmkd.audit import results
from hpmkd.audit.sweep_dir import Saved
from hpmkd.errors import ConfigMismatch, Locked, UsageError
from hpmkd.log import console_lines
from hpmkd.plan.job import Job
from hpmkd.store.lock import locked
from hpmkd.store.output_dir import OutputDir
from hpmkd.sweep import execution


@pytest.mark.slow
@pytest.mark.usefixtures("small_ray")
def test_a_sweep_where_an_event_loop_runs(tmp_path: Path, cache_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Like a cell of a notebook; what it changed of the process is as before afterwards."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}

    async def cell() -> int:
        return hpmkd.run_sweep("quick", tmp_path / "out", settings=tiny(cache_dir))

    assert asyncio.run(cell()) == 0
    assert {number: signal.getsignal(number) for number in handlers} == handlers
    assert set(hpmkd.load_results(tmp_path / "out")["file"]) == set(stamps(tmp_path / "out"))
    lines = capsys.readouterr().out.splitlines()
    assert sum("saved " in line for line in lines) == 2
    assert len(lines) < 20, "no notebook is flooded"
    assert lines[-1] == f"a page with figures and statistics: hpmkd report {tmp_path / 'out'}"
    before = stamps(tmp_path / "out")
    assert hpmkd.run_sweep(output=tmp_path / "out", settings=tiny(cache_dir), quiet=True) == 0
    assert stamps(tmp_path / "out") == before
    with pytest.raises(ConfigMismatch, match=r"fit.lr"):
        hpmkd.run_sweep(output=tmp_path / "out", settings=tiny(cache_dir) | {"fit.lr": 0.5})


def test_the_stop_button(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A notebook's interrupt is a SIGINT with a handler of its own, which is there again afterwards."""

    def notebooks_own(number: int, frame: Any) -> None:
        raise AssertionError("the sweep had taken it over")

    before = signal.signal(signal.SIGINT, notebooks_own)
    try:
        monkeypatch.setattr(execution, "_sweep", lambda *given, **named: signal.raise_signal(signal.SIGINT))
        assert hpmkd.run_sweep(output=tmp_path) == 130
        assert signal.getsignal(signal.SIGINT) is notebooks_own
    finally:
        signal.signal(signal.SIGINT, before)
    assert "stopped by SIGINT" in capsys.readouterr().err


def test_errors_are_raised(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no config named 'nope'"):
        hpmkd.run_sweep("nope", tmp_path)
    with pytest.raises(UsageError, match=r"fit.learning_rate"):
        hpmkd.run_sweep(output=tmp_path, settings={"fit.learning_rate": 1})
    with pytest.raises(UsageError, match="runs"):
        hpmkd.run_sweep(output=tmp_path, settings={"runs": "many"})
    with locked(OutputDir(tmp_path)), pytest.raises(Locked):
        hpmkd.run_sweep(output=tmp_path)


def test_a_teacher_at_chance_is_said_after_a_sweep(
    tmp_path: Path, cache_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def accuracy(job: Job) -> float:
        return 10.0 if job.role == "teacher" else 50.0

    output, config, jobs = make_output(tmp_path / "out", cache_dir, accuracy, baselines=["Direct", "AT"], runs=1)
    execution._report(Saved(output, config, tuple(jobs.values())), {}, order=["Direct", "AT"], quiet=False)
    assert "The teacher of Digits is at or near chance (10.00 % of 10 classes)" in caplog.text


def test_after_a_sweep_only_chosen_cells_of_a_grid_are_compared_on_test_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As in the report: the cell that is best on test images alone is listed by its validation images."""

    def score(job: Job) -> tuple[float, float]:
        own = {"TraditionalKD-T8": (97.53, 61.0), "TraditionalKD-T2": (83.0, 93.0)}
        return own.get(job.baseline or "", (82.0, 90.0))

    vary = [{"baselines": ["TraditionalKD"], "kd.temperature": [2, 4, 8]}]
    frame, saved = varied.sweep(score, tmp_path, baselines=["Direct"], vary=vary, runs=2)
    monkeypatch.setattr(results, "collect_saved", lambda *_: (frame, None))
    monkeypatch.setattr(results, "write", lambda *_: None)
    with console_lines(show_progress=True):
        execution._report(saved, {}, order=[*dict.fromkeys(frame["baseline"].dropna())], quiet=False)
    said = capsys.readouterr().out
    assert "83.00" in said, "the chosen cell"
    assert "97.53" not in said
    assert "61.00" in said
    assert "A cell of a grid is compared on validation images alone: whoever" in " ".join(said.split())
