"""Which networks of a folder are measured, and under which names."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from hpmkd.bench.networks import of_files, of_sweep
from hpmkd.config.specs import ModelSpec
from hpmkd.errors import UsageError
from hpmkd.models import build
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.result_file import commit

SMALL = ModelSpec("lenet5", (3, 4, 5), in_channels=1, image_size=16, classes=4)
LARGE = ModelSpec("resnet8", (16, 32, 64), in_channels=1, image_size=16, classes=4)
OTHER = ModelSpec("lenet5", (3, 4, 5), in_channels=3, image_size=16, classes=4)


def put(root: Path, stem: str, spec: ModelSpec) -> Path:
    path = root / "models" / f"{stem}.pt"
    metadata = {"architecture": asdict(spec), "role": stem.partition("_")[0]}
    commit(path, build(spec, seed=len(stem)).state_dict(), 50.0, 1.0, metadata)
    return path


def test_of_a_sweep_one_per_architecture(tmp_path: Path) -> None:
    for stem, spec in (
        ("teacher_D", LARGE), ("assistant_D_TAKD", LARGE), ("student_D_AT_run1", SMALL), ("student_D_AT_run2", SMALL),
        ("student_E_AT_run1", OTHER),
    ):  # fmt: skip
        put(tmp_path, stem, spec)
    damaged = put(tmp_path, "student_D_AT_run3", ModelSpec("lenet5", (9, 9, 9), 1, image_size=16, classes=4))
    damaged.write_bytes(damaged.read_bytes()[:-100])
    found = of_sweep(OutputDir(tmp_path))
    assert [one.name for one in found] == ["resnet8", "lenet5-3-4-5 3x16x16-4", "lenet5-3-4-5 1x16x16-4"]
    assert found[0].roles == ("assistant", "teacher")
    assert found[2].path.name == "student_D_AT_run1.pt"
    assert [one.multiply_adds for one in found] == sorted((one.multiply_adds for one in found), reverse=True)
    assert found[0].shape == (1, 16, 16)


def test_files_keep_their_names(tmp_path: Path) -> None:
    one, two = put(tmp_path / "a", "student_D_AT_run1", SMALL), put(tmp_path / "b", "student_D_AT_run1", SMALL)
    assert [found.name for found in of_files([one, two, one])] == ["student_D_AT_run1", "student_D_AT_run1 (2)"]


def test_what_cannot_be_measured(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no network to measure"):
        of_sweep(OutputDir(tmp_path))
    with pytest.raises(UsageError, match="no model file"):
        of_files([tmp_path / "none.pt"])
    path = put(tmp_path, "student_D_AT_run1", SMALL)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UsageError, match="not a whole model") as caught:
        of_files([path])
    assert "end" in str(caught.value.found) or caught.value.found
    (tmp_path / "README.md").write_text("# nothing")
    with pytest.raises(UsageError, match="not a whole model") as caught:
        of_files([tmp_path / "README.md"])
    assert "name another file" in str(caught.value.todo)
