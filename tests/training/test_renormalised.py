"""Clean teachers of students whose images are normalised otherwise."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from support.builders import TEACHER, make_config, make_jobs, make_raw

from hpmkd.data.augment import Normalise
from hpmkd.data.cache import as_json, load, prepare
from hpmkd.models import build
from hpmkd.training.renormalised import Renormalised, adapter


def test_a_teacher_sees_images_as_in_its_own_training() -> None:
    pixels = make_raw(channels=1).train.pixels[:8]
    own, given = (torch.tensor([100.0]), torch.tensor([50.0])), (torch.tensor([80.0]), torch.tensor([30.0]))
    network = build(TEACHER, 3).eval()
    wrapped = Renormalised(network, own, given).eval()
    seen, shown = (Normalise(*one, torch.device("cpu"))(pixels) for one in (own, given))
    with torch.no_grad():
        expected, found = network(seen, features=True), wrapped(shown, features=True)
        assert torch.allclose(found.logits, expected.logits, atol=1e-5)
        assert not torch.allclose(network(shown).logits, expected.logits, atol=1e-2), "else nothing is tested"
    assert all(
        torch.allclose(one, other, atol=1e-4) for one, other in zip(found.features, expected.features, strict=True)
    )


def test_only_where_moments_differ(tmp_path: Path) -> None:
    datasets = ["Digits@exp10-cleanTeacher", "Digits@sym0.2-cleanTeacher", "Digits@exp10"]
    config = make_config(tmp_path, datasets=datasets, baselines=["Direct", "TraditionalKD"], data__train_images=None)
    jobs = make_jobs(config)
    network = build(replace(TEACHER, image_size=28, classes=10), 0)
    for condition, wrapped in (("exp10-cleanTeacher", True), ("sym0.2-cleanTeacher", False), ("exp10", False)):
        job = jobs[f"student_Digits@{condition}_TraditionalKD_run1"]
        prepare(job.data, config.data)
        splits = load(job.data, as_json(config.data))
        made = adapter(job, splits, config.data)(job.parents[0], network)
        assert isinstance(made, Renormalised) == wrapped, condition
        assert wrapped or made is network
