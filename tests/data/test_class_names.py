"""Names of classes, in the order of a network's outputs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from support.builders import make_config
from torchvision import datasets

from hpmkd.config.sweep import SweepConfig
from hpmkd.data import class_names as module
from hpmkd.data.cache import describe
from hpmkd.data.catalog import DATASETS
from hpmkd.data.class_names import PUBLISHED, class_names


def test_published_ones() -> None:
    assert {name: len(PUBLISHED[name]) for name in DATASETS} == {name: one.classes for name, one in DATASETS.items()}
    assert list(PUBLISHED["FashionMNIST"]) == datasets.FashionMNIST.classes
    assert list(PUBLISHED["CIFAR100"]) == sorted(set(PUBLISHED["CIFAR100"]))
    assert PUBLISHED["CIFAR10"][3] == "cat"


def test_of_your_own_folder(cache_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import Image

    for part in ("train", "test"):
        for shade, name in enumerate(("wolf", "Bär")):
            (tmp_path / "mine" / part / name).mkdir(parents=True)
            for number in range(20):
                Image.new("L", (16, 16), 20 * shade + number).save(tmp_path / "mine" / part / name / f"{number}.png")
    config: SweepConfig = make_config(cache_dir, datasets=[f"mine={tmp_path / 'mine'}"])
    (spec,) = describe(config)
    assert class_names(spec, config.data) == ["Bär", "wolf"]
    assert class_names(replace(spec, classes=3), config.data) is None
    monkeypatch.setattr(module, "MOST_CHARACTERS", 10)
    assert class_names(spec, config.data) is None
    monkeypatch.undo()
    monkeypatch.setattr(module, "MOST_CLASSES", 1)
    assert class_names(spec, config.data) is None
