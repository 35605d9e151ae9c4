"""What is printed of a data set before it is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.datasets import class_folders, image_folder, parquet_pair
from support.pictures import picture

from hpmkd.cli.main import main


def said(capsys: pytest.CaptureFixture[str], source: Path, *words: str, command: str = "data") -> str:
    """Standard error, without the error itself."""
    cache = ["--data.cache_dir", str(source.parent / "cache")]
    start = ["data", f"x={source}"] if command == "data" else ["run", "--datasets", f"x={source}", "-n"]
    assert main([*start, *cache, *words]) == 3
    found = capsys.readouterr()
    assert found.out == ""
    before, error, _ = found.err.partition("error: ")
    assert error
    return before.replace("decoding the images of x; later sweeps reuse them\n", "")


@pytest.mark.parametrize("command", ["data", "run"])
def test_where_images_cannot_be_read(tmp_path: Path, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    own = image_folder(tmp_path / "own")
    (own / "train" / "cat" / "x.png").write_bytes(b"<html>")
    (own / "train" / "cat" / ".DS_Store").write_bytes(b"x")
    words = ["-o", str(tmp_path / "out")] if command == "run" else ["--json"]
    assert said(capsys, own, *words, command=command) == (
        f"{own} (image folders): seen so far:\n"
        "  train: 10 images in 10 files of train: 3 classes: cat 4, dog 3, eel 3\n"
        "  test: 6 images in 6 files of test: 3 classes: cat 2, dog 2, eel 2\n"
        "  not used: 1 file hidden, such as train/cat/.DS_Store\n"
    )


def test_where_sizes_differ(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = image_folder(tmp_path / "own")
    (own / "train" / "cat" / "x.png").write_bytes(picture(1, size=12))
    assert "train: 10 images in 10 files of train" in said(capsys, own)


def test_where_labels_cannot_be_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = parquet_pair(tmp_path / "own", value=lambda label: [0.5, 1.0, 2.0][label])
    assert said(capsys, own) == (
        f"{own}: seen so far:\n"
        "  2 files (.parquet 2): test.parquet, train.parquet\n"
        "  train: 9 images with 3 labels: '0.5' 3, '1.0' 3, '2.0' 3\n"
        "  test: 6 images with 3 labels: '0.5' 2, '1.0' 2, '2.0' 2\n"
    )


def test_labels_of_any_kind_are_cut(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = [[number, number] for number in range(9)]
    np.savez(
        tmp_path / "own.npz", x_train=np.zeros((9, 8, 8), np.uint8), y_train=labels,
        x_test=np.zeros((9, 8, 8), np.uint8), y_test=labels,
    )  # fmt: skip
    lines = said(capsys, tmp_path / "own.npz").splitlines()
    assert lines[2].startswith("  train: 9 images with 9 labels: '[0, 0]' 1, ")
    assert lines[2].endswith(", and 3 more")


def test_where_there_is_no_data_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Folders and files by suffix; a folder around all others is left out."""
    own = tmp_path / "own"
    class_folders(own / "pets" / "images", [(picture(place), place % 3) for place in range(6)])
    (own / "pets" / "notes.txt").write_text("x")
    (own / "pets" / ".hidden").write_text("x")
    assert said(capsys, own) == (
        f"{own}: seen so far:\n"
        "  pets/images/: 6 files (.png 6) in 3 folders (cat, dog, eel)\n"
        "  1 file (.txt 1): notes.txt\n"
        "  not used: 1 file hidden, such as pets/.hidden\n"
    )
    (tmp_path / "empty").mkdir()
    assert said(capsys, tmp_path / "empty") == ""


def test_of_many_folders_the_rest_is_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class_folders(
        tmp_path / "own", [(picture(place), place) for place in range(20)], names=[f"c{n:02d}" for n in range(20)]
    )
    lines = said(capsys, tmp_path / "own").splitlines()
    assert lines[-1] == "  12 more folders: 12 files (.png 12)"
    assert len(lines) == 10


def test_what_cannot_be_opened_has_nothing_to_see(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "own.zip").write_bytes(b"x")
    assert said(capsys, tmp_path / "own.zip") == ""
