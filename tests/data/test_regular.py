"""Pipes, sockets and devices by the names of data: named at once, and never opened."""

from __future__ import annotations

import io
import os
import socket
import tarfile
from pathlib import Path

import pytest
from support.datasets import image_folder, parquet_pair, read, refusal, rows

from hpmkd.cli.main import main
from hpmkd.config.sweep import DataConfig
from hpmkd.data.layouts.detect import take_inventory
from hpmkd.errors import EnvironmentProblem


def a_socket(place: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server, pytest.MonkeyPatch.context() as patch:
        patch.chdir(place.parent)  # their paths are short
        server.bind(place.name)


def a_device(place: Path) -> None:
    place.symlink_to("/dev/zero")


KINDS = {"a named pipe": os.mkfifo, "a socket": a_socket, "a device": a_device}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["x.npz", "x.zip", "x.tar.gz", "x.parquet", "x.csv", "x"])
def test_one_as_the_data_set_is_refused(
    tmp_path: Path, kind: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    KINDS[kind](tmp_path / name)
    assert main(["data", f"own={tmp_path / name}"]) == 2
    said = capsys.readouterr().err
    assert f"found: {kind}\n" in said
    assert "what to do: write its content to a file" in said
    with pytest.raises(EnvironmentProblem, match=f"{name} is {kind}"):  # where it came to be one later
        take_inventory(tmp_path / name, DataConfig())


@pytest.mark.parametrize(
    "name", ["train.npz", "train_images.npy", "train.parquet", "train.csv", "train.arrow", "train"]
)
def test_one_as_a_part_is_named(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    (tmp_path / "test").mkdir()
    said = refusal(tmp_path)
    assert f"{name} is a named pipe" in said
    assert "put a regular file there" in said


@pytest.mark.parametrize("kind", KINDS)
def test_one_among_the_images_is_set_aside(tmp_path: Path, kind: str) -> None:
    image_folder(tmp_path)
    KINDS[kind](tmp_path / "train" / "cat" / "x.png")
    raw = read(tmp_path)
    assert raw.facts["ignored"]["not a regular file"] == {"count": 1, "images": 1, "examples": ["train/cat/x.png"]}


@pytest.mark.parametrize("write", ["table", "list"])
def test_one_that_a_row_names(tmp_path: Path, write: str) -> None:
    for number, (content, _) in enumerate(rows(15)):
        (tmp_path / f"{number}.png").write_bytes(content)
    os.mkfifo(tmp_path / "pipe")
    names = [*(f"{number}.png" for number in range(8)), "pipe"]
    if write == "table":
        queue = iter([*names, *(f"{number}.png" for number in range(9, 15))])
        parquet_pair(tmp_path, cell=lambda content: next(queue))
    else:
        for part, files in (("train", names), ("test", [f"{number}.png" for number in range(9, 15)])):
            lines = [f"{file},{place % 3}" for place, file in enumerate(files)]
            (tmp_path / f"{part}.csv").write_text("\n".join(["file,label", *lines]))
    said = refusal(tmp_path)
    assert "row 8" in said
    assert "a named pipe, not a regular file" in said
    assert "correct or delete the rows" in said


def entry(name: str, kind: bytes, content: bytes = b"") -> tuple[tarfile.TarInfo, io.BytesIO]:
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname = kind, len(content), "pipe.png"
    return info, io.BytesIO(content)


@pytest.mark.parametrize("kind", [tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE])
def test_those_in_an_archive_are_set_aside(tmp_path: Path, kind: bytes) -> None:
    image_folder(tmp_path / "own")
    with tarfile.open(tmp_path / "own.tar", "w") as archive:
        archive.add(tmp_path / "own", ".")
        archive.addfile(*entry("train/cat/pipe.png", kind))
        archive.addfile(*entry("train/cat/link.png", tarfile.SYMTYPE))
    raw = read(tmp_path / "own.tar")
    aside = raw.facts["ignored"]["not a regular file"]
    assert aside["examples"] == ["train/cat/link.png", "train/cat/pipe.png"]


def test_one_among_the_files_of_mnist(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for part in ("train", "t10k"):
        for kind in ("images-idx3", "labels-idx1"):
            os.mkfifo(raw / f"{part}-{kind}-ubyte")
    words = ["data", "MNIST", "--data-dir", str(tmp_path), "--data.cache_dir", str(tmp_path / "cache")]
    assert main([*words, "--data.download", "false"]) == 3
    assert "a named pipe, not a regular file" in capsys.readouterr().err


def test_what_is_read_from_a_regular_file_still_is(tmp_path: Path) -> None:
    """The same paths, over a link."""
    image_folder(tmp_path / "store")
    (tmp_path / "own").symlink_to(tmp_path / "store")
    assert len(read(tmp_path / "own").train) == 9
