"""Methods that compare logits: against numpy in float64, written from the papers' formulas, gradients included."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from support.builders import STUDENT, TEACHER, make_config
from support.losses import softmax

from hpmkd.methods.build import build_distiller
from hpmkd.models import ModelOutput
from hpmkd.plan.catalog import baseline_of

CHANCE = np.random.default_rng(11)
N, K = 6, 10
Z, V = CHANCE.normal(size=(N, K)) * 2, CHANCE.normal(size=(N, K)) * 3
Y = CHANCE.integers(0, K, N)
# The teacher is wrong about some images, and of one it ranks no class below the true one.
V[0, Y[0]] = V[0].min() - 1
Reference = Callable[[np.ndarray, np.ndarray, np.ndarray, dict[str, Any], float], dict[str, float]]


def kl(p: np.ndarray, q: np.ndarray) -> float:
    safe = np.where(p > 0, p, 1)
    return float((p * (np.log(safe) - np.log(np.where(p > 0, q, 1)))).sum(-1).mean())


def without(values: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.stack([np.delete(row, label) for row, label in zip(values, y, strict=True)])


def pair(p: np.ndarray, y: np.ndarray) -> np.ndarray:
    own = p[np.arange(len(y)), y]
    return np.stack([own, 1 - own], 1)


def cross_entropy(z: np.ndarray, y: np.ndarray) -> float:
    return float(-np.log(softmax(z)[np.arange(len(y)), y]).mean())


def grown(progress: float, part: float) -> float:
    return min(1.0, progress / part)


def dkd(z: np.ndarray, v: np.ndarray, y: np.ndarray, s: dict[str, Any], progress: float) -> dict[str, float]:
    """Zhao et al. 2022, equations 5 to 7."""
    T, w = s["dkd.temperature"], grown(progress, s["dkd.warmup"])
    target = kl(pair(softmax(v / T), y), pair(softmax(z / T), y))
    rest = kl(softmax(without(v, y) / T), softmax(without(z, y) / T))
    return {"tckd": w * s["dkd.alpha"] * T * T * target, "nckd": w * s["dkd.beta"] * T * T * rest}


def dist(z: np.ndarray, v: np.ndarray, y: np.ndarray, s: dict[str, Any], progress: float) -> dict[str, float]:
    """Huang et al. 2022, equations 6 to 10; `np.corrcoef` is Pearson's correlation."""
    T = s["dist.temperature"]
    q, p = softmax(z / T), softmax(v / T)
    inter = 1 - np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(q, p, strict=True)])
    intra = 1 - np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(q.T, p.T, strict=True)])
    return {"inter": s["dist.beta"] * T * T * inter, "intra": s["dist.gamma"] * T * T * intra}


def nkd(z: np.ndarray, v: np.ndarray, y: np.ndarray, s: dict[str, Any], progress: float) -> dict[str, float]:
    """Yang et al. 2023, equation 8."""
    T, each = s["nkd.temperature"], np.arange(len(y))
    target = -np.mean(softmax(v)[each, y] * np.log(softmax(z)[each, y]))
    p, q = softmax(without(v, y) / T), softmax(without(z, y) / T)
    return {"target": target, "rest": -s["nkd.gamma"] * T * T * np.mean((p * np.log(q)).sum(1))}


def wttm(z: np.ndarray, v: np.ndarray, y: np.ndarray, s: dict[str, Any], progress: float) -> dict[str, float]:
    """Zheng and Yang 2024, equations 14 and 15: U is the power sum of the teacher's probabilities."""
    powers = softmax(v) ** s["wttm.gamma"]
    u = powers.sum(1)
    p, q = powers / u[:, None], softmax(z)
    each = (p * np.log(p / q)).sum(1)
    return {"ttm": s["wttm.beta"] * float(np.mean(u * each if s["wttm.weighting"] == "sample" else each))}


