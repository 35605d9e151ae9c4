"""The benchmark of HPM-KD's components: a row per variant, and what was trained is not trained again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import component_conditions as conditions
import component_variants as variants
import components
import pytest

TINY: dict[str, Any] = {
    "data": {"train_images": 60, "validation_fraction": 0.3},
    "fit": {"teacher_epochs": 10, "student_epochs": 2, "batch_size": 30},
}


@pytest.fixture
def work(tmp_path: Path, cache_dir: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    tiny = {**TINY, "data": {**TINY["data"], "cache_dir": str(cache_dir)}}
    monkeypatch.setitem(conditions.CONDITIONS, "digits", (tiny, 40))
    return ["digits", "--runs", "2", "--work", str(tmp_path)]


@pytest.mark.slow
def test_every_variant_has_a_row(work: list[str], tmp_path: Path) -> None:
    lines = components.main(work)
    assert [line.split(" | ")[0].removeprefix("| ") for line in lines[2:]] == list(components.VARIANTS)
    assert lines[2].split(" | ")[3:] == ["+0.00", "0.00 |"]
    file = tmp_path / "digits.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert len(rows) == 2 * len(components.VARIANTS)
    assert len({row["accuracy_pct"] for row in rows}) > 5  # they do differ
    before = file.stat().st_mtime_ns
    assert components.main(work) == lines
    assert file.stat().st_mtime_ns == before


def test_kd_is_the_methods_own(work: list[str], cache_dir: Path) -> None:
    """With one teacher and nothing else it is TraditionalKD, to the bit."""
    import argparse

    import torch

    from hpmkd.methods.build import build_distiller
    from hpmkd.models import ModelOutput

    here = conditions.setting("digits", argparse.Namespace(folder=None, data_dir=None))
    mixed = variants.Mixed(variants.VARIANTS["KD"], here.small)
    own = build_distiller("TraditionalKD", {"kd.temperature": 4.0, "kd.alpha": 0.9}, here.small, (here.large,), 0)
    student, teacher = (ModelOutput(torch.randn(5, 10, generator=torch.Generator().manual_seed(n))) for n in (1, 2))
    target = torch.arange(5)
    terms = [one.loss(student, [teacher], target, 0.3) for one in (mixed, own)]
    assert all(torch.equal(terms[0][name], terms[1][name]) for name in ("ce", "kd"))
