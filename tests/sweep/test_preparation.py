"""A sweep whose images are gone."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from pyarrow import parquet
from support.builders import make_config
from support.pictures import table
from support.sweeps import everything

from hpmkd import timings
from hpmkd.audit.sweep_dir import open_sweep
from hpmkd.cli.main import main
from hpmkd.config.load import to_yaml, validate
from hpmkd.config.specs import spec_to_json
from hpmkd.data import cache
from hpmkd.data.cache import describe
from hpmkd.data.decode import decode
from hpmkd.errors import EnvironmentProblem
from hpmkd.files import commit_bytes, commit_json
from hpmkd.store.output_dir import OutputDir
from hpmkd.sweep import execution
from hpmkd.sweep.preparation import need_surroundings
from hpmkd.timings import Timings
from hpmkd.training.trial import run_job


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "Own"
    folder.mkdir()
    for part, count in (("train", 60), ("test", 12)):
        parquet.write_table(table(count, 16), folder / f"{part}.parquet")
    return folder


@pytest.fixture
def finished(images: Path, tmp_path: Path) -> Path:
    """The output of a sweep over the user's own images and Digits, whole."""
    raw = {
        "datasets": [str(images), "Digits"], "baselines": ["Direct"], "runs": 1, "resources": {"device": "cpu"},
        "data": {"train_images": 30, "cache_dir": str(tmp_path / "cache")},
        "fit": {"teacher_epochs": 1, "student_epochs": 1, "batch_size": 8},
    }  # fmt: skip
    config = validate(raw, "test")
    output = OutputDir(tmp_path / "out")
    commit_bytes(output.config_file, to_yaml(config).encode())
    commit_json(output.datasets_file, [spec_to_json(spec) for spec in describe(config)])
    for job in open_sweep(output.root).jobs:
        list(run_job(job, output, config.data, torch.device("cpu")))
    return output.root


