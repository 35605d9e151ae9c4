"""What a sweep computes of its models after the last one is trained."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.sweeps import tiny

import hpmkd
from hpmkd.sweep import measuring


@pytest.mark.usefixtures("small_ray")
def test_models_are_asked_about_wrong_labels_at_the_end(
    tmp_path: Path, cache_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = tiny(cache_dir) | {"datasets": ["Digits@sym0.4"], "resources.max_concurrent": 1}
    assert hpmkd.run_sweep("quick", tmp_path / "out", settings=settings) == 0
    assert "asking 2 models about wrong labels" in capsys.readouterr().out
    frame = hpmkd.load_results(tmp_path / "out")
    assert frame["memorised_pct"].between(0, 100).sum() == 2
    monkeypatch.setattr(measuring, "_memorise", lambda *_: pytest.fail("they were asked already"))
    assert hpmkd.run_sweep("quick", tmp_path / "out", settings=settings) == 0
    monkeypatch.setattr(measuring, "headers", lambda *_: pytest.fail("nothing of it is wanted"))
    settings |= {"record.predictions": False}
    assert hpmkd.run_sweep("quick", tmp_path / "out", settings=settings) == 0
