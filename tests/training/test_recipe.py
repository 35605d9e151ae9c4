"""Options of the recipe: label smoothing, mixup, a set of views, when to stop distilling."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.builders import batches_of, make_config, make_jobs
from support.pictures import SAME, numbered
from support.trainings import make, same, saved
from torch.nn import functional as F

from hpmkd.data.augment import TrainBatches, mix, mix_weights, soft_labels
from hpmkd.plan.job import Job


def test_label_smoothing_is_that_of_torch() -> None:
    logits, labels = torch.randn(6, 5), torch.arange(6) % 5
    ours = F.cross_entropy(logits, soft_labels(labels, 5, 0.1))
    assert float(ours) == pytest.approx(float(F.cross_entropy(logits, labels, label_smoothing=0.1)), rel=1e-6)


def test_mixup_by_hand() -> None:
    images, labels = torch.randn(3, 1, 2, 2), soft_labels(torch.tensor([0, 1, 2]), 3, 0.0)
    mixed, soft = mix(images, labels, 0.75)
    assert torch.allclose(mixed[0], 0.75 * images[0] + 0.25 * images[2])
    assert torch.allclose(mixed[1], images[1])
    assert soft.tolist() == [[0.75, 0.0, 0.25], [0.0, 1.0, 0.0], [0.25, 0.0, 0.75]]


@given(seed=st.integers(0, 2**63 - 1), epoch=st.integers(0, 1000))
def test_mix_weights_are_a_function_of_seed_and_epoch(seed: int, epoch: int) -> None:
    weights = mix_weights(seed, epoch, 5, 0.4)
    assert weights == mix_weights(seed, epoch, 5, 0.4)
    assert weights != mix_weights(seed, epoch + 1, 5, 0.4)
    assert all(0 <= weight <= 1 for weight in weights)


def test_views_are_few_distinct_and_the_same_for_all() -> None:
    first, second = (TrainBatches(numbered(30), SAME, "crop_flip", 10, views=4) for _ in range(2))
    assert torch.equal(first.drawn, second.drawn)
    assert all(len(set(row)) == 4 for row in first.drawn.tolist())
    assert len({tuple(row) for row in first.drawn.tolist()}) > 25
    seen: dict[int, set[int]] = {}
    for epoch in range(40):
        for batch in batches_of(first, 0, epoch):
            for image, which in zip(batch.images, batch.which.tolist(), strict=True):
                seen.setdefault(which, set()).add(hash(tuple(image.flatten().tolist())))
    assert all(1 < len(views) <= 4 for views in seen.values())


@pytest.mark.parametrize(
    "more",
    [{"label_smoothing": 0.1}, {"mixup": 0.4}, {"views": 3}, {"hparams": {"kd.until": 0.4}}],
    ids=lambda more: next(iter(more)),
)
@pytest.mark.parametrize("method", ["Direct", "TraditionalKD", "FitNets", "HPM-KD"])
def test_every_option_changes_training_and_survives_a_resume(method: str, more: dict[str, Any]) -> None:
    if method == "Direct" and "hparams" in more:
        more = {"views": 2}
    plain, whole, first, second = make(method), *(make(method, **more) for _ in range(3))
    before = [result.train_loss for result in plain.epochs()]
    after = [result.train_loss for result in whole.epochs()]
    assert before != after
    for result in first.epochs():
        if result.epoch == 2:
            break
    second.load_state_dict(saved(first))
    list(second.epochs())
    same(whole, second)


def test_after_until_the_student_learns_from_labels_and_nobody_asks_the_teacher() -> None:
    training = make("FitNets", hparams={"kd.until": 1 / 3})
    asked: list[int] = []
    training.teachers[0].network.register_forward_pre_hook(lambda part, given: asked.append(training.epoch))
    terms = [set(result.terms) for result in training.epochs()]
    assert terms == [{"ce", "kd", "hint"}, {"ce"}, {"ce"}]
    assert set(asked) == {0}


def jobs_of(**config: Any) -> dict[str, Job]:
    return make_jobs(make_config(baselines=["Direct", "TraditionalKD", "TAKD"], **config))


def test_smoothing_and_mixup_are_off_for_teachers_unless_set() -> None:
    jobs = jobs_of(fit__label_smoothing=0.1, fit__mixup=0.2, fit__views=3)
    teacher, student = jobs["teacher_Digits"].fit, jobs["student_Digits_Direct_run1"].fit
    assert (teacher.label_smoothing, teacher.mixup, teacher.views) == (0.0, 0.0, None)
    assert (student.label_smoothing, student.mixup, student.views) == (0.1, 0.2, 3)
    teacher = jobs_of(teacher_fit__label_smoothing=0.3, teacher_fit__mixup=0.4)["teacher_Digits"].fit
    assert (teacher.label_smoothing, teacher.mixup) == (0.3, 0.4)


def test_kd_mixup_is_for_what_is_distilled() -> None:
    jobs = jobs_of(kd__mixup=0.5)
    found = {key: job.fit.mixup for key, job in jobs.items()}
    assert {key for key, value in found.items() if value == 0.5} == {
        "assistant_Digits_TAKD",
        "student_Digits_TraditionalKD_run1",
        "student_Digits_TAKD_run1",
    }
    assert set(found.values()) == {0.0, 0.5}


def test_an_option_that_is_off_is_no_part_of_a_recipe() -> None:
    """Models that were trained before the option came keep their fingerprint."""
    plain, off = jobs_of(), jobs_of(kd__until=1.0, fit__label_smoothing=0.0, kd__cache_gib=7.0)
    assert {job.fingerprint for job in plain.values()} == {job.fingerprint for job in off.values()}
    recipe = plain["student_Digits_TraditionalKD_run1"].recipe()
    assert not {"fit.mixup", "fit.views", "fit.label_smoothing", "kd.until", "kd.logits", "kd.mixup"} & recipe.keys()
    on = jobs_of(kd__until=0.5)["student_Digits_TraditionalKD_run1"].recipe()
    assert on == {**recipe, "kd.until": 0.5}
