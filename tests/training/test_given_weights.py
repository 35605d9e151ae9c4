"""Weights that a user brings: every form in which they come, and what is refused, with the names that differ."""

from __future__ import annotations

import argparse
import json
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from support.builders import TEACHER
from support.networks import SMALLEST, narrow
from support.own_networks import ask, write
from torch import Tensor, nn

from hpmkd.config.architectures import family_of
from hpmkd.config.specs import ModelSpec, model_from_json, model_to_json
from hpmkd.models import build
from hpmkd.models.peer_names import as_ours
from hpmkd.store.payload import weights_hash
from hpmkd.store.result_file import commit
from hpmkd.training.given_weights import main

SPEC = narrow("resnet8", image_size=16)
State = dict[str, Tensor]


def look(spec: ModelSpec, file: Path | str, tmp_path: Path) -> dict[str, Any]:
    """What is found out about a file of weights, in this process."""
    question = {
        "network": model_to_json(spec),
        "origin": spec.origin,
        "file": str(file),
        "copy": str(tmp_path / "copy"),
    }
    (tmp_path / "request.json").write_text(json.dumps([question]))
    main(tmp_path)
    found: dict[str, Any] = json.loads((tmp_path / "answer.json").read_text())[0]
    return found


def state_of(spec: ModelSpec = SPEC) -> State:
    """Of a network whose statistics have moved."""
    model = build(spec, 5).train()
    with torch.no_grad():
        model(torch.randn(8, spec.in_channels, spec.image_size, spec.image_size))
    return dict(model.state_dict())


def prefixed(mark: str) -> Callable[[State], State]:
    return lambda state: {f"{mark}{name}": value for name, value in state.items()}


FORMS: dict[str, Callable[[State], Any]] = {
    "plain": lambda state: state,
    "ordered": OrderedDict,
    "state_dict": lambda state: {"state_dict": state, "epoch": 240, "best_acc": 72.3},
    "model": lambda state: {"model": state, "opt": {"lr": 0.1}},
    "model_state_dict": lambda state: {"model_state_dict": state, "optimizer": {"state": {}}},
    "nested": lambda state: {"model": {"state_dict": state}},
    "parallel": prefixed("module."),
    "compiled": prefixed("_orig_mod."),
    "compiled parallel": prefixed("module._orig_mod."),
    "compiled inside": lambda state: {name.replace("stages.", "stages._orig_mod."): one for name, one in state.items()},
    "no counters": lambda state: {name: one for name, one in state.items() if "num_batches" not in name},
    "half": lambda state: {name: one.half() if one.is_floating_point() else one for name, one in state.items()},
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form(form: str, tmp_path: Path) -> None:
    state = state_of()
    torch.save(FORMS[form](state), tmp_path / "teacher.pth")
    found = look(SPEC, tmp_path / "teacher.pth", tmp_path)
    made = torch.load(tmp_path / "copy")
    assert found == {"weights": weights_hash(made), "normalisation": None}
    model = build(SPEC, 0)
    model.load_state_dict(made)
    for name, value in model.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            torch.testing.assert_close(value, state[name], atol=2e-3 if form == "half" else 0, rtol=0)


def test_safetensors(tmp_path: Path) -> None:
    save_file = pytest.importorskip("safetensors.torch").save_file
    save_file({name: one.contiguous() for name, one in state_of().items()}, tmp_path / "teacher.safetensors")
    assert "weights" in look(SPEC, tmp_path / "teacher.safetensors", tmp_path)
    (tmp_path / "teacher.safetensors").write_bytes(b"\x00" * 50)
    assert "whole .safetensors" in look(SPEC, tmp_path / "teacher.safetensors", tmp_path)["fault"]["expected"]


def test_a_model_file_brings_its_normalisation(tmp_path: Path) -> None:
    moments = {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.1]}
    about = {"architecture": model_to_json(SPEC), "normalisation": moments}
    commit(tmp_path / "teacher.pt", state_of(), 70.0, 1.0, about)
    found = look(SPEC, tmp_path / "teacher.pt", tmp_path)
    assert found["normalisation"] == [moments["mean"], moments["std"]]
    other = look(replace(SPEC, image_size=32), tmp_path / "teacher.pt", tmp_path)
    assert other["fault"]["found"] == "one for 16x16"


