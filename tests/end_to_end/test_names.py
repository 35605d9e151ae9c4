"""Folders whose names are bytes that are no text: they work, or are refused at once, and can always be printed."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.version import Version
from support.datasets import image_folder
from support.sweeps import PATIENCE, ROOT, SMALL, weights

from hpmkd.cli.main import main, run_command
from hpmkd.cluster.surroundings import need_temp
from hpmkd.log import log
from hpmkd.store import scratch

NAME = os.fsdecode(b"b\xffd")
TINY = ["--dataset", "x=data set", "--baselines", "Direct", *SMALL, "--train-images", "8", "--data.image_size", "32"]


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """A folder of such a name."""
    folder = tmp_path / NAME
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("this disk wants names to be text")
    return folder


class Terminal(io.TextIOWrapper):
    """Standard output with an encoding, strict as in most places."""

    def __init__(self, encoding: str) -> None:
        self.raw_bytes = io.BytesIO()
        super().__init__(self.raw_bytes, encoding=encoding)

    @property
    def text(self) -> str:
        self.flush()
        return self.raw_bytes.getvalue().decode(self.encoding)


def start(*more: str) -> int:
    return run_command([*more], "run_sweep.py")


@pytest.mark.parametrize("dry", [[], ["-n"]])
@pytest.mark.parametrize(
    ("flag", "code", "where"),
    [("--output", 2, "--output: "), ("--restore", 2, "--restore: "), ("", 3, "the working folder")],
)
def test_an_output_that_ray_cannot_name_is_refused_at_once(
    flag: str, code: int, where: str, dry: list[str], odd: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(odd)
    if flag == "--restore":
        (odd / "out").mkdir()
        (odd / "out" / "sweep.yaml").write_text("datasets: [Digits]\nbaselines: [Direct]\n")
    assert start(*([flag, str(odd / "out")] if flag else []), *dry) == code
    error = capsys.readouterr().err
    assert error.startswith(f"error: {where}")
    assert f"{odd.parent}/b\\xffd/" in error.partition("found: ")[2]
    assert f"mv $'{odd.parent}/b\\xffd' NEW-NAME" in error.partition("what to do: ")[2]
    assert "--output DIR" in error
    assert list(odd.rglob("*.pt*")) == []


def command(*more: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[bytes]:
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.run(
        [sys.executable, "-m", "hpmkd", *more],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": path, **env},
        capture_output=True,
        timeout=PATIENCE,
    )


@pytest.mark.skipif(
    Version(version("jsonargparse")) < Version("4.40"), reason="an older jsonargparse refuses such a word itself"
)
@pytest.mark.parametrize("flag", ["--data-dir", "--data.cache_dir"])
def test_a_word_that_ray_cannot_note_is_refused_at_once(flag: str, odd: Path, tmp_path: Path) -> None:
    done = command("run", "-o", str(tmp_path / "out"), flag, str(odd), cwd=tmp_path)
    assert done.returncode == 3
    assert done.stderr.startswith(b"error: Ray: words of this command are not UTF-8\n")
    assert rf"{tmp_path}/b\xffd".encode() in done.stderr
    assert b"what to do: rename" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_everything_but_the_output_may_have_such_a_name(odd: Path, tmp_path: Path) -> None:
    """Working folder, images, home, temp folder: a sweep trains, is restored from elsewhere, is printed in ASCII."""
    image_folder(odd / "data set")
    for name in ("home", "tmp"):
        (odd / name).mkdir()
    env = {"HOME": str(odd / "home"), "TMPDIR": str(odd / "tmp"), "PYTHONIOENCODING": "ascii"}
    env["XDG_CACHE_HOME"] = str(odd / "home" / "cache")
    done = command("run", "-o", str(tmp_path / "out"), "--data-dir", ".", *TINY, cwd=odd, **env)
    assert done.returncode == 0, done.stderr
    assert rb"b\xffd/tmp is not UTF-8" in done.stdout
    before = weights(tmp_path / "out")
    assert set(before) == {"teacher_x.pt", "student_x_Direct_run1.pt"}
    done = command("run", "--restore", str(tmp_path / "out"), cwd=tmp_path, **env)
    assert done.returncode == 0, done.stderr
    assert weights(tmp_path / "out") == before
    assert list((odd / "tmp").iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_whatever_only_reads_prints_them(encoding: str, out: Path, odd: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an output that was given such a name afterwards, and of images."""
    shutil.move(out, odd / "out")
    image_folder(odd / "data set")
    monkeypatch.setenv("HOME", str(odd))
    model = odd / "out" / "models" / "teacher_Digits.pt"
    commands = [["status"], ["status", "--json"], ["verify"], ["verify", "--json"], ["report"], ["report", "--json"]]
    words = [[*one, str(odd / "out")] for one in commands]
    words += [["status", str(odd)], ["show", str(model)], ["export", "--to", "torchscript", str(model)]]
    words += [["data", str(odd / "data set")]]
    for one in words:
        monkeypatch.setattr(sys, "stdout", terminal := Terminal(encoding))
        assert main(one) == 0, one
        assert terminal.text.strip()
        assert terminal.errors == "strict", "as it was"
        if one[0] in ("verify", "report", "export") and "--json" not in one:
            assert "b\\xffd/out" in terminal.text
    assert "teacher" in (odd / "out" / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("one", [["verify"], ["status"], ["report"], ["show"], ["data"], ["run", "--restore"]])
def test_errors_name_them(one: list[str], odd: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", terminal := Terminal("utf-8"))
    assert main([*one, str(odd / "nothing")]) == 2
    assert "b\\xffd/nothing" in terminal.text


def test_a_temp_folder_that_ray_cannot_name_is_replaced_and_that_is_said(
    odd: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("TMPDIR", str(odd))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(scratch, "SHORT_TEMP", tmp_path)
    with caplog.at_level("INFO", log.name):
        need_temp()
        need_temp()
    assert tempfile.gettempdir() == os.environ["TMPDIR"] == str(tmp_path)
    assert [record.message.partition(", because")[0] for record in caplog.records] == [
        f"temporary files are in {tmp_path}"
    ]
