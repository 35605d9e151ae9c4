"""Class folders and images whose names begin with a dot: not read, and not without a word."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.datasets import image_folder, read
from support.pictures import picture

from hpmkd.cli.main import main


def test_a_class_folder(tmp_path: Path) -> None:
    image_folder(tmp_path)
    for part in ("train", "test"):
        (tmp_path / part / "dog").rename(tmp_path / part / ".net")
    raw = read(tmp_path)
    (note,) = raw.facts["notes"]
    assert note.startswith("warning: not used: 5 images in test/.net, train/.net: folders whose names begin with a dot")
    assert raw.facts["ignored"]["hidden"]["count"] == 5


def test_an_image(tmp_path: Path) -> None:
    image_folder(tmp_path)
    (tmp_path / "train" / "cat" / ".1.png").write_bytes(picture(80))
    (note,) = read(tmp_path).facts["notes"]
    assert "1 image such as train/cat/.1.png: files whose names begin with a dot are hidden" in note


@pytest.mark.parametrize(
    "name",
    [
        *("train/.ipynb_checkpoints/0.png", "train/cat/.thumbnails/0.png", "train/cat/._0.png", "train/.DS_Store"),
        *(
            "train/._cat/0.png",
            ".git/0.png",
            "__MACOSX/train/cat/._0.png",
            "train/.Trash-1000/cat/0.png",
            "train/.net/x",
        ),
    ],
)
def test_what_programs_leave_is_expected(tmp_path: Path, name: str) -> None:
    image_folder(tmp_path)
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_bytes(picture(80))
    raw = read(tmp_path)
    assert raw.facts["notes"] == []
    assert raw.facts["ignored"]["hidden"]["count"] == 1


def test_said_by_the_census_and_by_the_sweep(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = image_folder(tmp_path / "own")
    for part in ("train", "test"):
        (own / part / "dog").rename(own / part / ".net")
    words = ["--data.cache_dir", str(tmp_path / "cache"), "--data.image_size", "16"]
    assert main(["data", f"x={own}", *words]) == 0
    assert "5 images in test/.net, train/.net" in capsys.readouterr().out
    assert main(["run", "--datasets", f"x={own}", *words, "-o", str(tmp_path / "out"), "-n"]) == 0
    assert "5 images in test/.net, train/.net" in capsys.readouterr().err


def test_folders_that_are_read_over_links_are_none(tmp_path: Path) -> None:
    """A store in a hidden folder, class folders that lead there."""
    image_folder(tmp_path)
    for part in ("train", "test"):
        (tmp_path / part / "dog").rename(tmp_path / part / ".dog")
        (tmp_path / part / "dog").symlink_to(".dog")
    raw = read(tmp_path)
    assert len(raw.train) == 9
    assert raw.facts["notes"] == []
    assert raw.facts["ignored"] == {}
