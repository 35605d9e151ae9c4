"""What models answer to test images: small files that anybody reads, believed for the weights that answered alone."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.disk_model import every_cut, record
from support.sweeps import flip

from hpmkd.errors import EnvironmentProblem
from hpmkd.store import predictions
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.predictions import Predictions
from hpmkd.store.sidecar import sidecar_path

KEY = "student_D_AT_run1"


def make(images: int = 40, classes: int = 10, seed: int = 0) -> Predictions:
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 4, (images, classes))
    logits = (logits - logits.max(1, keepdims=True)).astype(np.float16)
    return Predictions(rng.integers(0, classes, images), logits.argmax(1), logits, 1.5, "d" * 64)


def assert_same(found: Predictions | None, made: Predictions) -> None:
    assert found is not None
    for name in ("labels", "predicted", "logits"):
        np.testing.assert_array_equal(getattr(found, name), getattr(made, name))
    assert (found.temperature, found.data_sha256) == (made.temperature, made.data_sha256)


@pytest.mark.parametrize("classes", [2, 10, 256, 300])
def test_what_is_written_is_read(tmp_path: Path, classes: int) -> None:
    path, made = tmp_path / "x" / "a.npy", make(500, classes)
    header = predictions.write(path, made, KEY, "w")
    assert_same(predictions.read(path, "w"), made)
    assert header.accuracy == made.accuracy_pct == 100 * (made.labels == made.predicted).sum() / 500
    assert (header.metadata["key"], header.weights) == (KEY, "w")


def test_plain_numpy_reads_it_without_pickle(tmp_path: Path) -> None:
    made = make()
    predictions.write(tmp_path / "a.npy", made, KEY, "w")
    rows = np.load(tmp_path / "a.npy", allow_pickle=False)
    assert rows.dtype.names == ("label", "predicted", "logits")
    np.testing.assert_array_equal(rows["label"], made.labels)
    np.testing.assert_array_equal(rows["logits"], made.logits)
    assert rows["logits"].dtype == np.float16


def test_ten_thousand_images_take_220_kilobytes(tmp_path: Path) -> None:
    predictions.write(tmp_path / "a.npy", make(10_000, 10), KEY, "w")
    assert 0 < (tmp_path / "a.npy").stat().st_size - 10_000 * (2 * 10 + 2) <= 256, "numpy's header"
    assert sidecar_path(tmp_path / "a.npy").stat().st_size < 1000


def test_numbers_of_classes_are_numbers_afterwards(tmp_path: Path) -> None:
    """Bytes would overflow where a row of a confusion matrix is found by `classes * label`."""
    predictions.write(tmp_path / "a.npy", make(50, 200), KEY, "w")
    found = predictions.read(tmp_path / "a.npy", "w")
    assert found is not None
    assert (found.labels * 200 + found.predicted).max() > 255


@pytest.mark.parametrize("what", ["other weights", "no weights", "flipped", "cut", "empty", "gone", "no sidecar"])
def test_what_is_not_sure_is_not_there(tmp_path: Path, what: str) -> None:
    path = tmp_path / "a.npy"
    predictions.write(path, make(), KEY, "w")
    weights = {"other weights": "v", "no weights": None}.get(what, "w")
    if what == "flipped":
        flip(path)
    elif what in ("cut", "empty"):
        path.write_bytes(path.read_bytes()[:-1] if what == "cut" else b"")
    elif what == "gone":
        path.unlink()
    elif what == "no sidecar":
        sidecar_path(path).unlink()
    assert predictions.read(path, weights) is None
    assert (predictions.described(path, weights) is None) == (what != "flipped"), "sizes do not show a flipped bit"


def test_the_sidecar_of_another_file_does_not_vouch(tmp_path: Path) -> None:
    """Of another model's answers, of those of a cache of logits (another kind of file), of another format."""
    one, other = tmp_path / "a.npy", tmp_path / "b.npy"
    predictions.write(one, make(), KEY, "w")
    predictions.write(other, make(seed=1), "b", "v")
    sidecar_path(other).replace(sidecar_path(one))
    assert predictions.read(one, "w") is None
    assert predictions.read(one, "v") is None, "its bytes are those of w"


def test_another_format_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    predictions.write(tmp_path / "a.npy", make(), KEY, "w")
    monkeypatch.setattr(predictions, "FORMAT", 2)
    assert predictions.read(tmp_path / "a.npy", "w") is None


def test_a_copy_has_the_same_answers(tmp_path: Path) -> None:
    made = replace(make(), temperature=None)
    predictions.write(tmp_path / "a.npy", made, KEY, "w")
    assert predictions.copy(tmp_path / "a.npy", tmp_path / "b.npy", "teacher_D", "w")
    assert_same(predictions.read(tmp_path / "b.npy", "w"), made)
    assert not predictions.copy(tmp_path / "a.npy", tmp_path / "c.npy", "teacher_D", "v")
    assert not (tmp_path / "c.npy").exists()


@pytest.mark.parametrize("before", ["nothing", "old"])
def test_a_power_cut_leaves_the_old_the_new_or_none(tmp_path: Path, before: str) -> None:
    root = tmp_path / "out"
    output = OutputDir(root)
    root.mkdir()
    old, new = make(6, 3, seed=1), make(6, 3, seed=2)
    if before == "old":
        predictions.write(output.predictions_file(KEY), old, KEY, "old")
    disk, ops = record(root, lambda: predictions.write(output.predictions_file(KEY), new, KEY, "new"))
    seen = set()

    def check(there: OutputDir, made: int, done: bool) -> None:
        found = {weights: predictions.read(there.predictions_file(KEY), weights) for weights in ("old", "new")}
        for weights, answers in (("old", old), ("new", new)):
            if found[weights] is not None:
                assert_same(found[weights], answers)
                seen.add(weights)
        if done:
            assert found["new"] is not None

    assert every_cut(root, tmp_path / "cuts", disk, ops, check) >= 10
    assert seen == ({"old", "new"} if before == "old" else {"new"})


def test_a_full_disk_is_said_and_leaves_no_leftovers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(EnvironmentProblem, match="ENOSPC"):
        predictions.write(tmp_path / "a.npy", make(), KEY, "w")
    assert list(tmp_path.iterdir()) == []
