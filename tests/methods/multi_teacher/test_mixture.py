"""Several teachers as one distribution: weights, gradients, and a teacher that knows."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support.builders import STUDENT, TEACHER
from support.losses import HPARAMS, numpy, outputs, softmax
from support.trainings import HPM

from hpmkd.methods.build import build_distiller
from hpmkd.methods.multi_teacher.mixture import Attention, Confidence, Uniform, log_mixture


def logits(*shape: int, seed: int = 0) -> torch.Tensor:
    return 3 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_mixture_against_numpy() -> None:
    z, a = logits(3, 6, 4), torch.softmax(logits(6, 3, seed=1), 1)
    expected = sum(a[:, m, None].numpy() * softmax(z[m].numpy() / 2.5) for m in range(3))
    assert np.allclose(log_mixture(a.log(), list(z), 2.5).exp().numpy(), expected, rtol=1e-5)


def test_confidence_against_its_formula() -> None:
    z, target = logits(3, 6, 4), torch.arange(6) % 4
    ce = np.stack([-np.log(softmax(part.numpy())[np.arange(6), target.numpy()]) for part in z], 1)
    expected = (1 - np.exp(ce) / np.exp(ce).sum(1, keepdims=True)) / 2
    assert np.allclose(Confidence()(list(z), target).exp().numpy(), expected, rtol=1e-4)
    assert torch.equal(Confidence()([z[0]], target), torch.zeros(6, 1))


@pytest.mark.parametrize(
    "mixture", [Uniform(), Confidence(), Attention(3, 4, 0.1, 5)], ids=lambda one: type(one).__name__
)
def test_weights_sum_to_one(mixture: torch.nn.Module) -> None:
    weights = mixture(list(logits(3, 6, 4)), torch.arange(6) % 4).exp()
    assert weights.shape == (6, 3)
    assert torch.allclose(weights.sum(1), torch.ones(6))
    assert (weights >= 0).all()


def half_experts(count: int, seed: int) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Two teachers: one knows classes 0 to 4, the other 5 to 9; what they do not know they guess, less surely."""
    generator = torch.Generator().manual_seed(seed)
    target = torch.randint(0, 10, (count,), generator=generator)
    parts = []
    for knows in (target < 5, target >= 5):
        guess = torch.randint(0, 10, (count,), generator=generator)
        top = torch.where(knows, target, guess)
        height = torch.where(knows, 6.0, 3.0)[:, None]
        noise = torch.randn(count, 10, generator=generator)
        parts.append(noise + height * torch.nn.functional.one_hot(top, 10))
    return parts, target


def test_attention_learns_to_pick_the_teacher_that_knows() -> None:
    torch.manual_seed(0)
    gate = Attention(2, 10, 0.01, 200)
    train, test = half_experts(1000, 1), half_experts(1000, 2)
    before = gate(*test).exp()
    assert torch.allclose(before, torch.full_like(before, 0.5))
    gate.fit(*train)
    weights = gate(*test).exp()
    right = (test[1] >= 5).long()
    chosen = weights.gather(1, right[:, None])
    assert float(chosen.mean()) > 0.8
    mixed = log_mixture(weights.log(), test[0], 1.0).argmax(1)
    assert float((mixed == test[1]).float().mean()) > 0.85


def test_entropy_bonus_keeps_the_weights_even() -> None:
    spread = []
    for bonus in (0.0, 10.0):
        torch.manual_seed(0)
        gate = Attention(2, 10, bonus, 100)
        gate.fit(*half_experts(500, 1))
        spread.append(float((gate(*half_experts(500, 2)).exp()[:, 0] - 0.5).abs().mean()))
    assert spread[1] < 0.1 < spread[0]


def test_spread_is_the_mean_entropy_of_the_weights() -> None:
    gate, (z, target) = Attention(2, 10, 0.01, 100), half_experts(300, 1)
    untrained = gate.spread(z, target)
    assert untrained["entropy"] == pytest.approx(np.log(2))
    assert untrained["weights"] == pytest.approx([0.5, 0.5])
    gate.fit(z, target)
    a = gate(z, target).exp().numpy().astype(float)
    found = gate.spread(z, target)
    assert found["entropy"] == pytest.approx(float(-(a * np.log(a)).sum(1).mean()), rel=1e-5)
    assert found["entropy"] < np.log(2)
    assert found["weights"] == pytest.approx(list(a.mean(0)), rel=1e-5)


def test_gradients_go_where_they_should() -> None:
    """The gate is frozen once it is trained: the student's loss reaches the student alone."""
    student, teacher, target = outputs()
    distiller = build_distiller("HPM-KD", HPARAMS | HPM | {"hpmkd.schedule": "cosine"}, STUDENT, (TEACHER, TEACHER), 3)
    known = [teacher.logits, teacher.logits.flip(0)]
    distiller.prepare(known, target)
    kept = student.logits
    kept.retain_grad()
    terms = distiller.loss(student, [teacher, teacher._replace(logits=known[1])], target, 0.5)
    sum(terms.values()).backward()
    assert kept.grad is not None
    assert kept.grad.abs().sum() > 0
    assert all(not parameter.requires_grad and parameter.grad is None for parameter in distiller.parameters())
    assert not teacher.logits.requires_grad


def test_the_loss_is_kd_on_the_mixture() -> None:
    student, teacher, target = outputs()
    second = teacher._replace(logits=teacher.logits.flip(1))
    hparams = HPARAMS | HPM | {"hpmkd.weighting": "uniform", "hpmkd.schedule": "cosine"}
    terms = build_distiller("HPM-KD", hparams, STUDENT, (TEACHER, TEACHER), 3).loss(
        student, [teacher, second], target, 1.0
    )
    T = 3.0 * 0.5  # kd.temperature times t_low at the end
    p = (softmax(numpy(teacher.logits) / T) + softmax(numpy(second.logits) / T)) / 2
    soft = (p * (np.log(p) - np.log(softmax(numpy(student.logits) / T)))).sum(1).mean()
    assert terms["kd"].item() == pytest.approx(0.7 * T * T * soft, rel=1e-4)
