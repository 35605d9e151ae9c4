"""Losses against numpy in float64, written from the papers' formulas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from support.builders import STUDENT, TEACHER, make_config
from support.losses import HPARAMS, numpy, outputs, softmax
from torch.nn import functional as F

from hpmkd.config.specs import ModelSpec
from hpmkd.methods.base import kd_terms, paired_stages, same_size
from hpmkd.methods.build import DISTILLERS, build_distiller
from hpmkd.methods.features.at import attention_map
from hpmkd.methods.features.fitnets import middle
from hpmkd.plan.catalog import BASELINES, baselines_of

CHANCE = np.random.default_rng(5)


def kd_reference(student: np.ndarray, teacher: np.ndarray, target: np.ndarray, T: float, a: float) -> tuple:
    p, q = softmax(teacher / T), softmax(student / T)
    soft = (p * (np.log(p) - np.log(q))).sum(1).mean()
    hard = -np.log(softmax(student)[np.arange(len(target)), target]).mean()
    return (1 - a) * hard, a * T * T * soft


@pytest.mark.parametrize(("T", "a"), [(4.0, 0.9), (1.0, 0.5), (20.0, 1.0), (2.0, 0.0)])
def test_kd_against_its_formula(T: float, a: float) -> None:
    student, teacher = CHANCE.normal(size=(7, 5)) * 3, CHANCE.normal(size=(7, 5)) * 3
    target = CHANCE.integers(0, 5, 7)
    terms = kd_terms(torch.tensor(student), torch.tensor(teacher), torch.tensor(target), T, a)
    expected = kd_reference(student, teacher, target, T, a)
    assert float(terms["ce"]) == pytest.approx(expected[0], rel=1e-9, abs=1e-12)
    assert float(terms["kd"]) == pytest.approx(expected[1], rel=1e-9, abs=1e-12)


def test_kd_gradient_is_the_papers() -> None:
    """dL/dz = a T (q - p) / N for the soft part: T^2 leaves one T (Hinton et al. 2015, equation 2)."""
    student = torch.tensor(CHANCE.normal(size=(4, 5)), requires_grad=True)
    teacher, T, a = torch.tensor(CHANCE.normal(size=(4, 5))), 4.0, 0.9
    kd_terms(student, teacher, torch.zeros(4, dtype=torch.int64), T, a)["kd"].backward()
    q, p = softmax(numpy(student) / T), softmax(teacher.numpy() / T)
    assert np.allclose(student.grad.numpy(), a * T * (q - p) / 4, rtol=1e-9)


def loss(name: str, progress: float = 0.0, **hparams: Any) -> dict[str, torch.Tensor]:
    student, teacher, target = outputs()
    return build_distiller(name, {**HPARAMS, **hparams}, STUDENT, (TEACHER,), 3).loss(
        student, [teacher], target, progress
    )


@pytest.mark.parametrize("name", ["TraditionalKD", "TAKD", "AT", "FitNets"])
def test_every_method_stands_on_kd(name: str) -> None:
    student, teacher, target = outputs()
    hard, soft = kd_reference(numpy(student.logits), numpy(teacher.logits), target.numpy(), 3.0, 0.7)
    terms = loss(name)
    assert terms["ce"].item() == pytest.approx(hard, rel=1e-4)
    assert terms["kd"].item() == pytest.approx(soft, rel=1e-4)
    assert set(terms) - {"ce", "kd"} == {"AT": {"at"}, "FitNets": {"hint"}}.get(name, set())


def test_direct_is_cross_entropy_and_needs_no_teacher() -> None:
    student, _, target = outputs()
    terms = build_distiller("Direct", {}, STUDENT, (), 0).loss(student, [], target, 0.0)
    hard, _ = kd_reference(numpy(student.logits), numpy(student.logits), target.numpy(), 1.0, 0.0)
    assert list(terms) == ["ce"]
    assert terms["ce"].item() == pytest.approx(hard, rel=1e-4)


@pytest.mark.parametrize("p", [2.0, 1.0, 4.0])
def test_at_against_its_formula(p: float) -> None:
    student, teacher, _ = outputs()
    expected = 0.0
    for ours, theirs in zip(student.features, teacher.features, strict=True):
        maps = []
        for feature in (numpy(ours), numpy(theirs)):
            power = (np.abs(feature) ** p).mean(1).reshape(len(feature), -1)
            maps.append(power / np.linalg.norm(power, axis=1, keepdims=True))
        expected += ((maps[0] - maps[1]) ** 2).mean()  # over images and positions: not the sum
    assert loss("AT", **{"at.p": p})["at"].item() == pytest.approx(50.0 * expected, rel=1e-4)


def test_attention_maps_have_norm_one() -> None:
    maps = attention_map(outputs()[1].features[0], 2.0)
    assert maps.shape == (6, 12 * 12)
    assert torch.allclose(maps.norm(dim=1), torch.ones(6))


def test_fitnets_hint_against_its_formula() -> None:
    student, teacher, target = outputs()
    distiller = build_distiller("FitNets", HPARAMS, STUDENT, (TEACHER,), 3).train()
    weight = numpy(distiller.regressor[0].weight)[:, :, 0, 0]
    ours = np.einsum("oc,nchw->nohw", weight, numpy(student.features[1]))
    mean, var = ours.mean((0, 2, 3), keepdims=True), ours.var((0, 2, 3), keepdims=True)
    normal = (ours - mean) / np.sqrt(var + 1e-5)  # BatchNorm at its initial scale and shift
    expected = 20.0 * ((normal - numpy(teacher.features[1])) ** 2).mean()
    assert distiller.loss(student, [teacher], target, 0.0)["hint"].item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(("progress", "names"), [(0.0, {"hint"}), (0.29, {"hint"}), (0.3, {"ce", "kd"})])
def test_fitnets_in_two_stages(progress: float, names: set[str]) -> None:
    assert set(loss("FitNets", progress, **{"fitnets.schedule": "two_stage"})) == names


@pytest.mark.parametrize("name", ["FitNets", "AT"])
@pytest.mark.parametrize(
    "teacher", [ModelSpec("resnet8", (8, 8, 16), 1, 16, 4), ModelSpec("resnet14", (4, 8, 8), 1, 16, 4)]
)
def test_features_of_another_family_and_size(name: str, teacher: ModelSpec) -> None:
    student, known, target = outputs(teacher_spec=teacher)
    terms = build_distiller(name, HPARAMS, STUDENT, (teacher,), 0).loss(student, [known], target, 0.0)
    sum(terms.values()).backward()
    assert all(torch.isfinite(term) for term in terms.values())


def test_helper_modules_are_seeded_and_leave_no_trace() -> None:
    before = torch.get_rng_state()
    first, second, other = (build_distiller("FitNets", HPARAMS, STUDENT, (TEACHER,), seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    weights = [distiller.regressor[0].weight for distiller in (first, second, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_pairs_of_stages() -> None:
    assert paired_stages(3, 3) == [(0, 0), (1, 1), (2, 2)]
    assert paired_stages(2, 3) == [(0, 0), (1, 2)]
    assert paired_stages(3, 2) == [(0, 0), (2, 1)]
    assert paired_stages(1, 3) == [(0, 2)]


def test_same_size_pools_the_larger_map() -> None:
    a, b = torch.randn(2, 3, 8, 8), torch.randn(2, 5, 4, 4)
    small, same = same_size(a, b)
    assert torch.allclose(small, F.avg_pool2d(a, 2), atol=1e-6)
    assert same is b


def test_every_baseline_has_a_distiller_and_every_distiller_a_baseline() -> None:
    """What a baseline learns from stands in `plan`, which knows no torch, and its loss here: two dicts, held equal."""
    assert list(BASELINES) == [
        "Direct", "TraditionalKD", "DKD", "DIST", "MLKD", "NKD", "CTKD", "WTTM", "RLD", "FitNets", "AT", "SP", "RKD",
        "CC", "VID", "PKT", "NST", "OFD", "CRD", "ReviewKD", "SimKD", "DML", "BAN", "TAKD", "KD-Ensemble", "KD-Budget",
        "HPM-KD",
    ]  # fmt: skip
    baselines = baselines_of(make_config(baselines=list(BASELINES)))
    assert {baseline.method for baseline in baselines} == set(DISTILLERS)
    assert HPARAMS.keys() == {key for one in baselines if one.label != "HPM-KD" for key, _ in one.hparams}
    known = {baseline.method: baseline for baseline in baselines if baseline.label == baseline.method}
    for name, kind in DISTILLERS.items():
        assert type(build_distiller(name, dict(known[name].hparams), STUDENT, (TEACHER,), 0)) is kind
        assert kind.needs == known[name].taps
        assert kind.__name__ == name.replace("-", "")


@pytest.mark.parametrize(("stages", "place"), [(1, 0), (2, 1), (3, 1), (4, 1), (5, 2)])
def test_the_hint_is_that_of_the_published_tables(stages: int, place: int) -> None:
    """Of a ResNet the second stage, whether it has three or four."""
    assert middle(stages) == place
