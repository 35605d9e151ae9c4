"""The cache of a user who has no home, or one that cannot be written."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from support.homes import set_home

from hpmkd.config import user_cache as module
from hpmkd.config.sweep import DataConfig, cache_folder
from hpmkd.errors import EnvironmentProblem


@pytest.fixture(autouse=True)
def temp(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A temp folder of this test's own, and nothing said yet."""
    folder = tmp_path / "temp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    module._stand_in.cache_clear()
    return folder


def stand_in(temp: Path) -> Path:
    return temp / f"hpmkd-cache-{os.getuid()}"


def test_a_usual_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, temp: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder(DataConfig()) == tmp_path / ".cache" / "hpmkd"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert cache_folder(DataConfig()) == tmp_path / "x" / "hpmkd"
    assert cache_folder(DataConfig(cache_dir=str(tmp_path / "own"))) == tmp_path / "own"
    assert list(temp.iterdir()) == []


@pytest.mark.parametrize("home", ["/dev/null", "/dev/null/none", None])
def test_without_one_a_private_folder_stands_in_and_is_named_once(
    home: str | None, monkeypatch: pytest.MonkeyPatch, temp: Path, caplog: pytest.LogCaptureFixture
) -> None:
    set_home(monkeypatch, home)
    with caplog.at_level("INFO", "hpmkd"):
        found = [cache_folder(DataConfig()) for _ in range(3)]
    assert set(found) == {stand_in(temp)}
    assert stand_in(temp).stat().st_mode & 0o777 == 0o700
    assert [str(stand_in(temp)) in record.message for record in caplog.records] == [True]


@pytest.mark.parametrize("kind", ["open", "link", "file", "somebody else's"])
def test_a_folder_that_others_may_have_prepared_is_not_used(
    kind: str, monkeypatch: pytest.MonkeyPatch, temp: Path, tmp_path: Path
) -> None:
    """It holds the key that Tune's pickles are trusted by."""
    monkeypatch.setenv("HOME", "/dev/null")
    place = stand_in(temp)
    if kind == "link":
        (tmp_path / "there").mkdir(mode=0o700)
        place.symlink_to(tmp_path / "there")
    elif kind == "file":
        place.write_text("")
    else:
        place.mkdir(mode=0o700)
        if kind == "open":
            place.chmod(0o777)
        else:
            uid = os.getuid()
            place.rename(place.with_name(f"hpmkd-cache-{uid + 1}"))
            monkeypatch.setattr(os, "getuid", lambda: uid + 1)
    with pytest.raises(EnvironmentProblem, match="cannot be written, nor can") as caught:
        cache_folder(DataConfig())
    assert "--data.cache_dir" in (caught.value.todo or "")


def test_a_home_for_what_needs_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/somewhere")
    module.need_home()
    assert os.environ["HOME"] == "/somewhere"
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    module.need_home()
    assert os.environ["HOME"] == "/"
