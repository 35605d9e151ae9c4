"""NumPy files: names and shapes as Keras, MedMNIST and people's own scripts write them."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.datasets import content, image_folder, read, refusal

from hpmkd.cli.main import main
from hpmkd.data.catalog import find
from hpmkd.data.source.parts import WHY_SPARE

CHANCE = np.random.default_rng(0)
TRAIN, TEST = CHANCE.integers(0, 256, (9, 8, 8), dtype=np.uint8), CHANCE.integers(0, 256, (6, 8, 8), dtype=np.uint8)
LABELS = np.arange(9) % 3, np.arange(6) % 3


def save(
    path: Path,
    train: Any = TRAIN,
    test: Any = TEST,
    labels: Any = LABELS,
    names: str = "train_images train_labels test_images test_labels",
    **more: Any,
) -> Path:
    """An .npz file of both parts."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **dict(zip(names.split(), (train, labels[0], test, labels[1]), strict=True)), **more)
    return path


@pytest.mark.parametrize(
    "names",
    [
        "train_images train_labels test_images test_labels",
        "x_train y_train x_test y_test",
        "X_train Y_train X_test Y_test",
        "train_images train_labels val_images val_labels",
        "train_x train_y test_x test_y",
        "images_train labels_train images_test labels_test",
        "trainimages trainlabels testimages testlabels",
    ],
)
@pytest.mark.parametrize("inside", [True, False])
def test_names(tmp_path: Path, names: str, inside: bool) -> None:
    path = save(tmp_path / "own" / "pets.npz", names=names)
    raw = read(path.parent if inside else path)
    assert raw.facts["layout"] == "NumPy arrays"
    assert np.array_equal(raw.train.pixels.squeeze(3).numpy(), TRAIN)
    assert np.array_equal(raw.test.pixels.squeeze(3).numpy(), TEST)
    assert raw.test.labels.tolist() == LABELS[1].tolist()
    assert find(str(path)).name == "pets"


def test_validation_beside_test_is_not_used(tmp_path: Path) -> None:
    path = save(tmp_path / "a.npz", val_images=TEST, val_labels=LABELS[1])
    raw = read(path)
    assert len(raw.test) == 6
    assert raw.facts["notes"] == [f"val is not used: {WHY_SPARE}"]


def test_a_file_per_part_and_a_file_per_array(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    for part, images, labels in (("train", TRAIN, LABELS[0]), ("test", TEST, LABELS[1])):
        np.savez_compressed(tmp_path / "a" / f"{part}.npz", images=images, labels=labels)
        np.save(tmp_path / "b" / f"x_{part}.npy", images)
        np.save(tmp_path / "b" / f"y_{part}.npy", labels)
    for name in ("a", "b"):
        assert np.array_equal(read(tmp_path / name).train.pixels.squeeze(3).numpy(), TRAIN)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda pixels: pixels[..., None], {}),
        (lambda pixels: pixels.astype(np.int64), {}),
        (lambda pixels: pixels.astype(np.uint16), {}),
        (lambda pixels: pixels.astype(np.uint16) * 257, {"16 bits: scaled to 8": 15}),
        (lambda pixels: (pixels / 255).astype(np.float32), {"floats from 0 to 1: scaled to 8 bits": 15}),
        (lambda pixels: np.stack([pixels] * 3, 3), {}),
        (lambda pixels: np.stack([pixels] * 3, 1), {"channels first: moved to the end": 15}),
        (lambda pixels: pixels[:, None], {"channels first: moved to the end": 15}),
    ],
)
def test_pixels_of_every_kind(tmp_path: Path, change: Any, said: dict[str, int]) -> None:
    raw = read(save(tmp_path / "a.npz", change(TRAIN), change(TEST)))
    assert np.array_equal(raw.train.pixels[..., 0].numpy(), TRAIN)
    assert raw.facts["converted"] == said


def test_16_bits_are_one_range_in_both_parts(tmp_path: Path) -> None:
    """A part, or an image, that happens to be dark is read as the others are."""
    deep = TEST.astype(np.uint16) * 257
    raw = read(save(tmp_path / "a.npz", TRAIN.astype(np.uint16), deep))
    assert raw.train.pixels.max() <= 1
    assert np.array_equal(raw.test.pixels.squeeze(3).numpy(), TEST)
    assert raw.facts["converted"] == {"16 bits: scaled to 8": 15}


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_a_small_part_of_16_bits_is_refused(tmp_path: Path, bits: int) -> None:
    train, test = (pixels.astype(np.uint16) * (2**bits // 256) for pixels in (TRAIN, TEST))
    said = refusal(save(tmp_path / "a.npz", train, test))
    assert "images of 16 bits that use a small part of their range" in said
    assert "15 images" in said
    assert "x 255 / 4095" in said


def test_truth_values(tmp_path: Path) -> None:
    raw = read(save(tmp_path / "a.npz", TRAIN > 99, TEST > 99))
    assert np.array_equal(raw.train.pixels.squeeze(3).numpy(), np.where(TRAIN > 99, 255, 0))


@pytest.mark.parametrize(
    "change",
    [
        lambda labels: labels[:, None],
        lambda labels: np.eye(3)[labels],
        lambda labels: labels + 1,
        lambda labels: labels.astype(float),
        lambda labels: np.array(["a", "b", "c"])[labels],
        lambda labels: np.array([b"a", b"b", b"c"])[labels],
    ],
)
def test_labels_of_every_kind(tmp_path: Path, change: Any) -> None:
    raw = read(save(tmp_path / "a.npz", labels=[change(one) for one in LABELS]))
    assert raw.train.labels.tolist() == LABELS[0].tolist()


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"train": TRAIN * 1.5}, "floats from "),
        ({"train": TRAIN.astype(int) - 1}, "whole numbers from -1"),
        ({"train": np.where(TRAIN > 250, np.nan, 0.0)}, "15 images cannot be read"),
        ({"train": TRAIN.reshape(9, 64)}, "found: 9, 64"),
        ({"train": TRAIN[:8]}, "do not belong together"),
        ({"train": np.stack([TRAIN] * 2, 3)}, "2 channels"),
        ({"train": TRAIN[:, :, :7], "test": TEST[:, :, :7]}, "7x8"),
        ({"train": TRAIN.astype(complex)}, "an array of complex128"),
        ({"train": np.array(5)}, "do not belong together"),
        ({"labels": (LABELS[0] + 0.5, LABELS[1])}, "row 0: 0.5 is not a whole number"),
        ({"labels": (np.array([None] * 9), LABELS[1])}, "without Python objects"),
    ],
)
def test_what_means_nothing_is_refused(tmp_path: Path, given: Any, word: str) -> None:
    assert word in refusal(save(tmp_path / "a.npz", **given))


