"""Names in the output folder."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from support.builders import make_config, make_jobs

from hpmkd import get_model_checkpoint_path
from hpmkd.store.output_dir import OutputDir, trial_folder


def test_everything_lies_inside(tmp_path: Path) -> None:
    output = OutputDir(tmp_path)
    for name in ("config_file", "datasets_file", "lock_file", "models", "quarantine", "archive", "tune", "tensorboard"):
        assert getattr(output, name).parent == tmp_path


def test_model_files_have_the_names_that_the_helpers_give(tmp_path: Path) -> None:
    for job in make_jobs(make_config(runs=2)).values():
        if job.role == "search":
            continue
        number = job.run or job.number
        helper = get_model_checkpoint_path(tmp_path, job.data.name, job.role, job.baseline, number)
        assert OutputDir(tmp_path).model_file(job) == helper


def test_checkpoints_of_all_rounds_and_of_this_recipe_only(tmp_path: Path) -> None:
    old, new = (make_jobs(make_config(fit__lr=lr))["teacher_Digits"] for lr in (0.1, 0.2))
    output = OutputDir(tmp_path)
    for number, job in ((0, old), (1, new), (12, new)):
        folder = output.tune / f"round{number:03d}" / trial_folder(job) / "checkpoint_000000"
        folder.mkdir(parents=True)
        (folder / "epoch.json").write_text("{}")
    (output.tune / "round001" / trial_folder(new) / "checkpoint_000001").mkdir()
    found = {path.relative_to(output.tune).parts[0] for path in output.checkpoint_folders(new)}
    assert found == {"round001", "round012"}


def test_scratch_of_this_output_alone_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    mine, other = OutputDir(tmp_path / "mine"), OutputDir(tmp_path / "other")
    for output in (mine, mine, other):
        Path(tempfile.mkdtemp(prefix=output.scratch_prefix)).joinpath("epoch.pt").write_bytes(b"half")
    assert mine.remove_scratch() == 2
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(other.scratch_prefix)
