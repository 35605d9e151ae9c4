"""Which file a mode means: one that comes with hpmkd, one of the user's own, or a path."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.sweeps import ROOT

from hpmkd.cli.main import main
from hpmkd.config.modes import config_file, own, shipped
from hpmkd.errors import UsageError

TEXT = "datasets: [Digits]\nbaselines: [Direct]\n"


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder that is no clone."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def put(folder: Path, name: str) -> Path:
    path = folder / "tune_configs" / f"{name}.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(TEXT)
    return path


def test_the_modes_of_a_clone_are_found_from_everywhere(elsewhere: Path) -> None:
    assert {path.name for path in shipped().values()} == {path.name for path in (ROOT / "tune_configs").glob("*.yaml")}
    assert own() == {}
    assert config_file("quick") == ROOT / "tune_configs" / "quick.yaml"


def test_a_folder_beside_the_user_adds_modes(elsewhere: Path, caplog: pytest.LogCaptureFixture) -> None:
    mine = put(elsewhere, "mine")
    assert config_file("mine").samefile(mine)
    assert "quick" in shipped()
    assert config_file("full").parent == ROOT / "tune_configs"
    assert caplog.text == ""


def test_ones_own_comes_first_and_says_so(elsewhere: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert config_file("quick").parent == ROOT / "tune_configs"
    mine = put(elsewhere, "quick")
    assert config_file("quick").samefile(mine)
    assert "not the mode of this name that comes with hpmkd" in caplog.text


def test_in_a_clone_nothing_is_said(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.chdir(ROOT)
    assert config_file("quick").samefile(ROOT / "tune_configs" / "quick.yaml")
    assert caplog.text == ""


def test_a_path_and_what_is_neither(elsewhere: Path) -> None:
    put(elsewhere, "mine")
    (elsewhere / "other.yaml").write_text(TEXT)
    assert config_file("other.yaml") == Path("other.yaml")
    with pytest.raises(UsageError, match=r"quick, .*strong.*mine, or a path") as caught:
        config_file("fast")
    assert str(elsewhere / "tune_configs") in str(caught.value)


def test_a_mode_of_ones_own_names_the_output(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(elsewhere, "mine")
    assert main(["run", "--mode", "mine", "-n"]) == 0
    assert f"models in {elsewhere / 'results' / 'mine'}" in capsys.readouterr().out
