"""Each measure against scikit-learn, torch or a case by hand, and what must hold for any answers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics
from torch.nn import functional as F

from hpmkd.audit import measures

Case = tuple[np.ndarray, np.ndarray, np.ndarray]


def draw(seed: int, images: int, classes: int, scale: float = 3.0) -> Case:
    """Labels, predicted classes and fp16 logits as files hold them; some classes may be absent."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, scale, (images, classes))
    labels = np.where(rng.random(images) < 0.5, logits.argmax(1), rng.integers(0, classes, images))
    logits = (logits - logits.max(1, keepdims=True)).astype(np.float16)
    return labels, logits.argmax(1), logits


CASES = [draw(1, 400, 10), draw(2, 30, 25), draw(3, 200, 2), draw(4, 1, 7), draw(5, 60, 6, scale=40.0)]


@pytest.mark.parametrize("case", CASES)
def test_against_scikit_learn(case: Case) -> None:
    labels, predicted, logits = case
    classes = logits.shape[1]
    every = list(range(classes))
    counts = measures.confusion_matrix(labels, predicted, classes)
    np.testing.assert_array_equal(counts, metrics.confusion_matrix(labels, predicted, labels=every))
    f1 = metrics.f1_score(labels, predicted, average="macro", zero_division=0)
    assert measures.macro_f1(counts) == pytest.approx(f1)
    present = sorted(set(labels))
    recall = metrics.recall_score(labels, predicted, labels=present, average=None, zero_division=0)
    np.testing.assert_allclose(measures.recalls(counts)[present], recall)
    assert np.isnan(np.delete(measures.recalls(counts), present)).all()
    assert measures.balanced_accuracy(counts) == pytest.approx(recall.mean())
    log_p = measures.log_softmax(logits)
    assert (
        measures.negative_log_likelihood(log_p, labels)
        == pytest.approx(metrics.log_loss(labels, np.exp(log_p).clip(1e-300), labels=every), rel=1e-6, abs=1e-9)
        or np.exp(log_p).min() < 1e-15
    ), "scikit-learn clips tiny probabilities"


@pytest.mark.parametrize("case", CASES)
def test_against_torch(case: Case) -> None:
    labels, _, logits = case
    z, y = torch.from_numpy(logits.astype(np.float64)), torch.from_numpy(labels)
    log_p = measures.log_softmax(logits)
    torch.testing.assert_close(torch.from_numpy(log_p), F.log_softmax(z, 1))
    torch.testing.assert_close(torch.from_numpy(measures.log_softmax(logits, 2.5)), F.log_softmax(z / 2.5, 1))
    assert measures.negative_log_likelihood(log_p, labels) == pytest.approx(float(F.cross_entropy(z, y)))
    one_hot = F.one_hot(y, z.shape[1]).double()
    assert measures.brier_score(log_p, labels) == pytest.approx(float(((F.softmax(z, 1) - one_hot) ** 2).sum(1).mean()))
    other = torch.from_numpy(draw(9, len(labels), z.shape[1])[2].astype(np.float64))
    expected = float(F.kl_div(F.log_softmax(z, 1), F.log_softmax(other, 1), log_target=True, reduction="batchmean"))
    found = measures.mean_divergence(measures.log_softmax(other.numpy()), log_p)
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("case", [one for one in CASES if one[2].shape[1] > 5])
def test_the_five_likeliest(case: Case) -> None:
    labels, predicted, logits = case
    unique = logits + np.random.default_rng(0).random(logits.shape) * 1e-4  # no ties: every rule agrees
    unique[np.arange(len(labels)), predicted] += 1
    expected = np.mean([label in np.argsort(-row)[:5] for label, row in zip(labels, unique, strict=True)])
    assert measures.top_accuracy(unique, labels, predicted) == pytest.approx(expected)


def test_ties_among_the_likeliest() -> None:
    """All alike in fp16: the predicted class first, then the lower ones, never more than five."""
    logits, predicted = np.zeros((7, 7), np.float16), np.full(7, 6)
    hits = [measures.top_accuracy(logits[:1], np.array([label]), predicted[:1]) for label in range(7)]
    assert hits == [1, 1, 1, 1, 0, 0, 1]


@pytest.mark.parametrize("classes", [2, 5])
def test_with_five_classes_or_fewer_they_are_all_there_are(classes: int) -> None:
    labels, predicted, logits = draw(1, 20, classes)
    assert math.isnan(measures.top_accuracy(logits, labels, predicted))


def test_calibration_error_by_hand() -> None:
    """Four images with confidences 0.95 (right), 0.95 (wrong), 0.6 (right), 0.6 (right), of two classes.

    Bin (14/15, 1]: accuracy 0.5, confidence 0.95; bin (8/15, 9/15]: 1 and 0.6: 2/4 * 0.45 + 2/4 * 0.4.
    """
    p = np.array([[0.95, 0.05], [0.95, 0.05], [0.4, 0.6], [0.4, 0.6]])
    labels, predicted = np.array([0, 1, 1, 1]), p.argmax(1)
    bins = measures.reliability(np.log(p), labels, predicted)
    np.testing.assert_array_equal(np.flatnonzero(bins[0]), [8, 14])
    np.testing.assert_allclose(bins[:, [8, 14]], [[2, 2], [2, 1], [1.2, 1.9]])
    assert measures.calibration_error(bins) == pytest.approx(0.425)


