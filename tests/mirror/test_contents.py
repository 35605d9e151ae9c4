"""Which files a mirror has: what a sweep makes and reads, by names that lead nowhere else."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from hpmkd.mirror.contents import is_ours, key_of_epoch, to_copy, trial_of
from hpmkd.store.output_dir import OutputDir


@pytest.mark.parametrize(
    "name",
    [
        "sweep.yaml", "datasets.json", "results.csv", "results.parquet", "report.html", "programme.yaml",
        "models/teacher_MNIST.pt", "models/search_a_b.json", "archive/teacher_MNIST-1.pt", "networks/my.py",
        "methods/my.py", "tune/round000/t-0123abcd/checkpoint_000001/epoch.pt", "progress/a.jsonl",
        "predictions/é.npz", "tensorboard/a/events.out",
    ],
)  # fmt: skip
def test_ours(name: str) -> None:
    assert is_ours(name)


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd", "models//etc/passwd", "models/../../evil.pt", "../sweep.yaml", "./sweep.yaml", "models/./a.pt",
        ".bashrc", "models/.hidden", ".", "", "models/", ".sweep.lock", "mirror.json", "gpu.json", "quarantine/x.pt",
        "thesis.docx", "src/main.py", "methods/__pycache__/my.cpython-311.pyc", "progress/a.epochs.jsonl",
        "models/\udcff.pt", "setup.py", "authorized_keys", ".ssh/authorized_keys",
    ],
)  # fmt: skip
def test_not_ours(name: str) -> None:
    """Neither copied from here nor, whoever has put it there, written here."""
    if name == "progress/a.epochs.jsonl":
        from hpmkd.store.epoch_log import SUFFIX

        name = f"progress/a{SUFFIX}"
    assert not is_ours(name)


def test_folders_that_are_links(out: Path, tmp_path: Path) -> None:
    """As models on another disk are."""
    (out / "progress").mkdir(exist_ok=True)
    (out / "progress" / "a.jsonl").write_text("{}")
    before = [one.name for group in to_copy(OutputDir(out)) for one in group]
    for name in ("models", "progress"):
        shutil.move(out / name, tmp_path / f"big-{name}")
        (out / name).symlink_to(tmp_path / f"big-{name}")
    assert [one.name for group in to_copy(OutputDir(out)) for one in group] == before
    assert any(name.startswith("models/") for name in before)


def test_the_plan_comes_first_and_what_grows_last(out: Path) -> None:
    (out / "results.csv").write_text("x")
    names = [one.name for group in to_copy(OutputDir(out)) for one in group]
    models = [number for number, name in enumerate(names) if name.startswith("models/")]
    assert names.index("sweep.yaml") < models[0]
    assert names.index("results.csv") > models[-1]


def test_the_job_of_an_epoch() -> None:
    name = "tune/round000/student_my.set_KD-x_run1-0123abcd/checkpoint_000001/epoch.pt"
    assert trial_of(name) == "student_my.set_KD-x_run1-0123abcd"
    assert key_of_epoch(name) == "student_my.set_KD-x_run1"
    assert key_of_epoch("models/teacher_MNIST.pt") == "" == trial_of("tune/round000/tuner.pkl")
