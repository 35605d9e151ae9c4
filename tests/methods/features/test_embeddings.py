"""Methods that compare embeddings: against numpy in float64, written from the papers' formulas."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from support.feature_losses import COUNT as N
from support.feature_losses import both, distiller, outputs, own_terms, unit
from support.losses import numpy
from torch.nn import functional as F

from hpmkd.methods.features import rkd
from hpmkd.models import ModelOutput


def huber(x: np.ndarray) -> np.ndarray:
    return np.where(np.abs(x) <= 1, x * x / 2, np.abs(x) - 0.5)


def test_rkd(cache_dir: Any) -> None:
    """Park et al. 2019, equations 4 to 8, pair by pair and triple by triple."""
    far, turned = [], []
    for embedding in both("embedding"):
        rows = numpy(embedding)
        apart = np.array([[np.linalg.norm(a - b) for b in rows] for a in rows])
        far.append(apart / apart[~np.eye(N, dtype=bool)].mean())
        corners = np.zeros((N, N, N))
        for i, j, k in itertools.product(range(N), repeat=3):
            if i not in (j, k):
                a, b = unit(rows[j] - rows[i]), unit(rows[k] - rows[i])
                corners[i, j, k] = a @ b
        turned.append(corners)
    expected = {"distance": 25 * huber(far[0] - far[1]).mean(), "angle": 50 * huber(turned[0] - turned[1]).mean()}
    assert own_terms("RKD", cache_dir) == pytest.approx(expected, rel=1e-6)


def corner_loss(ours: torch.Tensor, theirs: torch.Tensor) -> torch.Tensor:
    """Equations 7 and 8 with vectors, as the paper has them; of equal rows none has a direction."""
    made = []
    for rows in (ours, theirs):
        ways = rows[None] - rows[:, None]
        lengths = ways.square().sum(2, keepdim=True)
        directions = ways * torch.where(lengths == 0, 0.0, torch.where(lengths == 0, 1.0, lengths).rsqrt())
        made.append(directions @ directions.mT)
    return F.smooth_l1_loss(*made)


@pytest.mark.parametrize("values", [1, 500, 2**17])
def test_rkds_angles_and_their_gradient_are_those_of_the_vectors(values: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many triples are looked at together; two rows are equal, and two are nearly so."""
    monkeypatch.setattr(rkd, "_CPU_VALUES", values)
    generator = torch.Generator().manual_seed(3)
    ours, theirs = (torch.randn(9, width, generator=generator).double().relu() for width in (5, 7))
    ours[4], theirs[2], theirs[7] = ours[1], theirs[6], theirs[8] + 1e-4
    for dtype, rtol in ((torch.float64, 1e-9), (torch.float32, 1e-5)):
        a, b = ours.to(dtype).clone().requires_grad_(), theirs.to(dtype)
        exact = a.detach().double().clone().requires_grad_()
        wanted = corner_loss(exact, b.double())
        found = rkd.AngleLoss.apply(*(rkd.distances(rows).square() for rows in (a, b)))
        (found * 3).backward()
        (wanted * 3).backward()
        assert found.item() == pytest.approx(wanted.item(), rel=rtol)
        assert a.grad is not None
        assert exact.grad is not None
        torch.testing.assert_close(a.grad.double(), exact.grad, rtol=rtol, atol=rtol * float(exact.grad.abs().max()))


@pytest.mark.parametrize(("entry", "order"), [("CC", 2), ("CC-order30", 30)])
def test_cc(entry: str, order: int, cache_dir: Any) -> None:
    """Peng et al. 2019, equations 4 and 9; with a high order the series is the Gaussian itself."""
    found = []
    for embedding in both("embedding"):
        rows = unit(numpy(embedding))
        dots = rows @ rows.T
        series = sum((0.8**p) / math.factorial(p) * dots**p for p in range(order + 1))
        found.append(math.exp(-0.8) * series)
    if order == 30:
        squares = ((rows[:, None] - rows[None]) ** 2).sum(2)
        assert np.allclose(found[1], np.exp(-0.4 * squares), rtol=1e-9)
    expected = 100 * ((found[0] - found[1]) ** 2).mean()
    assert own_terms(entry, cache_dir) == pytest.approx({"cc": expected}, rel=1e-9)


