"""Which networks are compared with which, and what of it is still true."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.frames import make_output
from support.representations import put_all

from hpmkd.audit.findings import headers
from hpmkd.audit.represented import COLUMNS, other_seeds, unrepresented, wanted
from hpmkd.audit.results import collect
from hpmkd.store.output_dir import OutputDir

TEACHER = "teacher_Digits"
BASELINES = ["Direct", "TraditionalKD", "TAKD", "KD-Ensemble"]
SEEDS = [(1, {}), (2, {1: 2}), (3, {1: 2, 2: 3, 3: 1}), (11, {10: 11, 11: 1, 2: 3})]


def make(root: Path, cache_dir: Path, runs: int, **more: object) -> OutputDir:
    return make_output(root, cache_dir, lambda job: 50.0 + len(job.key) / 10, baselines=BASELINES, runs=runs, **more)[0]


@pytest.mark.parametrize(
    ("runs", "pairs"), [(1, {}), (2, {1: 2}), (3, {1: 2, 2: 3, 3: 1}), (11, {10: 11, 11: 1, 2: 3})]
)
def test_each_seed_has_another(tmp_path: Path, cache_dir: Path, runs: int, pairs: dict[int, int]) -> None:
    found = other_seeds(headers(make(tmp_path / "out", cache_dir, runs)))
    assert len(found) == (runs if runs > 2 else runs - 1)
    for one, other in pairs.items():
        assert found[f"student_Digits_Direct_run{one}"] == f"student_Digits_Direct_run{other}"


def test_seeds_of_one_condition_and_pair(tmp_path: Path, cache_dir: Path) -> None:
    pairs = {"big": {"student": {"arch": "resnet8"}}, "small": {"student": {"arch": "lenet5"}}}
    output = make(tmp_path / "out", cache_dir, 2, pairs=pairs, datasets=["Digits", "Digits@n100"])
    found = other_seeds(headers(output))
    assert len(found) == 4
    assert all(one.removesuffix("1") == other.removesuffix("2") for one, other in found.items())


def test_who_is_compared_and_who_is_drawn(tmp_path: Path, cache_dir: Path) -> None:
    output = make(tmp_path / "out", cache_dir, 2)
    found = wanted(headers(output))
    assert set(found) == {path.stem for path in output.models.glob("*.pt")}
    assert list(found[f"{TEACHER}_2"].others) == [TEACHER]
    assert list(found["student_Digits_TAKD_run2"].others) == [TEACHER]
    assert dict(found[TEACHER].others) == {}
    drawn = {key for key, one in found.items() if one.is_mapped}
    assert drawn == {
        TEACHER,
        *(f"student_Digits_{name}_run1" for name in ("Direct", "TraditionalKD", "TAKD", "KD-Ensemble")),
    }


def test_columns(tmp_path: Path, cache_dir: Path) -> None:
    output = make(tmp_path / "out", cache_dir, 2)
    assert collect(output, None)[list(COLUMNS)].isna().all().all()
    put_all(output, lambda key, other: 0.9 if key.startswith("teacher") else 0.5)
    assert unrepresented(output, headers(output)) == ({}, [])
    frame = collect(output, None).set_index("file")
    assert frame.loc["student_Digits_TAKD_run1.pt", "cka_embedding"] == 0.5
    assert frame.loc[f"{TEACHER}_2.pt", "cka_logits"] == 0.9
    assert np.isnan(frame.loc[f"{TEACHER}.pt", "cka_logits"])
    assert frame.loc[f"{TEACHER}.pt", "knn_pct"] == 90.0
    assert frame[list(COLUMNS)].dtypes.eq("float64").all()
