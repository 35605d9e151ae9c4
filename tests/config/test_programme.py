"""Programmes as people write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpmkd.config.modes import shipped
from hpmkd.config.programme import FILE, is_programme, modes_in, read_programme
from hpmkd.errors import UsageError


def written(folder: Path, text: str) -> Path:
    path = folder / FILE
    path.write_text(text)
    return path


def test_a_programme_is_read_and_written(tmp_path: Path) -> None:
    text = "programme: [quick, modes/own.yaml]\ntitle: Two\nsettings: {fit: {lr: 0.1}, runs: 3}\n"
    found = read_programme(written(tmp_path, text))
    assert found.names == ["quick", "own"]
    assert found.settings == {"fit.lr": 0.1, "runs": 3}
    written(tmp_path, found.yaml())
    assert read_programme(tmp_path / FILE) == found
    assert modes_in(tmp_path) == ["quick", "own"]
    assert modes_in(tmp_path / "nothing") == []


def test_the_config_of_a_sweep_is_none(tmp_path: Path) -> None:
    path = tmp_path / "sweep.yaml"
    path.write_text("datasets: [Digits]\nbaselines: [Direct]\n")
    assert not is_programme(path)
    assert is_programme(written(tmp_path, "programme: [quick]\n"))


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("programme: []\n", "programme`(.|\n)*at least 1"),
        ("programme: [quick, quick]\n", "each name once(.|\n)*'quick' is named twice"),
        ("programme: [a.yaml, sub/A.yaml]\n", "each name once"),
        ("programme: [a b]\n", "names of modes(.|\n)*'a b'"),
        ("programme: [../x]\n", "names of modes"),
        ("programme: quick\n", "programme`"),
        ("programme: [quick]\nmode: full\n", "mode`"),
        ("programme: [quick]\nsettings: {runz: 3}\n", "there is no runz"),
        ("programme: [quick]\nsettings: {baselines: [Direct]}\n", "each mode of a programme has its own"),
        ("programme: [quick]\nsettings: 3\n", "settings`"),
        ("- quick\n", "a mapping"),
    ],
)
def test_what_is_none_is_told(tmp_path: Path, text: str, match: str) -> None:
    with pytest.raises(UsageError, match=match):
        read_programme(written(tmp_path, text))


def test_shipped_programmes_list_modes_that_are_there() -> None:
    """Each once, none of them a programme; `paper_cpu` has the twins of `paper`."""
    modes = shipped()
    found = {name: read_programme(path).names for name, path in modes.items() if is_programme(path)}
    assert {"paper", "paper_cpu"} <= found.keys()
    for names in found.values():
        assert all(not is_programme(modes[name]) for name in names)
    assert found["paper_cpu"] == [f"{name}_cpu" for name in found["paper"]]