def rld(z: np.ndarray, v: np.ndarray, y: np.ndarray, s: dict[str, Any], progress: float) -> dict[str, float]:
    """Sun et al. 2025: the teacher's first class against the true one; then the classes that it has below that."""
    T, sharp, w = s["rld.temperature"], s["rld.confidence_temperature"], grown(progress, s["rld.warmup"])
    confidence = kl(pair(softmax(v / sharp), v.argmax(1)), pair(softmax(z / sharp), y))
    masked = []
    for a, b, label in zip(z, v, y, strict=True):
        kept = b < b[label]
        masked.append(kl(softmax(b[None, kept] / T), softmax(a[None, kept] / T)) if kept.any() else 0.0)
    return {
        "scd": w * s["rld.alpha"] * sharp**2 * confidence,
        "mcd": w * s["rld.beta"] * T * T * float(np.mean(masked)),
    }


def mlkd(z: np.ndarray, v: np.ndarray, y: np.ndarray, s: dict[str, Any], progress: float) -> dict[str, float]:
    """Jin et al. 2023, section 3.2 and 3.3; the fractions are those of the authors' code (`np.percentile`)."""
    images = kinds = 1.0
    if s["mlkd.masked"]:
        p = softmax(v)
        images = np.mean(p.max(1) <= np.percentile(p.max(1), 50))
        kinds = np.mean(p.sum(0) <= np.percentile(p.sum(0), 50))
    single = batch = by_class = 0.0
    for T in s["mlkd.temperatures"]:
        p, q = softmax(v / T), softmax(z / T)
        single += T * T * kl(p, q)
        batch += ((p @ p.T - q @ q.T) ** 2).sum() / len(y)
        by_class += ((p.T @ p - q.T @ q) ** 2).sum() / z.shape[1]
    w = s["mlkd.weight"]
    return {"instance": w * images * single, "batch": w * images * batch, "class": w * kinds * by_class}


def ctkd(z: np.ndarray, v: np.ndarray, y: np.ndarray, s: dict[str, Any], progress: float) -> dict[str, float]:
    """Li et al. 2023, equation 3, with theta = 1 as it starts."""
    T = s["ctkd.start"] + s["ctkd.span"] / (1 + math.exp(-1))
    return {"kd": s["kd.alpha"] * T * T * kl(softmax(v / T), softmax(z / T))}


def kd(z: np.ndarray, v: np.ndarray, y: np.ndarray, s: dict[str, Any], progress: float) -> dict[str, float]:
    """Hinton et al. 2015."""
    T = s["kd.temperature"]
    return {"kd": s["kd.alpha"] * T * T * kl(softmax(v / T), softmax(z / T))}


REFERENCES: dict[str, Reference] = {
    "DKD": dkd, "DIST": dist, "NKD": nkd, "WTTM": wttm, "RLD": rld, "MLKD": mlkd, "CTKD": ctkd, "TraditionalKD": kd,
}  # fmt: skip
LABELS = {"MLKD": 0.1, "CTKD": 0.1, "TraditionalKD": 0.1}


def settings(entry: str, cache_dir: Any) -> dict[str, Any]:
    return dict(baseline_of(make_config(cache_dir), entry).hparams)


def terms(name: str, hparams: dict[str, Any], z: torch.Tensor, progress: float, v: np.ndarray = V) -> dict[str, Any]:
    distiller = build_distiller(name, hparams, STUDENT, (TEACHER,), 3).double()
    return distiller.loss(ModelOutput(z), [ModelOutput(torch.tensor(v))], torch.tensor(Y), progress)


ENTRIES = [
    "DKD", "DKD-T2-a3-beta2", "DIST", "DIST-T1-gamma1", "NKD", "NKD-T1-gamma1.5", "WTTM", "WTTM-TTM-gamma0.5", "RLD",
    "RLD-Tc1-T2-beta3", "MLKD", "MLKD-masked", "CTKD", "CTKD-start2-span5",
]  # fmt: skip


