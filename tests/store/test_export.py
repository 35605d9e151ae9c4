"""Exports, read again by the libraries of their formats alone."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from support.builders import STUDENT
from support.networks import NETWORKS, narrow

from hpmkd.cli.export import FORMATS
from hpmkd.cli.main import main
from hpmkd.config.specs import ModelSpec
from hpmkd.errors import DamagedModel, HpmkdError
from hpmkd.models import build
from hpmkd.store import export as module
from hpmkd.store.export import KINDS, export
from hpmkd.store.result_file import commit

RESNET = ModelSpec("resnet8", (4, 8, 16), 3, 32, 10)

MOMENTS = {"mean": [0.25], "std": [0.5]}
NAMES = ["cat", "Füchse", "\udcff"]  # the last is a folder's name that is bytes and no text


IMAGES = {spec: torch.randn(5, spec.in_channels, spec.image_size, spec.image_size) for spec in (STUDENT, RESNET)}


@pytest.fixture(params=[STUDENT, RESNET], ids=["lenet5", "resnet8"])
def saved(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, ModelSpec, torch.Tensor]:
    """A model file, its shape, and the logits of some images (in batch norm's eval mode, with moved statistics)."""
    spec = request.param
    model = build(spec, seed=3)
    model.train()
    with torch.no_grad():
        model(IMAGES[spec])
    path = tmp_path / "models" / "student_D_AT_run1.pt"
    about = {"architecture": asdict(spec), "key": "student_D_AT_run1", "normalisation": MOMENTS, "classes": NAMES}
    commit(path, model.state_dict(), 71.5, 1.0, about)
    with torch.no_grad():
        return path, spec, model.eval()(IMAGES[spec]).logits


def read(kind: str, path: Path, spec: ModelSpec) -> tuple[torch.Tensor, dict[str, str]]:
    """Logits and metadata of an export, without our code."""
    if kind == "safetensors":
        from safetensors import safe_open
        from safetensors.torch import load_file

        model = build(spec, seed=9)
        model.load_state_dict(load_file(path))
        with safe_open(path, "pt") as file:
            about: dict[str, Any] = file.metadata()
        return model.eval()(IMAGES[spec]).logits, about
    if kind == "pt2":
        extra = {"hpmkd.json": ""}
        program = torch.export.load(path, extra_files=extra).module()
        return program(IMAGES[spec]), json.loads(extra["hpmkd.json"])
    if kind == "torchscript":
        extra = {"hpmkd.json": ""}
        loaded = torch.jit.load(path, _extra_files=extra)
        return loaded(IMAGES[spec]), json.loads(extra["hpmkd.json"])
    import onnx
    import onnxruntime

    proto = onnx.load(path)
    onnx.checker.check_model(proto)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (logits,) = session.run(None, {session.get_inputs()[0].name: IMAGES[spec].numpy()})
    return torch.from_numpy(logits), {entry.key: entry.value for entry in proto.metadata_props}


def skip_without(kind: str) -> None:
    if any(importlib.util.find_spec(name) is None for name in KINDS[kind][1]):
        pytest.skip(f"the libraries of {kind} are not installed")


@pytest.mark.parametrize("kind", ["safetensors", "pt2", "torchscript", pytest.param("onnx", marks=pytest.mark.slow)])
def test_logits_and_description_survive(kind: str, saved: tuple[Path, ModelSpec, torch.Tensor]) -> None:
    skip_without(kind)
    path, spec, expected = saved
    done = export(path, kind)
    assert done.path == path.parent.parent / "exports" / f"student_D_AT_run1{KINDS[kind][0]}"
    assert done.path.stat().st_size == done.size
    logits, about = read(kind, done.path, spec)
    torch.testing.assert_close(logits.detach(), expected, atol=1e-4, rtol=1e-4)
    assert (about["key"], float(about["accuracy_pct"])) == ("student_D_AT_run1", 71.5)
    assert json.loads(about["architecture"])["arch"] == spec.arch
    assert (json.loads(about["normalisation"]), json.loads(about["classes"])) == (MOMENTS, NAMES)
    assert "pixel / 255" in about["input"]


# Run without a trace of this package: the program of a .pt2 file, on batches of several sizes.
_ALONE = """
import sys
class Absent:
    def find_spec(self, name, *_):
        if name.partition(".")[0] == "hpmkd":
            raise ImportError(name)
sys.meta_path.insert(0, Absent())
import torch
program = torch.export.load(sys.argv[1]).module()
saved = torch.load(sys.argv[2])
with torch.inference_mode():
    for images, logits in saved:
        torch.testing.assert_close(program(images), logits, atol=1e-4, rtol=1e-4)
assert not [name for name in sys.modules if name.startswith("hpmkd")]
print(len(saved), "batches")
"""


def _quick(arch: str) -> bool:
    """Whether it is exported in the default tests; deep networks take long."""
    return arch in ("lenet5", "resnet8")


@pytest.mark.parametrize(
    "arch", [pytest.param(name, marks=[] if _quick(name) else [pytest.mark.slow]) for name in NETWORKS]
)
def test_a_pt2_of_every_network_needs_no_hpmkd(arch: str, tmp_path: Path) -> None:
    """In a process of its own, where this package cannot be imported; any batch size."""
    spec = narrow(arch)
    model = build(spec, seed=5)
    with torch.no_grad():
        model.train()(torch.randn(8, 3, 18, 18))  # moves the statistics of batch norm
        batches = [torch.randn(count, 3, 18, 18) for count in (1, 2, 13)]
        torch.save([(images, model.eval()(images).logits) for images in batches], tmp_path / "expected.pt")
    commit(tmp_path / "m.pt", model.state_dict(), 50.0, 1.0, {"architecture": asdict(spec)})
    done = export(tmp_path / "m.pt", "pt2")
    command = [sys.executable, "-c", _ALONE, str(done.path), str(tmp_path / "expected.pt")]
    child = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert child.stdout == "3 batches\n", child.stderr


def test_the_format_that_goes_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    commit(tmp_path / "m.pt", build(STUDENT, seed=0).state_dict(), 50.0, 1.0, {"architecture": asdict(STUDENT)})
    assert main(["export", str(tmp_path / "m.pt"), "--to", "torchscript"]) == 0
    assert "export to pt2 (torch.export) instead" in capsys.readouterr().err
    assert main(["export", str(tmp_path / "m.pt"), "--to", "pt2"]) == 0
    assert capsys.readouterr().err == ""
    assert (tmp_path / "m.pt2").is_file()


def test_what_a_killed_export_has_left_goes_with_the_next(tmp_path: Path) -> None:
    """Not what somebody may be writing now, nor what belongs to another file."""
    commit(tmp_path / "m.pt", build(STUDENT, seed=0).state_dict(), 50.0, 1.0, {"architecture": asdict(STUDENT)})
    old, new, other = (tmp_path / f".tmp-{name}" for name in ("m[1].pt2-77-aa", "m[1].pt2-78-bb", "m1.pt2-77-cc"))
    for path in (old, new, other):
        path.write_bytes(b"half")
    for path in (old, other):
        os.utime(path, (1.0, 1.0))
    export(tmp_path / "m.pt", "safetensors", tmp_path / "m[1].pt2")
    assert not old.exists()
    assert new.exists()
    assert other.exists()


def test_onnx_of_a_small_network(tmp_path: Path) -> None:
    """The one exporter that takes seconds; both architectures are in the slow tests."""
    skip_without("onnx")
    model = build(STUDENT, seed=3).eval()
    commit(tmp_path / "m.pt", model.state_dict(), 50.0, 1.0, {"architecture": asdict(STUDENT)})
    logits, _ = read("onnx", export(tmp_path / "m.pt", "onnx").path, STUDENT)
    with torch.no_grad():
        torch.testing.assert_close(logits, model(IMAGES[STUDENT]).logits, atol=1e-4, rtol=1e-4)


def test_an_export_with_other_logits_is_not_written(
    saved: tuple[Path, ModelSpec, torch.Tensor], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ending, modules, encode, decode = KINDS["torchscript"]

    def wrong(data: bytes, spec: ModelSpec) -> Any:
        right = decode(data, spec)
        return lambda images: right(images) + 0.01

    monkeypatch.setitem(module.KINDS, "torchscript", (ending, modules, encode, wrong))
    with pytest.raises(HpmkdError, match="gives other logits"):
        export(saved[0], "torchscript", tmp_path / "out.ts")
    assert not (tmp_path / "out.ts").exists()


@pytest.mark.parametrize("kind", ["safetensors", "onnx"])
def test_a_missing_library_is_named(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    (tmp_path / "x.pt").write_bytes(b"")
    assert main(["export", str(tmp_path / "x.pt"), "--to", kind]) == 3
    error = capsys.readouterr().err
    assert f"no {', '.join(KINDS[kind][1])} in this environment" in error
    assert f"pip install {' '.join(KINDS[kind][1])}" in error


@pytest.mark.parametrize("arch", ["lenet5", pytest.param("resnet8", marks=pytest.mark.slow)])
def test_the_exporter_of_older_versions_of_torch(arch: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    skip_without("onnx")
    monkeypatch.setattr(module, "ONNX_TORCH", "999.0")
    spec = narrow(arch)
    model = build(spec, seed=3).eval()
    commit(tmp_path / "m.pt", model.state_dict(), 50.0, 1.0, {"architecture": asdict(spec)})
    done = export(tmp_path / "m.pt", "onnx")
    IMAGES[spec] = torch.randn(3, 3, 18, 18)
    logits, about = read("onnx", done.path, spec)
    with torch.no_grad():
        torch.testing.assert_close(logits, model(IMAGES[spec]).logits, atol=1e-4, rtol=1e-4)
    assert json.loads(about["architecture"])["arch"] == arch


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.pt"
    commit(path, build(STUDENT, seed=0).state_dict(), 50.0, 1.0, {"architecture": asdict(STUDENT)})
    assert main(["export", str(path), "--to", "torchscript"]) == 0
    assert "input N x 1x16x16, logits differ by at most 0" in capsys.readouterr().out
    assert (tmp_path / "mine.torchscript").is_file()
    assert main(["export", str(path), "--to", "torchscript", "-o", str(tmp_path / "a" / "b.ts"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["path"] == str(tmp_path / "a" / "b.ts")
    assert tuple(KINDS) == FORMATS


def test_what_cannot_be_exported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(tmp_path / "none.pt"), "--to", "torchscript"]) == 2
    assert main(["export", str(tmp_path / "none.pt"), "--to", "pickle"]) == 2
    assert "choose from" in capsys.readouterr().err
    other = tmp_path / "other.pt"
    commit(other, {"w": torch.zeros(2)}, 50.0, 1.0, {})
    assert main(["export", str(other), "--to", "torchscript"]) == 2
    assert "`architecture`" in capsys.readouterr().err
    with other.open("r+b") as file:
        file.truncate(100)
    with pytest.raises(DamagedModel):
        export(other, "torchscript")
    assert main(["export", str(other), "--to", "torchscript"]) == 1
    (tmp_path / "README.md").write_text("# nothing")
    capsys.readouterr()
    assert main(["export", str(tmp_path / "README.md"), "--to", "torchscript"]) == 2
    error = capsys.readouterr().err
    assert "not a whole model" in error
    assert "name another file" in error