@pytest.mark.parametrize("empty", [False, True])
def test_a_finished_sweep_needs_no_images(
    empty: bool, finished: Path, images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(images)
    if empty:
        images.mkdir()  # where a disk is not mounted
    before = everything(finished / "models")
    for command in (["run", "-n", "--restore"], ["run", "--restore"], ["status"], ["verify"], ["report"]):
        assert main([*command, str(finished)]) == 0, capsys.readouterr()
    text = capsys.readouterr().out
    assert "4 done, 0 to train" in text
    assert "Own" in text
    assert everything(finished / "models") == before


def test_with_something_to_train_the_new_place_is_asked_for(
    finished: Path, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And the command that is printed works, with a folder for FOLDER."""
    images.rename(tmp_path / "elsewhere")
    (finished / "models" / "student_Own_Direct_run1.pt").unlink()
    assert main(["run", "--restore", str(finished)]) == 3
    message = capsys.readouterr().err
    assert f"{images}: no images there any more" in message
    assert f"--restore {finished} --datasets Own=FOLDER Digits" in message
    assert main(["run", "-n", "--restore", str(finished)]) == 0
    assert f"without -n this is refused: {images}: no images there any more; what to do: " in capsys.readouterr().out
    words = message.rpartition("name the new place: ")[2].replace("FOLDER", str(tmp_path / "elsewhere")).split()
    assert main(["run", "-n", *words]) == 0
    assert "4 models in" in (text := capsys.readouterr().out)
    assert "3 done, 1 to train" in text.splitlines()[-2]


def test_other_images_are_none_of_this_sweep(
    finished: Path, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder that was never there stays an error, also beside a finished sweep."""
    assert main(["run", "--restore", str(finished), "--datasets", f"Own={tmp_path}/nowhere", "Digits"]) == 2
    assert "neither a known data set nor a folder" in capsys.readouterr().err


def test_decoding_is_no_planning(images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the sentence of a profile: the first look at the user's own images decodes them."""
    now, taken = 0.0, {}
    monkeypatch.setattr(timings, "time", SimpleNamespace(monotonic=lambda: now))

    def slowly(*given: Any) -> dict[str, Any]:
        nonlocal now
        now += 20.0
        return decode(*given)

    def train(*given: Any, timings: Timings, **more: Any) -> tuple[int, str]:
        taken.update(timings.seconds)
        return 0, ""

    monkeypatch.setattr(cache, "decode", slowly)
    monkeypatch.setattr(execution, "_train", train)
    words = ["--profile", "-o", str(tmp_path / "out"), "--data.cache_dir", str(tmp_path / "cache"), "--runs", "1"]
    assert main(["run", "--datasets", str(images), "Digits", "--train-images", "30", *words]) == 0
    assert taken == {"plan": 0.0, "images": 40.0}


_MANY = ["--datasets", "Digits", "--train-images", "5000"]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (_MANY, "data.train_images: Digits has fewer images"),
        (["--mode", "ablation_cpu", "--datasets", "Digits"], "data.train_images: Digits has fewer images"),
        (["--datasets", "Digits@n1299"], "datasets: Digits@n1299 has fewer images"),
        (["--datasets", "Digits@exp10", "--train-images", "4000"], "data.train_images: Digits@exp10 has fewer images"),
        ([*_MANY[:3], "1200", "--data.validation_fraction", "0.5"], "at most 721 (1442 minus 721 for validation)"),
        (["--teacher.channels", "[1, 2]"], "teacher.channels: wrong number of widths"),
    ],
)
def test_what_needs_no_image_is_refused_by_both_and_leaves_nothing(
    flags: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the dry run and by the run, alike; the folder of a new sweep has then nothing that could be continued."""
    words = [*flags, "-o", str(tmp_path / "out"), "--data.cache_dir", str(tmp_path / "cache")]
    told = []
    for more in ([], ["-n"]):
        assert main(["run", *words, *more]) == 2
        told.append(capsys.readouterr().err)
    assert said in told[0]
    assert told[0] == told[1]
    assert not list((tmp_path / "out").glob("[!.]*"))
    assert main(["status", str(tmp_path / "out")]) == 2
    assert "no sweep here" in capsys.readouterr().err


def test_a_refused_change_leaves_a_sweep_as_it_was(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = everything(finished)
    assert main(["run", "--restore", str(finished), "--train-images", "5000"]) == 2
    assert "has fewer images" in capsys.readouterr().err
    assert {name: one for name, one in everything(finished).items() if not name.startswith(".")} == before


def test_images_that_are_missing_leave_the_plan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--datasets", "MNIST", "--data-dir", str(tmp_path), "--data.download", "false"]
    assert main(["run", *words, "-o", str(tmp_path / "out"), "--data.cache_dir", str(tmp_path / "cache")]) == 3
    assert "MNIST is not there" in capsys.readouterr().err
    assert (tmp_path / "out" / "sweep.yaml").is_file(), "--restore needs no flag once they are there"


def test_classes_that_look_alike_of_a_data_set_that_is_not_there(
    tmp_path: Path, cache_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Spelled otherwise it would be another experiment: that of the published pairs."""
    words = ["run", "-n", "-o", str(tmp_path / "out"), "--datasets", "Digits", "--data.label_noise", "asym0.2"]
    words += ["--data.cache_dir", str(cache_dir), "--data.confused"]
    assert main([*words, "{digits: {3: 4}}"]) == 2
    said = capsys.readouterr().err
    assert "data.confused: digits is no data set of this sweep" in said
    assert "one of Digits" in said
    assert main([*words, "{Digits: {3: 4}}"]) == 0


def test_a_processor_that_compiled_kernels_are_not_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told by the dry run, too, not by the first worker."""
    pytest.importorskip("numba")
    monkeypatch.setattr("hpmkd.models.compiled.processor.host_features", lambda: frozenset({"sse4.2"}))
    with pytest.raises(EnvironmentProblem, match=r"(?s)^fit\.kernels: this processor.*--fit\.kernels torch"):
        need_surroundings(make_config(fit__kernels="compiled"))
    need_surroundings(make_config())
