"""A dry run, and a start, without the images of a known data set."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.sweeps import everything

from hpmkd.cli.main import main
from hpmkd.data import cache
from hpmkd.data.published import IDX_FILES
from hpmkd.files import commit_json

_SETS = ["--datasets", "MNIST", "Digits", "CIFAR10"]


@pytest.fixture
def flags(tmp_path: Path) -> list[str]:
    (tmp_path / "data").mkdir()
    return ["-o", str(tmp_path / "out"), "--data-dir", str(tmp_path / "data"), "--data.cache_dir", str(tmp_path / "c")]


def test_the_dry_run_says_what_is_not_there(
    flags: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = everything(tmp_path)
    assert main(["run", "-n", *_SETS, *flags, "--data.download", "false"]) == 0
    said = [line for line in capsys.readouterr().out.splitlines() if "no images in" in line]
    assert [line.partition(":")[0] for line in said] == ["MNIST", "CIFAR10"]
    assert f"no images in {tmp_path}/data (4 of 4 files missing): without -n this is refused" in said[0]
    assert f"MNIST('{tmp_path}/data', download=True)" in said[0]
    assert main(["run", "-n", *_SETS, *flags]) == 0
    said = [line for line in capsys.readouterr().out.splitlines() if "no images in" in line]
    assert len(said) == 2
    assert all(f"without -n they are downloaded to {tmp_path}/data" in line for line in said)
    assert everything(tmp_path) == before


def test_images_that_are_there_or_decoded_are_no_news(
    flags: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = tmp_path / "data" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name in IDX_FILES:
        (raw / f"{name}.gz").touch()
    (tmp_path / "c").mkdir()
    commit_json(tmp_path / "c" / f"CIFAR10-v{cache.FORMAT}.json", {"format": cache.FORMAT})
    assert main(["run", "-n", *_SETS, *flags]) == 0
    assert "CIFAR10: no images in" in capsys.readouterr().out, "a sidecar alone is no image"
    (tmp_path / "c" / f"CIFAR10-v{cache.FORMAT}.pt").touch()
    assert main(["run", "-n", *_SETS, *flags]) == 0
    assert "no images in" not in capsys.readouterr().out


def test_a_start_is_refused_before_anything_is_decoded(
    flags: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Digits, which comes first, is decoded no more than MNIST."""
    assert main(["run", "--datasets", "Digits", "MNIST", *flags, "--data.download", "false"]) == 3
    said = capsys.readouterr()
    assert "MNIST is not there" in said.err
    assert "decoding" not in said.out
    assert not (tmp_path / "c").exists()
