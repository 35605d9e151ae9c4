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


def network() -> torch.nn.Module:
    return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))


def part_compiled() -> torch.nn.Module:
    model = network()
    model[2] = torch.compile(model[2])  # type: ignore[index, operator]
    return model


WRAPPED = {
    "plain": network,
    "DataParallel": lambda: torch.nn.DataParallel(network()),
    "compiled": lambda: torch.compile(network()),
    "both": lambda: torch.nn.DataParallel(torch.compile(network())),
    "both, the other way": lambda: torch.compile(torch.nn.DataParallel(network())),
    "a part": part_compiled,
}


@pytest.mark.parametrize("written", WRAPPED)
@pytest.mark.parametrize("read", WRAPPED)
def test_wrapped_networks(written: str, read: str, tmp_path: Path) -> None:
    """Whatever was wrapped when it was written, and is when it is read; the file has the network's own names."""
    source, target, path = WRAPPED[written](), WRAPPED[read](), tmp_path / "models" / "teacher_D.pt"
    hpmkd.save_model_checkpoint(source, path, 50.0, 1.0)
    assert set(torch.load(path)["model_state_dict"]) == set(network().state_dict())
    hpmkd.load_model_checkpoint(target, path)
    for one, other in zip(source.parameters(), target.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."])
def test_files_of_others_with_prefixes(prefix: str, tmp_path: Path) -> None:
    """Committed by their state dict, as wrapped models give it."""
    source, target, path = network(), network(), tmp_path / "teacher_D.pt"
    commit(path, {prefix + name: value for name, value in source.state_dict().items()}, 50.0, 1.0, {})
    hpmkd.load_model_checkpoint(target, path)
    assert all(torch.equal(*pair) for pair in zip(source.parameters(), target.parameters(), strict=True))


def test_a_part_that_is_called_module_is_no_prefix(tmp_path: Path) -> None:
    class Mine(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.module = network()

    source, target, path = Mine(), Mine(), tmp_path / "teacher_D.pt"
    hpmkd.save_model_checkpoint(source, path, 50.0, 1.0)
    hpmkd.load_model_checkpoint(target, path)
    assert all(torch.equal(*pair) for pair in zip(source.parameters(), target.parameters(), strict=True))


def test_weights_of_another_architecture_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "teacher_D.pt"
    hpmkd.save_model_checkpoint(network(), path, 50.0, 1.0)
    with pytest.raises(RuntimeError, match="0"):
        hpmkd.load_model_checkpoint(torch.nn.Sequential(torch.nn.Linear(5, 4)), path)
