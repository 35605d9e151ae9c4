"""`protocol: literature`: its recipe, what it refuses, and that `honest` is what it always was."""

from __future__ import annotations

from typing import Any

import pytest
from support.builders import make_spec

from hpmkd.config.load import to_yaml, validate
from hpmkd.config.protocol import learning_rate
from hpmkd.config.sweep import SweepConfig
from hpmkd.config.yaml_text import parse_yaml
from hpmkd.data.cache import describe
from hpmkd.errors import UsageError
from hpmkd.plan.catalog import baselines_of
from hpmkd.plan.effort import effort
from hpmkd.plan.job import Job
from hpmkd.plan.planner import expand


def config(**more: Any) -> SweepConfig:
    raw = {"datasets": ["Digits"], "baselines": ["Direct", "TraditionalKD"], "protocol": "literature"}
    return validate({**raw, **more}, "here")


def jobs(**more: Any) -> dict[str, Job]:
    made = config(**more)
    return {job.key: job for job in expand(made, describe(made), baselines_of(made))}


def test_the_recipe_is_that_of_the_papers() -> None:
    fit = jobs()["student_Digits_Direct_run1"].fit
    assert (fit.epochs, fit.batch_size, fit.optimizer, fit.lr, fit.momentum) == (240, 64, "sgd", 0.05, 0.9)
    assert (fit.weight_decay, fit.schedule, fit.gamma, fit.nesterov) == (5e-4, "step", 0.1, False)
    assert [round(part * fit.epochs) for part in fit.milestones] == [150, 180, 210]
    assert jobs()["teacher_Digits"].fit == fit
    made = config()
    assert (made.kd.temperature, made.kd.alpha) == (4.0, 0.9)


@pytest.mark.parametrize(
    ("arch", "rate"),
    [("resnet20", 0.05), ("wrn_16_2", 0.05), ("vgg8", 0.05), ("MobileNetV2", 0.01), ("mobilenet_v2", 0.01),
     ("ShuffleNetV1", 0.01), ("shufflenet_v2", 0.01), ("ResNet50", 0.05)],
)  # fmt: skip
def test_some_networks_have_another_learning_rate(arch: str, rate: float) -> None:
    assert learning_rate(None, arch) == rate
    assert learning_rate(0.3, arch) == 0.3


def test_what_the_user_sets_wins() -> None:
    made = jobs(fit={"student_epochs": 8, "lr": 0.2, "nesterov": True}, teacher_fit={"lr": 0.3})
    student, teacher = made["student_Digits_Direct_run1"].fit, made["teacher_Digits"].fit
    assert (student.epochs, student.lr, student.nesterov, student.batch_size) == (8, 0.2, True, 64)
    assert (teacher.epochs, teacher.lr) == (240, 0.3)
    flag = validate(
        {"datasets": ["Digits"], "baselines": ["Direct"]}, "here", {"protocol": "literature", "fit.lr": 0.4}
    )
    assert (flag.fit.lr, flag.fit.batch_size) == (0.4, 64)


def test_no_image_is_held_out_and_the_fingerprint_says_so() -> None:
    mine = jobs()["student_Digits_Direct_run1"]
    assert mine.data.kept_of(1000) == 0
    assert mine.data.training_images == mine.data.images > 0
    fit = config().fit.model_dump() | {"lr": 0.05}
    honest = jobs(protocol="honest", fit=fit)["student_Digits_Direct_run1"]
    assert honest.fit == mine.fit
    assert honest.seed == mine.seed
    differ = {key for key, value in mine.recipe().items() if honest.recipe().get(key) != value}
    assert differ == {"data.validation_fraction"}
    assert honest.fingerprint != mine.fingerprint
    assert not honest.data.tests_each_epoch
    assert effort(mine) > effort(honest)  # 240 looks at the test images take longer than those at validation images


def test_the_written_config_means_the_same() -> None:
    made = config()
    assert validate(parse_yaml(to_yaml(made), "sweep.yaml"), "sweep.yaml") == made


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ({"data": {"validation_fraction": 0.1}}, "data.validation_fraction"),
        ({"data": {"clean_validation": [True], "label_noise": ["sym0.2"]}}, "data.clean_validation"),
        ({"datasets": ["Digits@sym0.2-cleanVal"]}, "datasets"),
        ({"vary": {"baselines": ["TraditionalKD"], "kd.temperature": [2, 4]}}, "vary"),
        ({"record": {"representations": True}}, "record.representations"),
        ({"protocol": "honest", "fit": {"lr": None}}, "fit.lr"),
        ({"protocol": "honest", "data": {"validation_fraction": 0.0}}, "data.validation_fraction"),
        ({"protocol": "published"}, "protocol"),
    ],
)
def test_what_needs_other_images_is_refused(more: dict[str, Any], key: str) -> None:
    with pytest.raises(UsageError) as caught:
        config(**more)
    assert f"bad value for `{key}`" in str(caught.value)


@pytest.mark.parametrize(
    ("baseline", "instead"),
    [
        ("HPM-KD", "HPM-KD-noAdaptive"),
        ("HPM-KD-M2", "HPM-KD-M2-noAdaptive-uniform"),
        ("HPM-KD-noAdaptive-M2", "HPM-KD-noAdaptive-M2-uniform"),
        ("HPM-KD-noMultiTeacher", "HPM-KD-noMultiTeacher-noAdaptive"),
        ("HPM-KD-uniform-M2", "HPM-KD-uniform-M2-noAdaptive"),
        ("TraditionalKD-adaptive-epochs9", "TraditionalKD-epochs9"),
        ("KD-Budget", "--hpmkd.adaptive false --hpmkd.weighting uniform"),
    ],
)
def test_a_baseline_that_would_choose_is_refused_with_the_words_to_use(baseline: str, instead: str) -> None:
    made = config(baselines=[baseline])
    with pytest.raises(UsageError, match=r"needs images that protocol: literature does not hold out") as caught:
        baselines_of(made)
    assert instead in str(caught.value)
    if instead.startswith("-"):
        made = config(baselines=[baseline], hpmkd={"adaptive": False, "weighting": "uniform"})
        assert baselines_of(made)
    else:
        (one,) = baselines_of(config(baselines=[instead]))
        assert not one.search


def test_all_images_can_still_be_a_subset() -> None:
    made = config(data={"train_images": 100})
    (spec,) = describe(made)
    assert (spec.training_images, spec.validation_fraction) == (100, 0.0)
    assert make_spec().tests_each_epoch is False
