"""What the page on models says of opening and of exports works as it stands there."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.builders import make_config, make_jobs

from hpmkd.data.cache import as_json, load
from hpmkd.store.export import export
from hpmkd.store.output_dir import OutputDir
from hpmkd.training.trial import run_job

PAGE = Path(__file__).resolve().parents[2] / "docs/pages/howto/models.md"
NAME = "student_Digits_AT_run1"
EPOCHS = {"fit__teacher_epochs": 1, "fit__student_epochs": 1}


def snippet(word: str) -> str:
    (found,) = [one for one in re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL) if word in one]
    return str(found)


@pytest.fixture(scope="module")
def trained(cache_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any, float, torch.Tensor]:
    """A folder with results/quick, the test part of its images, the student's accuracy, and the images normalised."""
    config = make_config(cache_dir, baselines=["AT"], data__train_images=None, **EPOCHS)
    root, threads, jobs = tmp_path_factory.mktemp("page"), torch.get_num_threads(), make_jobs(config)
    output = OutputDir(root / "results" / "quick")
    accuracy = 0.0
    for job in jobs.values():
        accuracy = list(run_job(job, output, config.data, torch.device("cpu")))[-1].accuracy_pct
    torch.set_num_threads(threads)
    splits = load(jobs[NAME].data, as_json(config.data))
    images = (splits.test.pixels.permute(0, 3, 1, 2) - splits.mean[:, None, None]) / splits.std[:, None, None]
    return root, splits, accuracy, images


def names_of(trained: Any, opened: str, monkeypatch: pytest.MonkeyPatch, more: str = "") -> dict[str, Any]:
    """What the snippets define, after `opened` and the one that prepares images have run in the folder."""
    root, splits, _, images = trained
    monkeypatch.chdir(root)
    found: dict[str, Any] = {"torch": torch, "np": np, "json": json, "pixels": splits.test.pixels.numpy()}
    found["images"] = images
    exec(snippet(opened), found)
    exec(snippet("def prepare"), found)
    return found


def check(trained: Any, found: dict[str, Any], logits: np.ndarray[Any, Any]) -> None:
    """The images are prepared as in training, and the answers have the accuracy that the file says."""
    _, splits, accuracy, images = trained
    prepared = found["prepare"](found["pixels"], found["about"])
    np.testing.assert_allclose(prepared, images.numpy(), atol=1e-5)
    names = found["name_of"](logits, found["about"])
    right = [one == str(label) for one, label in zip(names, splits.test.labels.tolist(), strict=True)]
    assert 100 * float(np.mean(right)) == pytest.approx(accuracy, abs=0.3)


def test_a_pt2_file(trained: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    export(trained[0] / f"results/quick/models/{NAME}.pt", "pt2")
    found = names_of(trained, "extra_files=extra", monkeypatch)
    prepared = torch.from_numpy(found["prepare"](found["pixels"], found["about"]))
    with torch.inference_mode():
        check(trained, found, found["program"](prepared).numpy())


@pytest.mark.slow
def test_an_onnx_file(trained: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    if any(importlib.util.find_spec(name) is None for name in ("onnx", "onnxscript", "onnxruntime")):
        pytest.skip("the libraries of onnx are not installed")
    export(trained[0] / f"results/quick/models/{NAME}.pt", "onnx")
    found = names_of(trained, "get_modelmeta", monkeypatch)
    prepared = found["prepare"](found["pixels"], found["about"])
    check(trained, found, found["session"].run(["logits"], {"images": prepared})[0])


def test_a_safetensors_file_and_an_older_model(trained: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("safetensors")
    export(trained[0] / f"results/quick/models/{NAME}.pt", "safetensors")
    about = names_of(trained, "safe_open", monkeypatch)["about"]
    again: dict[str, Any] = {}
    exec(snippet("describe(config)"), again)
    said = json.loads(about["normalisation"])
    for name in ("mean", "std"):
        assert again["normalisation"][name] == pytest.approx(said[name], rel=1e-6)


def test_a_network_that_is_built(trained: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(trained[0])
    found: dict[str, Any] = {"images": trained[3][:5]}
    text = snippet("model = build(")
    path = trained[0] / f"results/quick/models/{NAME}.pt"
    channels = tuple(torch.load(path)["metadata"]["architecture"]["channels"])
    exec(text.replace("(10, 20, 100)", str(channels)), found)  # the tests' students are narrower than the page's
    assert found["logits"].shape == (5, 10)