def test_values_out_of_range_are_one_line_with_its_advice(tmp_path: Path) -> None:
    """Normalised images: every row of the array is out of range, each by other numbers."""
    normal = save(tmp_path / "a.npz", train=TRAIN / 128.0 - 1, test=TEST / 128.0 - 1)
    said = refusal(normal)
    assert "15 of 15 images cannot be read" in said
    assert f"found: {normal}: 15 images, such as row 0: floats from -" in said
    assert "scale the values to 0..1 or to 0..255" in said
    assert "Pillow" not in said
    assert "replace" not in said


def test_images_or_labels_alone(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", train_images=TRAIN, test_images=TEST, test_labels=LABELS[1])
    assert "images of train only" in refusal(tmp_path)


@pytest.mark.parametrize("data", [b"", b"x", pickle.dumps([1]), b"\x93NUMPY"])
def test_files_that_hold_no_arrays(tmp_path: Path, data: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.npz").write_bytes(data)
    assert main(["data", str(tmp_path / "a.npz"), "--data.cache_dir", str(tmp_path / "cache")]) == 3
    assert "a.npz" in capsys.readouterr().err


def test_damaged_arrays(tmp_path: Path) -> None:
    path = save(tmp_path / "a.npz")
    data = bytearray(path.read_bytes())
    data[300] ^= 255
    path.write_bytes(data)
    assert "a.npz: cannot be read" in refusal(path)
    path.write_bytes(data[: len(data) // 2])
    assert "a.npz: cannot be read" in refusal(path)


def test_the_identity_is_the_file(tmp_path: Path) -> None:
    first = content(save(tmp_path / "a.npz"))
    assert content(save(tmp_path / "b.npz")) == first
    assert content(save(tmp_path / "b.npz", TRAIN ^ 1)) != first


def test_resized(tmp_path: Path) -> None:
    raw = read(save(tmp_path / "a.npz", TRAIN[:, :, :7], TEST[:, :, :7]), image_size=16)
    assert raw.train.pixels.shape == (9, 16, 16, 1)


def test_arrays_that_are_there_twice(tmp_path: Path) -> None:
    save(tmp_path / "a.npz")
    save(tmp_path / "b.npz")
    said = refusal(tmp_path)
    assert "more than once" in said
    assert "a.npz: train_images" in said
    assert "b.npz: train_images" in said


def test_other_npz_files_do_not_matter_to_class_folders(tmp_path: Path) -> None:
    image_folder(tmp_path)
    (tmp_path / "features.npz").write_bytes(b"x")
    np.savez(tmp_path / "more.npz", embeddings=TRAIN)
    assert read(tmp_path).facts["layout"] == "image folders"


def test_names_that_mean_nothing_are_shown(tmp_path: Path) -> None:
    path = save(tmp_path / "a.npz", names="a b c d")
    assert "found: a, b, c, d" in refusal(path)


def test_a_file_with_two_held_out_parts(tmp_path: Path) -> None:
    labels = np.arange(6) % 2
    arrays = {f"x_{part}": np.zeros((6, 8, 8), np.uint8) for part in ("train", "val", "valid")}
    np.savez(tmp_path / "own.npz", **arrays, **{name.replace("x", "y", 1): labels for name in arrays})
    said = refusal(tmp_path / "own.npz")
    assert f"{tmp_path / 'own.npz'}: the same part under two names" in said
    assert "found: val, valid" in said
    assert "keep one of them, or call the one to be held out test" in said


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("kind", ["plain", "by column", "one image"])
def test_images_are_read_some_at_a_time(
    packed: bool, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the order in memory, and however many fit into a chunk."""
    from hpmkd.data.layouts import arrays

    monkeypatch.setattr(arrays, "_CHUNK", 64 * 4 if kind != "one image" else 1)
    (np.savez_compressed if packed else np.savez)(
        tmp_path / "x.npz", train_images=np.asfortranarray(TRAIN) if kind == "by column" else TRAIN,
        train_labels=LABELS[0], test_images=TEST, test_labels=LABELS[1],
    )  # fmt: skip
    raw = read(tmp_path / "x.npz")
    assert np.array_equal(raw.train.pixels[..., 0].numpy(), TRAIN)
    assert np.array_equal(raw.test.pixels[..., 0].numpy(), TEST)


def test_an_array_that_ends_too_early(tmp_path: Path) -> None:
    for part, images, labels in (("train", TRAIN, LABELS[0]), ("test", TEST, LABELS[1])):
        np.save(tmp_path / f"{part}_images.npy", images)
        np.save(tmp_path / f"{part}_labels.npy", labels)
    whole = (tmp_path / "train_images.npy").read_bytes()
    (tmp_path / "train_images.npy").write_bytes(whole[:-64])
    assert "of which some are missing" in refusal(tmp_path)
