"""`hpmkd bench`: what it prints, where it writes, how it ends."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from hpmkd.bench import measure, quiet
from hpmkd.bench.quiet import Quiet
from hpmkd.cli.main import main
from hpmkd.config.specs import ModelSpec
from hpmkd.models import build
from hpmkd.numeric import Estimate
from hpmkd.store.latency_file import Control, Latencies
from hpmkd.store.result_file import commit

FEW = [
    "--measurements",
    "20",
    "--batch-sizes",
    "1",
    "2",
    "--seconds",
    "0.01",
    "--runtimes",
    "eager",
    "--devices",
    "cpu",
]


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A sweep's folder with a teacher and two students of one architecture."""
    for stem, width in (("teacher_D", 8), ("student_D_AT_run1", 3), ("student_D_AT_run2", 3)):
        spec = ModelSpec("lenet5", (width, width, 10), in_channels=1, image_size=16, classes=4)
        metadata = {"architecture": asdict(spec), "role": stem.partition("_")[0]}
        commit(tmp_path / "out" / "models" / f"{stem}.pt", build(spec, 0).state_dict(), 50.0, 1.0, metadata)
    monkeypatch.setattr(quiet, "now", lambda: Quiet(()))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "out"


def test_of_a_sweep(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["bench", "latency", str(models), *FEW])
    said = capsys.readouterr().out
    found = json.loads((models / "latency.json").read_text())
    assert code == (0 if all(one["trusted"] for one in found["controls"]) else 1)
    assert {one["network"] for one in found["cells"]} == {"lenet5-8-8-10", "lenet5-3-3-10"}
    for word in (
        "parameters",
        "multiply-adds",
        "eager MiB",
        "median",
        "p99",
        "images/s",
        "cpu, 1 thread",
        "Not compiled",
    ):
        assert word in " ".join(said.split())
    assert f"all numbers: {models / 'latency.json'}" in said


@pytest.mark.slow
def test_of_files_as_json(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [str(models / "models" / f"{stem}.pt") for stem in ("teacher_D", "student_D_AT_run2")]
    main(["bench", "latency", *files, *FEW, "--json"])
    said = json.loads(capsys.readouterr().out)
    assert said == json.loads(Path("latency.json").read_text())
    assert [one["name"] for one in said["subjects"]] == ["teacher_D", "student_D_AT_run2"]
    main(["bench", "latency", *files, *FEW, "-o", "other/l.json"])
    assert Path("other/l.json").is_file()
    assert not (models / "latency.json").exists()


def test_what_is_not_to_be_trusted_ends_with_1(
    models: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    control = Control("net", "eager", "cpu", threads=1, batch=1, ratio=Estimate(1.2, 1.1, 1.3), trusted=False)
    found = Latencies({"tolerance": 0.05}, {}, (), controls=(control,))
    monkeypatch.setattr(measure, "measure", lambda *_: found)
    assert main(["bench", "latency", str(models), *FEW]) == 1
    assert "net in eager at batch size 1: ratio 1.20 [1.10, 1.30]" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["latency"], "model files, or the folder of a sweep"),
        (["latency", "none.pt"], "no model file"),
        (["latency", "out", "out/models/teacher_D.pt"], "out is a folder"),
        (["latency", "out", "--batch-sizes", "0"], "--batch-sizes: Input should be greater than or equal to 1"),
        (["latency", "out", "--batch-sizes", "2", "2"], "--batch-sizes: each value once"),
        (["latency", "out", "--runtimes", "jit"], "invalid choice"),
        (["speedup"], "either --mode NAME or the folder of a sweep"),
        (["speedup", "out", "--mode", "quick"], "either --mode NAME or the folder of a sweep"),
        (["speedup", "--mode", "quick", "--workers", "0"], "--workers"),
        (["accuracy"], "invalid choice"),
    ],
)
def test_wrong_words(words: list[str], told: str, models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", *words]) == 2
    error = capsys.readouterr().err
    assert told in error


def test_a_device_that_is_not_there_ends_with_3(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "devices", lambda: ("cpu",))
    assert main(["bench", "latency", str(models), "--devices", "cuda"]) == 3