def test_a_damaged_model_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "teacher.pt"
    commit(path, state_of(), 70.0, 1.0, {"architecture": model_to_json(SPEC)})
    saved = torch.load(path)
    saved["model_state_dict"]["fc.bias"] += 1
    torch.save(saved, path)
    assert "intact copy" in look(SPEC, path, tmp_path)["fault"]["todo"]


def test_a_network_of_ones_own(tmp_path: Path) -> None:
    write(tmp_path / "mine")
    spec = model_from_json(ask(tmp_path / "mine", tmp_path / "source")["network"], str(tmp_path / "source"))
    torch.save(build(spec, 9).state_dict(), tmp_path / "teacher.pth")
    assert "weights" in look(spec, tmp_path / "teacher.pth", tmp_path)


# Names of RepDistiller -> ours, one of each kind.
PEERS = {
    "resnet56": {
        "layer1.0.conv1.weight": "stages.0.0.conv1.weight",
        "layer2.0.downsample.1.bias": "stages.1.0.shortcut.1.bias",
    },
    "resnet50": {"layer4.2.bn3.weight": "stages.3.2.bn3.weight", "linear.bias": "fc.bias"},
    "wrn_40_2": {
        "block2.layer.0.convShortcut.weight": "stages.1.0.shortcut.weight",
        "bn1.running_var": "bn.running_var",
    },
    "vgg13": {
        "block0.3.weight": "first.layers.3.weight",
        "block4.1.bias": "stages.3.layers.1.bias",
        "classifier.weight": "fc.weight",
    },
    "mobilenetv2": {
        "conv1.0.weight": "conv1.weight",
        "conv2.1.bias": "bn2.bias",
        "blocks.1.1.conv.3.weight": "stages.0.2.conv2.weight",
        "blocks.4.2.conv.7.running_mean": "stages.2.6.bn3.running_mean",
        "classifier.0.weight": "fc.weight",
    },
    "shufflenetv1": {"layer3.3.bn2.weight": "stages.2.3.bn2.weight", "linear.weight": "fc.weight"},
    "shufflenetv2": {
        "layer1.0.conv5.weight": "stages.0.0.branch.conv3.weight",
        "layer1.0.bn2.weight": "stages.0.0.bn2.weight",
        "layer2.3.conv1.weight": "stages.1.3.branch.conv1.weight",
    },
}


@pytest.mark.parametrize("arch", PEERS)
def test_names_of_the_peers(arch: str) -> None:
    assert as_ours(PEERS[arch], family_of(arch)) == {ours: ours for ours in PEERS[arch].values()}
    assert set(PEERS[arch].values()) <= build(narrow(arch, image_size=32), 0).state_dict().keys()


@pytest.mark.parametrize("arch", SMALLEST)
def test_our_own_names_stay(arch: str, tmp_path: Path) -> None:
    spec = narrow(arch, image_size=32)
    torch.save(build(spec, 1).state_dict(), tmp_path / "teacher.pth")
    assert "weights" in look(spec, tmp_path / "teacher.pth", tmp_path)


def without(*names: str) -> Callable[[State], State]:
    return lambda state: {name: one for name, one in state.items() if name not in names}


REFUSED: list[tuple[Callable[[State], Any], str, str]] = [
    (without("fc.bias"), "fc.bias is missing", "teacher.arch"),
    (lambda state: {**state, "extra": torch.zeros(1)}, "extra is not of this network", "teacher.arch"),
    (
        lambda state: {**state, "conv1.weight": torch.zeros(5, 3, 3, 3)},
        "conv1.weight is (5, 3, 3, 3), not (2, 3, 3, 3)",
        "teacher.arch",
    ),
    (
        lambda state: {**state, "fc.weight": torch.zeros(9, 8), "fc.bias": torch.zeros(9)},
        "fc.weight is (9, 8)",
        "for 9 classes",
    ),
    (lambda state: {**state, "fc.bias": torch.full((4,), torch.nan)}, "NaN", "diverged"),
    (lambda state: {"epoch": 3}, "a dict with epoch", "state_dict()"),
    (lambda state: {"state_dict": {}}, "a dict with", "state_dict()"),
    (lambda state: list(state.values()), "list", "state_dict()"),
    (lambda state: nn.Linear(2, 2), "Linear, which is not loaded", "state_dict()"),
    (lambda state: {}, "a dict with", "state_dict()"),
    (lambda state: {**state, "epoch": 3}, "beside tensors epoch (int)", "state_dict()"),
    (lambda state: {name: one.to(torch.int8) for name, one in state.items()}, "is of torch.int8", "fp32"),
    (lambda state: {**state, "fc.bias": state["fc.bias"] > 0}, "fc.bias is of torch.bool", "fp32"),
    (lambda state: {**state, "fc.bias": state["fc.bias"] + 1j}, "fc.bias is of torch.complex64", "fp32"),
    (lambda state: {**state, "bn1.running_var": -torch.ones(2)}, "negative ones in bn1.running_var", "intact"),
    (lambda state: {"model": state, "state_dict": state}, "several: state_dict, model", "found['state_dict']"),
    (lambda state: {name: one.to("meta") for name, one in state.items()}, "meta tensors", "ordinary tensors"),
    (lambda state: {name: one.to_sparse() for name, one in state.items()}, "", "ordinary tensors"),
    (
        lambda state: {"model": state, "args": argparse.Namespace()},
        "argparse.Namespace, which is not loaded",
        "state_dict()",
    ),
]


