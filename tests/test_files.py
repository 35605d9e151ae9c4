"""Under a name lies whole content, whatever happens while it is written."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from hpmkd import files
from hpmkd.errors import EnvironmentProblem
from hpmkd.files import cannot_write, commit_bytes, parse_json


def full(*args: Any, **kwargs: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


class FullFile:
    """A file on a disk that fills up in the middle of a write."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __enter__(self) -> FullFile:
        return self

    def __exit__(self, *error: Any) -> None:
        self.inner.close()

    def write(self, data: bytes) -> None:
        self.inner.write(bytes(data)[: len(data) // 2])
        full()


def test_writes_and_replaces(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    for content in (b"one", memoryview(b"two"), b""):
        files.commit_bytes(path, content)
        assert path.read_bytes() == bytes(content)
    assert [entry.name for entry in path.parent.iterdir()] == ["file"]


@pytest.mark.parametrize("fault", ["open", "write", "fsync", "replace"])
@pytest.mark.parametrize("there", [True, False])
def test_a_failed_write_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str, there: bool) -> None:
    path = tmp_path / "file"
    if there:
        path.write_bytes(b"old")
    real_open = Path.open
    if fault == "open":
        monkeypatch.setattr(Path, "open", full)
    elif fault == "write":
        monkeypatch.setattr(Path, "open", lambda self, *a, **k: FullFile(real_open(self, *a, **k)))
    else:
        monkeypatch.setattr(os, fault, full)
    with pytest.raises(EnvironmentProblem, match="ENOSPC") as caught:
        files.commit_bytes(path, b"new content")
    monkeypatch.undo()
    assert caught.value.exit_code == 3
    assert str(path) in str(caught.value)
    assert [entry.name for entry in tmp_path.iterdir()] == (["file"] if there else [])
    assert not there or path.read_bytes() == b"old"


def refusing(code: str) -> Any:
    def refuse(*args: Any) -> None:
        raise OSError(getattr(errno, code), code)

    return refuse


@pytest.mark.parametrize("code", ["EINVAL", "ENOSYS", "ENOTSUP"])
def test_a_file_system_without_fsync_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    monkeypatch.setattr(os, "fsync", refusing(code))
    for content in (b"content", b"more"):
        files.commit_bytes(tmp_path / "new" / "file", content)
        assert (tmp_path / "new" / "file").read_bytes() == content
    files.move(tmp_path / "new" / "file", tmp_path / "other" / "file")
    assert (tmp_path / "other" / "file").read_bytes() == b"more"


@pytest.mark.parametrize("code", ["EACCES", "EPERM", "EISDIR", "ENOSYS"])
def test_a_folder_that_cannot_be_opened_can_still_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    monkeypatch.setattr(os, "open", refusing(code))
    files.commit_bytes(tmp_path / "file", b"content")
    assert (tmp_path / "file").read_bytes() == b"content"


@pytest.mark.parametrize("code", ["EIO", "ENOSPC", "EDQUOT"])
def test_a_sync_that_fails_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """What fsync reports may be data that never reached the disk: that must not pass for written."""
    (tmp_path / "file").write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", refusing(code))
    with pytest.raises(EnvironmentProblem, match=code) as caught:
        files.commit_bytes(tmp_path / "file", b"new content")
    assert "11 bytes" in str(caught.value)
    assert (tmp_path / "file").read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("kind", ["file", "folder", "dangling link"])
def test_move(tmp_path: Path, kind: str) -> None:
    path, target = tmp_path / "a", tmp_path / "new" / "b"
    if kind == "file":
        path.write_bytes(b"x")
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("nowhere")
    files.move(path, target)
    assert not os.path.lexists(path)
    assert os.path.lexists(target)


def test_what_cannot_be_moved_stays_and_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(b"x")
    monkeypatch.setattr(os, "rename", refusing("EROFS"))
    with pytest.raises(EnvironmentProblem, match="EROFS"):
        files.move(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == b"x"


def test_killed_at_any_moment_the_old_or_the_new_content_is_there(tmp_path: Path) -> None:
    """A process that does nothing but replace a file is killed ten times."""
    path = tmp_path / "file"
    code = (
        "import sys, pathlib; from hpmkd.files import commit_bytes\n"
        "path, n = pathlib.Path(sys.argv[1]), 0\n"
        "while True:\n    n = (n + 1) % 250\n    commit_bytes(path, bytes([n]) * 300_000)\n"
    )
    for delay in range(10):
        path.unlink(missing_ok=True)
        with subprocess.Popen([sys.executable, "-c", code, str(path)]) as process:
            while not path.exists():
                time.sleep(0.005)
            time.sleep(delay / 300)
            process.send_signal(signal.SIGKILL)
        content = path.read_bytes()
        assert len(content) == 300_000
        assert len(set(content)) == 1
    files.remove_leftovers(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_leftovers_only(tmp_path: Path) -> None:
    for name in (f"{files.TEMP_PREFIX}a-1-2", "a", ".tmpa"):
        (tmp_path / name).write_bytes(b"")
    assert files.remove_leftovers(tmp_path) == 1
    assert {entry.name for entry in tmp_path.iterdir()} == {"a", ".tmpa"}
    assert files.remove_leftovers(tmp_path / "missing") == 0


def test_leftovers_that_cannot_go_stop_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / f"{files.TEMP_PREFIX}a").write_bytes(b"")
    (tmp_path / f"{files.TEMP_PREFIX}folder").mkdir()
    monkeypatch.setattr(Path, "unlink", refusing("EROFS"))
    assert files.remove_leftovers(tmp_path) == 0


def test_json(tmp_path: Path) -> None:
    files.commit_json(tmp_path / "f", {"a": [1, "ü"]})
    assert json.loads((tmp_path / "f").read_text()) == {"a": [1, "ü"]}


def test_sha256_of_a_known_text() -> None:
    assert files.sha256_of(b"abc").startswith("ba7816bf8f01cfea414140de5dae2223")


def test_json_that_is_nested_too_deeply_is_no_json() -> None:
    """As all else that is none: whoever reads a file of ours that others may have written expects ValueError."""
    with pytest.raises(ValueError, match="nested too deeply"):
        parse_json("[" * 100_000)
    assert parse_json(b'{"a": [1]}') == {"a": [1]}


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "free space on that disk"),
        (errno.EDQUOT, "quota"),
        (errno.EFBIG, "ulimit -f"),
        (errno.EMFILE, "ulimit -n"),
        (errno.EROFS, "writable"),
        (errno.EACCES, "permissions"),
        (errno.EIO, "connection"),
    ],
)
def test_advice_fits_what_kept_a_file_from_being_written(tmp_path: Path, number: int, words: str) -> None:
    assert words in (cannot_write(tmp_path / "x", OSError(number, "no"), "a disk").todo or "")


def test_what_lies_in_the_way_of_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "page.html").mkdir()
    (tmp_path / "figures").write_text("")
    for path, blocking, kind in (
        (tmp_path / "page.html", tmp_path / "page.html", "a folder of that name"),
        (tmp_path / "figures" / "one.png", tmp_path / "figures", "a file of that name"),
        (tmp_path / "figures" / "deep" / "one.png", tmp_path / "figures", "a file of that name"),
    ):
        with pytest.raises(EnvironmentProblem, match="cannot be written") as caught:
            commit_bytes(path, b"x")
        assert caught.value.found == kind
        assert caught.value.todo == f"move or remove {blocking}, then start the same command again"
