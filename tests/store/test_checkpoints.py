"""The four helper functions that users call."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import hpmkd
from hpmkd.errors import DamagedModel
from hpmkd.store.result_file import commit
from hpmkd.store.search_file import SearchResult


def test_paths() -> None:
    path = hpmkd.get_model_checkpoint_path
    assert path("out", "CIFAR10", "teacher") == Path("out/models/teacher_CIFAR10.pt")
    assert path("out", "CIFAR10", "student", "HPM-KD", 3) == Path("out/models/student_CIFAR10_HPM-KD_run3.pt")
    assert path(Path("out"), "D", "assistant", baseline="TAKD") == Path("out/models/assistant_D_TAKD.pt")
    assert path("out", "D", "teacher", run=1) == Path("out/models/teacher_D.pt")
    assert path("out", "D", "teacher", run=2) == Path("out/models/teacher_D_2.pt")
    assert path("out", "D", "assistant", "HPM-KD", 1) == Path("out/models/assistant_D_HPM-KD_1.pt")


@pytest.mark.parametrize(
    ("given", "match"),
    [
        (("o", "D", "pupil"), "model_type"),
        (("o", "D", "student"), "baseline"),
        (("o", "D", "student", "AT"), "run"),
        (("o", "D", "student", "AT", 0), "run"),
        (("o", "D", "assistant"), "baseline"),
    ],
)
def test_incomplete_names(given: tuple, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        hpmkd.get_model_checkpoint_path(*given)


def test_save_exists_load(tmp_path: Path) -> None:
    path = hpmkd.get_model_checkpoint_path(tmp_path, "D", "teacher")
    assert not hpmkd.model_checkpoint_exists(path)
    with pytest.raises(FileNotFoundError):
        hpmkd.load_model_checkpoint(torch.nn.Linear(3, 2), path)
    source = torch.nn.Linear(3, 2)
    hpmkd.save_model_checkpoint(source, path, 79.25, 611.5, {"note": "mine"})
    assert hpmkd.model_checkpoint_exists(str(path))
    target = torch.nn.Linear(3, 2)
    model, accuracy, train_time = hpmkd.load_model_checkpoint(target, path)
    assert model is target
    assert (accuracy, train_time) == (79.25, 611.5)
    assert torch.equal(target.weight, source.weight)
    assert torch.load(path)["metadata"]["note"] == "mine"
    with pytest.raises(RuntimeError, match="size mismatch"):
        hpmkd.load_model_checkpoint(torch.nn.Linear(4, 2), path)


def test_damaged_files_do_not_exist_and_do_not_load(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    hpmkd.save_model_checkpoint(torch.nn.Linear(3, 2), path, 1.0, 1.0)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)
    assert not hpmkd.model_checkpoint_exists(path)
    model = torch.nn.Linear(3, 2)
    before = model.weight.clone()
    with pytest.raises(DamagedModel, match=r"x\.pt"):
        hpmkd.load_model_checkpoint(model, path)
    assert torch.equal(model.weight, before)


def test_unknown_names_of_the_package() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        _ = hpmkd.nonsense


def test_only_files_of_networks_are_checkpoints(tmp_path: Path) -> None:
    model = torch.nn.Linear(2, 2)
    for name in ("w.json", "w.npy"):
        with pytest.raises(ValueError, match=name):
            hpmkd.save_model_checkpoint(model, tmp_path / name, 1.0, 1.0)
    path = tmp_path / "search_X.json"
    commit(path, SearchResult({"kd.alpha": 0.5}), 1.0, 1.0, {"key": "search_X"})
    with pytest.raises(DamagedModel, match="file of a network"):
        hpmkd.load_model_checkpoint(model, path)
