"""Images of one's own that are a file, not a folder: an archive or arrays. From the start to a restored sweep."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.sweeps import everything, restore, start

NAMES = ("zipped", "packed", "arrays")


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """The same 40 + 10 images of two classes, three times."""
    noise = np.random.default_rng(0)
    arrays = {}
    for part, count in (("train", 40), ("test", 10)):
        labels = np.arange(count) % 2
        pixels = noise.integers(0, 128, (count, 16, 16), dtype=np.uint8) + 100 * labels[:, None, None].astype(np.uint8)
        arrays |= {f"{part}_images": pixels, f"{part}_labels": labels}
        for place, (image, label) in enumerate(zip(pixels, labels, strict=True)):
            folder = tmp_path / "tree" / part / ("bright" if label else "dark")
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(folder / f"{place:03d}.png")
    np.savez(tmp_path / "arrays.npz", **arrays)
    made = {"arrays": tmp_path / "arrays.npz"}
    for name, kind in (("zipped", "zip"), ("packed", "gztar")):
        made[name] = Path(shutil.make_archive(str(tmp_path / name), kind, tmp_path / "tree"))
    shutil.rmtree(tmp_path / "tree")
    return {name: made[name] for name in NAMES}


def test_a_sweep_on_files_with_images(
    files: dict[str, Path], tmp_path: Path, small_ray: None, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--datasets", *(f"{name}={path}" for name, path in files.items()), "--baselines", "Direct"]
    given += ["--train-images", "null", "--teacher-epochs", "1", "--student-epochs", "1"]
    assert start(tmp_path / "out", tmp_path / "cache", *given) == 0, capsys.readouterr()
    assert "40 training and 10 test images of 2 classes" in capsys.readouterr().err
    before = everything(tmp_path / "out" / "models")
    made = {f"{role}_{name}{end}.pt" for name in NAMES for role, end in (("teacher", ""), ("student", "_Direct_run1"))}
    assert made <= {Path(name).name for name in before}
    assert restore(tmp_path / "out") == 0
    files["zipped"].unlink()
    assert restore(tmp_path / "out") == 0
    assert everything(tmp_path / "out" / "models") == before
    (tmp_path / "out" / "models" / "student_zipped_Direct_run1.pt").unlink()
    capsys.readouterr()
    assert restore(tmp_path / "out") == 3
    assert f"{files['zipped']}: no images there any more" in capsys.readouterr().err