@pytest.mark.parametrize("progress", [0.03, 0.5])
@pytest.mark.parametrize("entry", ENTRIES)
def test_terms_are_those_of_the_paper(entry: str, progress: float, cache_dir: Any) -> None:
    name, hparams = entry.partition("-")[0], settings(entry, cache_dir)
    found = terms(name, hparams, torch.tensor(Z), progress)
    expected = {"ce": LABELS.get(name, 1.0) * cross_entropy(Z, Y)}
    expected |= REFERENCES[name](Z, V, Y, hparams, progress)
    assert {key: float(value) for key, value in found.items()} == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("entry", ENTRIES)
def test_gradients_are_those_of_the_paper(entry: str, cache_dir: Any) -> None:
    """Against central differences of the numpy formulas."""
    name, hparams = entry.partition("-")[0], settings(entry, cache_dir)

    def value(z: np.ndarray) -> float:
        own = REFERENCES[name](z, V, Y, hparams, 0.5)
        return LABELS.get(name, 1.0) * cross_entropy(z, Y) + sum(own.values())

    z = torch.tensor(Z, requires_grad=True)
    torch.stack(list(terms(name, hparams, z, 0.5).values())).sum().backward()
    step, numeric = 1e-5, np.zeros_like(Z)
    for place in np.ndindex(Z.shape):
        change = np.zeros_like(Z)
        change[place] = step
        numeric[place] = (value(Z + change) - value(Z - change)) / (2 * step)
    assert z.grad is not None
    assert np.allclose(z.grad.numpy(), numeric, rtol=1e-5, atol=1e-7)


def z_score(z: np.ndarray) -> np.ndarray:
    return (z - z.mean(1, keepdims=True)) / (z.std(1, ddof=1, keepdims=True) + 1e-7)


# What LS puts in the place of a method's own settings: temperature 2, and 9 times the term.
UNDER_LS: dict[str, dict[str, Any]] = {
    "TraditionalKD": {"kd.temperature": 2.0, "kd.alpha": 9.0},
    "DKD": {"dkd.temperature": 2.0, "dkd.alpha": 9.0, "dkd.beta": 72.0},
    "DIST": {"dist.temperature": 2.0, "dist.beta": 18.0, "dist.gamma": 18.0},
    "RLD": {"rld.temperature": 2.0, "rld.confidence_temperature": 2.0, "rld.alpha": 9.0, "rld.beta": 72.0},
    "WTTM": {"wttm.gamma": 0.5, "wttm.beta": 36.0},
    "MLKD": {"mlkd.weight": 9.0},
    "CTKD": {"kd.alpha": 9.0},
}


@pytest.mark.parametrize("name", UNDER_LS)
def test_ls_compares_standardised_logits(name: str, cache_dir: Any) -> None:
    """Sun et al. 2024, algorithm 1, with the authors' weights: labels as without it, on logits as they are."""
    hparams = settings(f"{name}-LS", cache_dir)
    found = {key: float(value) for key, value in terms(name, hparams, torch.tensor(Z), 0.5).items()}
    plain = settings(name, cache_dir) | UNDER_LS[name]
    expected = REFERENCES[name](z_score(Z), z_score(V), Y, plain, 0.5)
    assert found == pytest.approx(expected | {"ce": LABELS.get(name, 1.0) * cross_entropy(Z, Y)}, rel=1e-6)


LEAST = [one for one in (*ENTRIES, *(f"{name}-LS" for name in UNDER_LS)) if "WTTM" not in one]


