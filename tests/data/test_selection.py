"""What a sweep takes of its data sets, told before it trains: images per class as used, and one data set twice."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from support.builders import make_config
from support.datasets import class_folders, image_folder, rows

from hpmkd.cli.main import main
from hpmkd.data import cache
from hpmkd.data.selection import ORDER, used


def many(root: Path, number: int = 60) -> Path:
    class_folders(root / "train", rows(number))
    class_folders(root / "test", rows(6, first=number))
    return root


@pytest.mark.parametrize(("count", "fraction"), [(None, 0.1), (7, 0.1), (20, 0.5), (1, 0.02)])
def test_the_numbers_are_those_of_the_split(tmp_path: Path, count: int | None, fraction: float) -> None:
    config = make_config(
        tmp_path / "cache", datasets=[f"x={many(tmp_path / 'x')}"],
        data__train_images=count, data__validation_fraction=fraction,
    )  # fmt: skip
    (spec,) = cache.describe(config)
    splits = cache.load(spec, cache.as_json(config.data))
    known = cache.remembered(spec, config.data)
    assert known is not None
    found = used(spec, known[1].with_suffix(ORDER))
    assert found is not None
    for numbers, part in ((found.train, splits.train), (found.validation, splits.validation)):
        counted = Counter(part.labels.tolist())
        assert list(numbers) == [counted[label] for label in range(3)]


def test_a_file_of_labels_that_is_gone_or_another(tmp_path: Path) -> None:
    """Nothing is said of what is not known; nothing fails."""
    config = make_config(tmp_path / "cache", datasets=[f"x={many(tmp_path / 'x')}"], data__train_images=7)
    (spec,) = cache.describe(config)
    (order,) = (tmp_path / "cache").glob("x-*.npy")
    for damage in (b"", b"x", order.read_bytes()[:-3]):
        order.write_bytes(damage)
        assert used(spec, order) is None
    np.save(order, np.arange(60))
    assert used(spec, order) is None
    order.unlink()
    assert cache.describe(config) == [spec]
    assert cache.take_census(cache.find_all(config.datasets)[0][0], config.data)["used"] is None


def test_said_before_training(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "hpmkd")
    own = f"x={many(tmp_path / 'x')}"
    cache.describe(make_config(tmp_path / "cache", datasets=[own], data__train_images=30))
    line = "x: 30 of 54 training images are used (data.train_images; 6 kept for validation); "
    (said,) = [one for one in caplog.messages if one.startswith(line)]
    assert said.endswith(" of each class")
    assert "without an image" not in caplog.text
    cache.describe(make_config(tmp_path / "cache", datasets=[own], data__train_images=1))
    assert "x: warning: 2 of 3 classes without an image among the 1 that are trained on: " in caplog.text
    caplog.clear()
    cache.describe(make_config(tmp_path / "cache", datasets=[own, f"{own}@n1"]))
    assert "x@n1: warning: 2 of 3 classes" in caplog.text


def test_in_the_census(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["data", f"x={many(tmp_path / 'x')}", "--data.cache_dir", str(tmp_path / "cache")]
    assert main([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["used"]
    assert (sum(found["train"]), sum(found["validation"])) == (54, 6)
    assert main([*words, "--data.train_images", "1", "--data.validation_fraction", "0.5"]) == 0
    out = capsys.readouterr().out
    assert "trained on" in out
    assert "2 of 3 classes without an image among the 1 that are trained on" in " ".join(out.split())
    assert "--data.train_images 1 --data.validation_fraction 0.5 -n" in out
    assert main([*words, "--data.train_images", "1000"]) == 0, "which the sweep refuses"
    assert "trained on" not in capsys.readouterr().out


def test_one_data_set_under_two_names(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    one, other = image_folder(tmp_path / "a"), image_folder(tmp_path / "b")
    cache.describe(make_config(tmp_path / "cache", datasets=[f"A={one}", f"B={other}", f"A={one}@n3"]))
    (said,) = [line for line in caplog.messages if "same data set" in line]
    assert said.startswith("warning: A and B are the same data set: the same images with the same labels")
    assert f"({one}, {other})" in said
    caplog.clear()
    cache.describe(make_config(tmp_path / "cache", datasets=[f"A={one}", f"C={one}"]))
    assert f"A and C are the same data set: the same images with the same labels ({one});" in caplog.text
    caplog.clear()
    cache.describe(make_config(tmp_path / "cache", datasets=[f"A={one}", f"A={one}@n3", f"D={many(tmp_path / 'd')}"]))
    assert "same data set" not in caplog.text
