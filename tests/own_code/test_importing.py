"""Modules of users: imported from their folder or its copy, and forgotten afterwards."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hpmkd.config.own import Locator
from hpmkd.own_code.copies import alone, copied
from hpmkd.own_code.fault import place
from hpmkd.own_code.importing import find, importing, is_users

MAIN = "import helper\nVALUE = helper.NUMBER\n"


def _write(folder: Path, number: int) -> Path:
    folder.mkdir()
    (folder / "main.py").write_text(MAIN)
    (folder / "helper.py").write_text(f"NUMBER = {number}\n")
    return folder


def _value(folder: Path) -> tuple[int, list[str]]:
    locator = Locator(str(folder / "main.py"), "VALUE")
    with importing(locator, str(folder)) as files:
        found = find(locator, str(folder))
    return found, sorted(file.name for file in files)


def test_helpers_of_one_name_are_told_apart(tmp_path: Path) -> None:
    one, other = _write(tmp_path / "one", 1), _write(tmp_path / "other", 2)
    assert _value(one) == (1, ["helper.py", "main.py"])
    assert _value(other) == (2, ["helper.py", "main.py"])
    assert _value(one)[0] == 1
    assert not {"helper", "hpmkd_own_main"} & sys.modules.keys()
    assert not {str(one), str(other)} & set(sys.path)


def test_a_module_that_fails_is_forgotten(tmp_path: Path) -> None:
    folder = _write(tmp_path / "one", 1)
    (folder / "helper.py").write_text("raise ValueError('no number')\n")
    with pytest.raises(ValueError, match="no number") as caught:
        _value(folder)
    assert place(caught.value) == " (helper.py, line 1)"
    assert not {"helper", "hpmkd_own_main"} & sys.modules.keys()


def test_the_copy_stands_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was not copied is missing, although its folder is on the search path."""
    folder, copy = _write(tmp_path / "one", 1), tmp_path / "copy"
    monkeypatch.syspath_prepend(str(folder))
    copied([folder / "main.py"], folder, copy)
    with alone(folder), pytest.raises(ModuleNotFoundError):
        _value(copy)
    assert str(folder) in sys.path


def test_the_hash_is_of_names_and_bytes(tmp_path: Path) -> None:
    folder = _write(tmp_path / "one", 1)
    files = sorted(folder.glob("*.py"))
    first = copied(files, folder, tmp_path / "a")
    assert copied(files, folder, tmp_path / "b") == first
    assert (tmp_path / "a" / "helper.py").read_text() == "NUMBER = 1\n"
    (folder / "helper.py").write_text("NUMBER = 1 \n")
    assert copied(files, folder, tmp_path / "c") != first
    assert copied(files[:1], folder, tmp_path / "d") != first


@pytest.mark.parametrize(
    ("file", "expected"),
    [("main.py", True), ("lib/helper.py", True), ("lib/site-packages/x.py", False), ("main.so", False)],
)
def test_whose_file_it_is(tmp_path: Path, file: str, expected: bool) -> None:
    assert is_users(tmp_path / file, tmp_path) is expected
    assert not is_users(tmp_path.parent / "x.py", tmp_path)
    assert not is_users(Path(sys.modules["hpmkd"].__file__ or ""), Path(sys.modules["hpmkd"].__file__ or "").parents[1])
