"""Recall of rare classes, and wrong labels that a network has learnt."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from hpmkd.audit.data_measures import COLUMNS, columns, has_wrong_labels, mean_recall, shots, tail_recall, unmemorised
from hpmkd.data.conditions.draws import class_order
from hpmkd.store import memorised_file
from hpmkd.store.memorised_file import Memorised
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.sidecar import Header


def test_shots_by_hand() -> None:
    """Liu et al. 2019: more than 100, 20 to 100, less than 20 training images."""
    found = shots([0.9, 0.8, 0.6, 0.4, 0.1], [101, 100, 20, 19, 1])
    assert found == pytest.approx({"many_shot_pct": 90, "medium_shot_pct": 70, "few_shot_pct": 25})
    assert math.isnan(shots([0.5, 0.5], [500, 500])["few_shot_pct"])
    assert shots([math.nan, 0.5], [500, 500])["many_shot_pct"] == 50


def test_the_tail_is_the_last_half_of_the_classes() -> None:
    recall = np.zeros(10)
    recall[class_order("D", 10)[5:]] = [0.1, 0.2, 0.3, 0.4, 0.5]
    assert tail_recall(recall, "D") == pytest.approx(30)
    assert tail_recall(recall[::-1], "D") != pytest.approx(30)
    assert math.isnan(mean_recall([math.nan], [0]))


def header(condition: str | None, role: str = "student", **facts: object) -> Header:
    meta = {"role": role, "dataset": "D", "condition": condition, "weights_sha256": "w", "training_data": facts}
    return Header("s", 1, accuracy=50.0, train_time=1.0, timestamp="", metadata=meta)


def test_who_has_wrong_labels_to_learn() -> None:
    assert has_wrong_labels(header("sym0.2"))
    assert has_wrong_labels(header("n50-exp10-pair0.3-cleanVal", "teacher"))
    assert not has_wrong_labels(header("exp10"))
    assert not has_wrong_labels(header(None))
    assert not has_wrong_labels(header("sym0.2", "logits"))
    assert not has_wrong_labels(Header("s", 1, accuracy=1.0, train_time=1.0, timestamp="", metadata={"condition": 3}))


def test_numbers_are_believed_for_the_weights_that_gave_them_alone(tmp_path: Path) -> None:
    path = tmp_path / "memorised" / "a.json"
    made = Memorised(flipped=8, as_given=2, as_true=5)
    memorised_file.write(path, made, "a", "w")
    assert memorised_file.read(path, "w") == made
    assert (made.given_pct, made.true_pct) == (25, 62.5)
    assert memorised_file.read(path, "other") is None
    assert memorised_file.read(path, None) is None
    path.write_text(path.read_text().replace('"as_given": 2', '"as_given": 8'))
    assert memorised_file.read(path, "w") is None, "the digest is that of other numbers"
    for damage in ("", "[]", "{}", "nonsense"):
        path.write_text(damage)
        assert memorised_file.read(path, "w") is None
    assert math.isnan(Memorised(0, 0, 0).given_pct)


def test_columns(tmp_path: Path) -> None:
    import pandas as pd

    output = OutputDir(tmp_path)
    found = {
        "noisy": header("sym0.2", images_per_class=[200, 10]),
        "odd": header("sym0.2", images_per_class="x"),
        "unmeasured": header(None, images_per_class=[200, 10]),
    }
    memorised_file.write(output.memorised_file("noisy"), Memorised(4, 1, 2), "noisy", "w")
    measured = pd.DataFrame({"key": ["noisy", "odd"], "recall": [np.array([0.5, 0.25]), np.array([0.5, 0.25])]})
    made = columns(output, found, measured)
    assert list(made.columns) == list(COLUMNS)
    (tail,) = class_order("D", 2)[1:]
    assert made.iloc[0].to_dict() == pytest.approx(
        {"tail_recall_pct": [50, 25][tail], "many_shot_pct": 50, "medium_shot_pct": math.nan, "few_shot_pct": 25,
         "memorised_pct": 25, "recovered_pct": 50}, nan_ok=True,
    )  # fmt: skip
    assert made.iloc[1].notna().sum() == 1
    assert made.iloc[2].isna().all()
    assert set(unmemorised(output, found)) == {"odd"}
    assert len(columns(output, {}, measured.iloc[:0])) == 0