def test_calibration_error_against_a_plain_loop() -> None:
    labels, predicted, logits = draw(7, 5000, 10)
    log_p = measures.log_softmax(logits, 1.7)
    confidence, total = np.exp(log_p).max(1), 0.0
    for number in range(15):
        inside = (confidence > number / 15) & (confidence <= (number + 1) / 15)
        if inside.any():
            total += inside.mean() * abs((labels == predicted)[inside].mean() - confidence[inside].mean())
    assert measures.calibration_error(measures.reliability(log_p, labels, predicted)) == pytest.approx(total)


def test_a_calibrated_model_has_no_error_and_an_overconfident_one_does() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (200_000, 10))
    labels = (logits + rng.gumbel(size=logits.shape)).argmax(1)
    errors = [
        measures.calibration_error(
            measures.reliability(measures.log_softmax(logits, temperature), labels, logits.argmax(1))
        )
        for temperature in (1.0, 0.5)
    ]
    assert errors[0] < 0.005 < 0.1 < errors[1]


def test_macro_f1_is_the_mean_of_f1_and_not_the_f1_of_means() -> None:
    """Opitz and Burst: the two differ where errors are skewed."""
    counts = np.array([[1, 9], [0, 90]])
    f1 = [2 * 1 / (2 * 1 + 0 + 9), 2 * 90 / (2 * 90 + 9 + 0)]
    assert measures.macro_f1(counts) == pytest.approx(np.mean(f1))
    precision, recall = np.mean([1, 90 / 99]), np.mean([0.1, 1])
    assert measures.macro_f1(counts) < 2 * precision * recall / (precision + recall) - 0.1


def test_macro_f1_of_classes_that_are_never_predicted_or_absent() -> None:
    never = np.array([[5, 0, 0], [5, 0, 0], [0, 0, 5]])
    assert measures.macro_f1(never) == pytest.approx((2 / 3 + 0 + 1) / 3)
    absent = np.array([[5, 0, 0], [0, 0, 0], [0, 0, 5]])
    assert measures.macro_f1(absent) == 1.0
    only_predicted = np.array([[5, 5, 0], [0, 0, 0], [0, 0, 5]])
    assert measures.macro_f1(only_predicted) == pytest.approx((2 / 3 + 0 + 1) / 3)
    assert measures.balanced_accuracy(only_predicted) == pytest.approx(0.75)


def test_agreement_by_hand() -> None:
    labels = np.array([0, 0, 1, 1, 2])
    teacher, student = np.array([0, 1, 1, 0, 2]), np.array([0, 1, 0, 2, 2])
    assert measures.agreement(student, teacher) == 0.6
    assert measures.agreement_on_errors(student, teacher, labels) == 0.5
    assert math.isnan(measures.agreement_on_errors(student, labels, labels))


@st.composite
def answers(draw_from: Any) -> Case:
    """Any at all: extreme logits, one image, absent classes, ties."""
    images, classes = draw_from(st.integers(1, 40)), draw_from(st.integers(2, 12))
    seed, scale = draw_from(st.integers(0, 2**32 - 1)), draw_from(st.sampled_from([0.0, 1e-3, 1.0, 30.0, 1e5]))
    rng = np.random.default_rng(seed)
    z = rng.normal(0, scale, (images, classes)) if scale else np.zeros((images, classes))
    z = (z - z.max(1, keepdims=True)).clip(-65504, 0).astype(np.float16)
    labels = rng.integers(0, draw_from(st.integers(1, classes)), images)
    return labels, z.argmax(1), z


def everything(case: Case, other: Case | None = None) -> dict[str, float]:
    labels, predicted, z = case
    counts = measures.confusion_matrix(labels, predicted, z.shape[1])
    log_p = measures.log_softmax(z)
    found = {
        "f1": measures.macro_f1(counts),
        "balanced": measures.balanced_accuracy(counts),
        "nll": measures.negative_log_likelihood(log_p, labels),
        "brier": measures.brier_score(log_p, labels),
        "ece": measures.calibration_error(measures.reliability(log_p, labels, predicted)),
        "top": measures.top_accuracy(z, labels, predicted),
    }
    if other is not None:
        found["agreement"] = measures.agreement(predicted, other[1])
        found["kl"] = measures.mean_divergence(measures.log_softmax(other[2]), log_p)
    return found


@given(answers(), st.integers(0, 1000))
def test_the_order_of_the_images_changes_nothing(case: Case, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(case[0]))
    other = tuple(part[::-1] for part in case)
    before = everything(case, other)  # type: ignore[arg-type]
    after = everything(tuple(part[order] for part in case), tuple(part[order] for part in other))  # type: ignore[arg-type]
    assert before == pytest.approx(after, nan_ok=True, rel=1e-9, abs=1e-12)


@given(answers(), answers())
def test_bounds_and_never_nan(case: Case, other: Case) -> None:
    count = min(len(case[0]), len(other[0]))
    classes = min(case[2].shape[1], other[2].shape[1])
    cut = [
        (one[0][:count] % classes, one[2][:count, :classes].argmax(1), one[2][:count, :classes])
        for one in (case, other)
    ]
    found = everything(*cut)
    assert all(math.isfinite(value) for name, value in found.items() if name != "top")
    assert math.isnan(found["top"]) == (classes <= 5)
    accuracy = float((cut[0][0] == cut[0][1]).mean())
    for name in ("f1", "balanced", "ece", "agreement"):
        assert 0 <= found[name] <= 1 + 1e-12
    assert 0 <= found["brier"] <= 2 + 1e-9
    assert found["nll"] >= 0
    assert found["kl"] >= 0
    if classes > 5:
        assert accuracy <= found["top"] <= 1


@given(answers())
def test_a_model_agrees_with_itself(case: Case) -> None:
    found = everything(case, case)
    assert found["agreement"] == 1
    assert found["kl"] == pytest.approx(0, abs=1e-12)