@pytest.mark.parametrize(("change", "found", "todo"), REFUSED, ids=[str(number) for number in range(len(REFUSED))])
def test_what_does_not_fit_is_refused(change: Callable[[State], Any], found: str, todo: str, tmp_path: Path) -> None:
    spec = replace(SPEC, channels=(2, 4, 8))
    made = change(state_of(spec))
    torch.save(made, tmp_path / "teacher.pth")
    fault = look(spec, tmp_path / "teacher.pth", tmp_path)["fault"]
    assert found.lower() in (fault["found"] + fault["expected"]).lower()
    assert todo in fault["todo"]
    assert not (tmp_path / "copy").exists()


def test_other_bytes_are_refused(tmp_path: Path) -> None:
    (tmp_path / "teacher.pth").write_bytes(b"weights")
    assert "torch.load" in look(SPEC, tmp_path / "teacher.pth", tmp_path)["fault"]["expected"]


@pytest.mark.parametrize("part", [0.3, 0.6, 0.95])
def test_a_file_that_is_cut_off_is_called_damaged(part: float, tmp_path: Path) -> None:
    path = tmp_path / "teacher.pth"
    torch.save(state_of(), path)
    path.write_bytes(path.read_bytes()[: int(part * path.stat().st_size)])
    assert "damaged file of torch.save" in look(SPEC, path, tmp_path)["fault"]["found"]


@pytest.mark.parametrize("content", [b"weights", b"\x89PNG\r\n\x1a\n" + bytes(64), b"<!doctype html>", b""])
def test_what_is_no_file_of_torch_is_called_that(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "teacher.pth").write_bytes(content)
    assert look(SPEC, tmp_path / "teacher.pth", tmp_path)["fault"]["found"] == "no file of torch.save"


def test_another_architecture_names_what_differs(tmp_path: Path) -> None:
    torch.save(build(narrow("resnet14", image_size=16), 0).state_dict(), tmp_path / "teacher.pth")
    fault = look(SPEC, tmp_path / "teacher.pth", tmp_path)["fault"]
    assert "stages.0.1.conv1.weight is not of this network" in fault["found"]
    assert "more" in fault["found"]


def test_weights_of_a_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What torchvision would download is put in its place."""
    models = pytest.importorskip("torchvision.models")
    kind = models.get_model_weights("resnet18")
    state = models.resnet18().state_dict()
    monkeypatch.setattr(kind, "get_state_dict", lambda self, **how: state)
    spec = model_from_json(ask(None, tmp_path / "x", arch="torchvision:resnet18", classes=1000)["network"])
    found = look(spec, "pretrained", tmp_path)
    assert found["normalisation"] == [[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]]
    assert found["weights"] == weights_hash(state)
    few = model_from_json(ask(None, tmp_path / "y", arch="torchvision:resnet18", classes=10)["network"])
    assert "1000 classes" in look(few, "pretrained", tmp_path)["fault"]["todo"]


@pytest.mark.parametrize("spec", [SPEC, TEACHER], ids=["resnet8", "lenet5"])
def test_networks_of_ours_have_no_weights_of_a_library(spec: ModelSpec, tmp_path: Path) -> None:
    assert "--teacher.weights FILE" in look(spec, "pretrained", tmp_path)["fault"]["todo"]
