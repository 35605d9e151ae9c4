"""`fit.kernels` in the plan: a part of the recipes of LeNet5s alone, and refused where it would change nothing."""

from __future__ import annotations

from typing import Any

import pytest
from support.builders import make_config, make_spec

from hpmkd.config.kernels import need_numba
from hpmkd.errors import EnvironmentProblem, UsageError
from hpmkd.plan.catalog import BASELINES, baselines_of
from hpmkd.plan.job import Job
from hpmkd.plan.kernels import kernel_shapes, need_lenet5
from hpmkd.plan.planner import expand

RESNET = {"arch": "resnet8", "channels": [2, 2, 2]}


def plan(kernels: str = "compiled", **more: Any) -> dict[str, Job]:
    config = make_config(fit__kernels=kernels, datasets=["Noise"], data__train_images=None, **more)
    spec = make_spec(augment="crop_flip", image_size=28, classes=10, images=1000)
    return {job.key: job for job in expand(config, [spec], baselines_of(config))}


@pytest.mark.parametrize("logits", ["live", "auto", "cached"])
def test_of_lenet5_every_recipe_has_it_and_else_nothing_changes(logits: str) -> None:
    named = {"baselines": sorted(BASELINES), "kd__logits": logits, "fit__student_epochs": 5}
    plain, compiled = plan("torch", **named), plan(**named)
    assert plain.keys() == compiled.keys()
    for key, job in compiled.items():
        recipe = job.recipe()
        assert recipe.pop("fit.kernels") == "compiled"
        assert recipe == plain[key].recipe()
        assert job.fingerprint != plain[key].fingerprint


def test_other_networks_go_on_with_torch() -> None:
    """A student follows its own network; what is asked of a living teacher follows the student."""
    named = {"baselines": ["Direct", "TraditionalKD", "DKD"], "kd__logits": "auto", "fit__student_epochs": 5}
    jobs = plan(teacher=RESNET, **named)
    found = {key: job.recipe().get("fit.kernels") for key, job in jobs.items()}
    assert found == {
        "teacher_Noise": None, "logits_teacher_Noise_run1": None, "student_Noise_Direct_run1": "compiled",
        "student_Noise_TraditionalKD_run1": "compiled", "student_Noise_DKD_run1": "compiled",
    }  # fmt: skip
    students = plan(student=RESNET, **named)
    assert {key for key, job in students.items() if job.fit.kernels == "compiled"} == {"teacher_Noise"}
    assert jobs["teacher_Noise"].fingerprint == plan("torch", teacher=RESNET, **named)["teacher_Noise"].fingerprint
    assert kernel_shapes(jobs.values()) == [(1, 28, 10, 20)]
    assert kernel_shapes(students.values()) == [(1, 28, 20, 50)]


def test_refused_without_a_lenet5() -> None:
    with pytest.raises(UsageError, match=r"(?s)fit\.kernels: no network of this sweep is a LeNet5.*resnet8"):
        need_lenet5(make_config(fit__kernels="compiled", teacher=RESNET, student=RESNET))
    need_lenet5(make_config(fit__kernels="compiled", teacher=RESNET))
    need_lenet5(make_config(teacher=RESNET, student=RESNET))


@pytest.mark.parametrize(("key", "value"), [("fit__precision", "bf16"), ("resources__device", "cuda")])
def test_refused_beside(key: str, value: str) -> None:
    told = rf"(?s)fit\.kernels.*torch beside {key.replace('__', '.')}: {value}.*found: compiled"
    with pytest.raises(UsageError, match=told):
        make_config(fit__kernels="compiled", **{key: value})
    make_config(**{key: value})


def test_refused_without_numba(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(EnvironmentProblem, match=r"pip install -e '\.\[compiled\]'"):
        need_numba()