@pytest.mark.parametrize("entry", LEAST)
def test_the_term_is_least_for_the_teachers_own_logits(entry: str, cache_dir: Any) -> None:
    """Where it is right of all images: then nothing is refined, and a student that says the same is taught nothing.

    WTTM's student has no temperature: its own test is below.
    """
    name, hparams = entry.partition("-")[0], settings(entry, cache_dir)
    right = V.copy()
    right[np.arange(N), Y] = right.max(1) + 1
    z = torch.tensor(right, requires_grad=True)
    own = {key: value for key, value in terms(name, hparams, z, 0.5, right).items() if key != "ce"}
    if name == "NKD":
        own.pop("target")  # a cross-entropy with one class: it is least for a student that is sure
    torch.stack(list(own.values())).sum().backward()
    assert z.grad is not None
    assert np.abs(z.grad.numpy()).max() < 1e-6


def test_wttm_is_least_for_the_transformed_teacher(cache_dir: Any) -> None:
    hparams = settings("WTTM", cache_dir)
    z = torch.tensor(hparams["wttm.gamma"] * V, requires_grad=True)
    term = terms("WTTM", hparams, z, 0.5)["ttm"]
    term.backward()
    assert float(term) == pytest.approx(0.0, abs=1e-12)
    assert z.grad is not None
    assert np.abs(z.grad.numpy()).max() < 1e-9


def test_ctkd_learns_its_temperature_against_the_student(cache_dir: Any) -> None:
    """The gradient of theta is that of the loss, reversed, times (1 - cos(pi s / ramp)) / 2."""
    hparams = settings("CTKD-ramp0.5", cache_dir)
    start, span = hparams["ctkd.start"], hparams["ctkd.span"]

    def value(theta: float) -> float:
        T = start + span / (1 + math.exp(-theta))
        return kd(Z, V, Y, {"kd.temperature": T, "kd.alpha": 0.9}, 0.0)["kd"]

    slope = (value(1 + 1e-5) - value(1 - 1e-5)) / 2e-5
    for progress, part in [(0.0, 0.0), (0.25, 0.5), (0.5, 1.0), (0.9, 1.0)]:
        distiller = build_distiller("CTKD", hparams, STUDENT, (TEACHER,), 3).double()
        made = distiller.loss(ModelOutput(torch.tensor(Z)), [ModelOutput(torch.tensor(V))], torch.tensor(Y), progress)
        made["kd"].backward()
        (theta,) = distiller.parameters()
        assert float(theta.grad) == pytest.approx(-part * slope, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("entry", [*ENTRIES, "TraditionalKD-LS"])
def test_soft_labels_and_extreme_logits_stay_finite(entry: str, cache_dir: Any) -> None:
    """Probabilities as labels; logits of fp16's size; images of which all logits are equal; two classes."""
    name, hparams = entry.partition("-")[0], settings(entry, cache_dir)
    distiller = build_distiller(name, hparams, STUDENT, (TEACHER,), 3)
    for scale, classes in [(1.0, K), (6e4, K), (0.0, K), (3.0, 2)]:
        z = torch.tensor(Z[:, :classes] * scale, dtype=torch.float32, requires_grad=True)
        teacher = ModelOutput(torch.tensor(V[:, :classes] * scale, dtype=torch.float32))
        labels = torch.full((N, classes), 0.1 / classes)
        labels[torch.arange(N), torch.tensor(Y % classes)] += 0.9
        total = torch.stack(list(distiller.loss(ModelOutput(z), [teacher], labels, 0.5).values())).sum()
        total.backward()
        assert torch.isfinite(total)
        assert z.grad is not None
        assert torch.isfinite(z.grad).all()


@pytest.mark.parametrize("entry", ENTRIES)
def test_progress_may_be_a_tensor(entry: str, cache_dir: Any) -> None:
    """As it is where steps are recorded on a GPU."""
    name, hparams = entry.partition("-")[0], settings(entry, cache_dir)
    made = terms(name, hparams, torch.tensor(Z), torch.tensor(0.04, dtype=torch.float64))
    expected = terms(name, hparams, torch.tensor(Z), 0.04)
    for key, value in expected.items():
        assert float(made[key]) == pytest.approx(float(value), rel=1e-12), key