def test_cc_of_neighbours(cache_dir: Any) -> None:
    made = distiller("CC-neighbours-alone-beta0.02", cache_dir)
    student, teacher, target = outputs()
    weights = [numpy(one) for one in made.parameters()]
    s, t = (numpy(one.embedding) @ w.T + b for one, w, b in
            ((student, *weights[:2]), (teacher, *weights[2:])))  # fmt: skip
    apart = np.abs(s - t)
    expected = 0.02 * np.mean([apart[i] @ apart[i + 1] for i in range(N - 1)])
    found = made.loss(student, [teacher], target, 0.5)["cc"]
    assert found.item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("entry", ["PKT", "PKT-diagonal"])
def test_pkt(entry: str, cache_dir: Any) -> None:
    """Passalis and Tefas 2018, equations 3 to 7; the authors' code has the diagonal and 1e-7 in the logarithm."""
    found = []
    for embedding in both("embedding"):
        alike = (unit(numpy(embedding)) @ unit(numpy(embedding)).T + 1) / 2
        if entry == "PKT":
            np.fill_diagonal(alike, 0)
        found.append(alike / alike.sum(1, keepdims=True))
    q, p = found
    expected = 30000 * np.mean(p * np.log((p + 1e-7) / (q + 1e-7)))
    assert own_terms(entry, cache_dir) == pytest.approx({"pkt": expected}, rel=1e-9)


def crd_reference(made: Any, student: ModelOutput, teacher: ModelOutput, weights: np.ndarray) -> float:
    """Tian et al. 2020, equations 17 and 18, image by image."""
    total, T, count = 0.0, 0.07, 20
    noise = made.hparams["crd.negatives"] / count
    said = [unit(numpy(one.embedding) @ numpy(layer.weight).T + numpy(layer.bias)) for one, layer in
            ((student, made.embed_s), (teacher, made.embed_t))]  # fmt: skip
    for anchors, bank in ((said[0], numpy(made.bank_t)), (said[1], numpy(made.bank_s))):
        own = [math.exp(anchors[i] @ bank[i] / T) for i in range(N)]
        each = np.array([[math.exp(a @ b / T) for b in bank] for a in anchors])
        scale = count * (sum(own) + (weights * each).sum()) / (N + weights.sum())
        for i in range(N):
            total -= math.log(own[i] / scale / (own[i] / scale + noise)) / N
            for j in range(count):
                total -= weights[i, j] * math.log(1 - each[i, j] / scale / (each[i, j] / scale + noise)) / N
    return 0.8 * total


@pytest.mark.parametrize("negatives", [7, 500])
def test_crd(negatives: int, cache_dir: Any) -> None:
    made: Any = distiller(f"CRD-negatives{negatives}-alone", cache_dir)
    student, teacher, target = outputs()
    torch.manual_seed(5)
    weights = numpy(made._weights(made.which))
    expected = crd_reference(made, student, teacher, weights)
    before = numpy(made.bank_s).copy()
    torch.manual_seed(5)
    assert made.loss(student, [teacher], target, 0.5)["crd"].item() == pytest.approx(expected, rel=1e-5)
    ours = unit(numpy(student.embedding) @ numpy(made.embed_s.weight).T + numpy(made.embed_s.bias))
    assert np.allclose(numpy(made.bank_s)[:N], unit((before[:N] + ours) / 2), atol=1e-9)
    assert (numpy(made.bank_s)[N:] == before[N:]).all()
    assert made.scale_s > 0
    kept = made.scale_s.clone()
    made.loss(student, [teacher], target, 0.5)
    assert made.scale_s == kept, "from the first batch on"


def test_crds_negatives_are_of_other_classes_and_as_many_as_are_asked_for(cache_dir: Any) -> None:
    labels, which = np.arange(20) % 3, np.arange(N)
    few: Any = distiller("CRD-negatives7", cache_dir)
    torch.manual_seed(1)
    drawn = np.stack([numpy(few._weights(few.which)) for _ in range(400)])
    assert set(np.unique(drawn)) == {0.0, 1.0}
    assert not drawn[:, labels[which][:, None] == labels[None]].any()
    assert drawn.sum(2).mean() == pytest.approx(7, abs=0.2)
    many: Any = distiller("CRD-negatives500", cache_dir)
    weights = numpy(many._weights(many.which))
    assert np.allclose(weights.sum(1), 500)
    assert all(len(set(row[row > 0])) == 1 for row in weights)


def test_crds_memory_bank_is_in_the_checkpoint(cache_dir: Any) -> None:
    made = distiller("CRD", cache_dir)
    assert {"bank_s", "bank_t", "scale_s", "scale_t"} <= made.state_dict().keys()
    assert "labels" not in made.state_dict()
