"""`hpmkd mirror`, in both directions, and what it refuses."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.s3 import S3Server
from support.sweeps import flip

from hpmkd.cli.main import main
from hpmkd.config.mirror import CLAIM
from hpmkd.mirror.session import Mirror
from hpmkd.store.lock import locked
from hpmkd.store.output_dir import OutputDir

TEACHER = "models/teacher_Digits.pt"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hpmkd.mirror.claim._SETTLE_SECONDS", 0.05)


def files(root: Path) -> dict[str, bytes]:
    """What is to be copied of an output, or was copied to a folder."""
    found = (path for path in root.rglob("*") if path.is_file() and not path.name.startswith("."))
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in found if path.name != CLAIM}


def test_a_damaged_copy_is_found_and_replaced(out: Path, s3: S3Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mirror", str(out), s3.uri(), "--check"]) == 0
    s3.client.put_object(Bucket="sweeps", Key=f"run7/{TEACHER}", Body=b"x" * (out / TEACHER).stat().st_size)
    capsys.readouterr()
    assert main(["mirror", str(out), s3.uri()]) == 0
    assert "0 files copied" in capsys.readouterr().out, "it has the size that it should have"
    assert main(["mirror", str(out), s3.uri(), "--check"]) == 1
    assert TEACHER in capsys.readouterr().err
    assert main(["mirror", str(out), s3.uri(), "--check"]) == 0
    assert s3.content(TEACHER) == (out / TEACHER).read_bytes()


def test_fetched_whole_by_the_command(out: Path, s3: S3Server, tmp_path: Path) -> None:
    assert main(["mirror", str(out), s3.uri()]) == 0
    assert main(["mirror", s3.uri(), str(tmp_path / "back"), "--check"]) == 0
    assert files(tmp_path / "back") == files(out)
    assert main(["verify", str(tmp_path / "back")]) == main(["verify", str(out)])


def test_no_sweep_on_either_side(s3: S3Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mirror", s3.uri("nothing"), str(tmp_path / "back")]) == 2
    assert "no sweep there" in capsys.readouterr().err
    assert main(["mirror", str(tmp_path / "none"), s3.uri()]) == 2
    assert main(["mirror", s3.uri(), s3.uri("b")]) == 2


@pytest.mark.parametrize("place", ["out", "out/copy", ".", "file"])
def test_a_mirror_in_the_output(out: Path, place: str, capsys: pytest.CaptureFixture[str]) -> None:
    uri = out.as_uri() if place == "file" else str(out.parent / place)
    before = files(out)
    assert main(["mirror", str(out), uri]) == 2
    said = capsys.readouterr().err
    assert "is the output itself" in said or "lie in each other" in said
    assert files(out) == before


def test_names_that_lead_out_of_the_output_are_left_alone(out: Path, s3: S3Server, tmp_path: Path) -> None:
    s3.client.put_object(Bucket="sweeps", Key="run7/progress/../../evil.txt", Body=b"x")
    mirror = Mirror(OutputDir(out), s3.uri())
    mirror.download.records()
    mirror.download.everything()
    mirror.close(0.0)
    assert not [path for path in tmp_path.rglob("*") if path.name == "evil.txt"]


def test_one_that_is_damaged_there(out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is not fetched, and said; all others are."""
    copy, back = tmp_path / "copy", tmp_path / "back"
    assert main(["mirror", str(out), str(copy)]) == 0
    flip(copy / TEACHER)
    assert main(["mirror", copy.as_uri(), str(back)]) == 1
    said = capsys.readouterr()
    assert "1 file damaged there, and not fetched: teacher_Digits.pt" in said.err
    assert files(back).keys() == files(out).keys() - {TEACHER}
    assert main(["mirror", str(out), str(copy), "--check"]) == 1
    assert main(["mirror", str(out), str(copy)]) == 0
    assert main(["mirror", copy.as_uri(), str(back)]) == 0
    assert files(back) == files(out)


def test_while_a_sweep_runs_there(out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It would copy half of what is being written, and the sweep may have a mirror of its own."""
    with locked(OutputDir(out)):
        assert main(["mirror", str(out), str(tmp_path / "copy")]) == 11
        assert "another sweep is running here" in capsys.readouterr().err
        assert not (tmp_path / "copy").exists()
        shutil.copytree(out, tmp_path / "copy")
        assert main(["mirror", (tmp_path / "copy").as_uri(), str(out)]) == 11


def test_a_mirror_is_no_output(out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Copied like one it would lose its own name; what the user wants is said."""
    assert main(["mirror", str(out), str(tmp_path / "copy")]) == 0
    before = (tmp_path / "copy" / CLAIM).read_bytes()
    assert main(["mirror", str(tmp_path / "copy"), str(tmp_path / "back")]) == 2
    assert f"hpmkd mirror {(tmp_path / 'copy').as_uri()} DIR" in capsys.readouterr().err
    assert not (tmp_path / "back").exists()
    assert (tmp_path / "copy" / CLAIM).read_bytes() == before


def test_models_without_a_plan(out: Path, tmp_path: Path) -> None:
    """A copy of them could not be continued."""
    (out / "sweep.yaml").unlink()
    assert main(["mirror", str(out), str(tmp_path / "copy")]) == 2
    assert not (tmp_path / "copy").exists()


def test_a_mirror_that_was_emptied_and_used_by_another_sweep(out: Path, tmp_path: Path) -> None:
    """Files of the same sizes are no reason to believe that they are this sweep's."""
    copy = tmp_path / "copy"
    (out / "results.csv").write_text("of this sweep")
    assert main(["mirror", str(out), str(copy)]) == 0
    wanted = files(copy)
    shutil.rmtree(copy)
    other = shutil.copytree(out, tmp_path / "other", ignore=shutil.ignore_patterns(".*"))
    (other / "results.csv").write_bytes(b"x" * (out / "results.csv").stat().st_size)
    assert main(["mirror", str(other), str(copy)]) == 0
    assert files(copy) != wanted
    assert main(["mirror", str(out), str(copy), "--check"]) == 0
    assert files(copy) == wanted
