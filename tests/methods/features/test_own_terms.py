"""What holds of all methods that compare maps or embeddings: what they stand on, their gradients, their least value."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from support.builders import STUDENT, TEACHER, make_config
from support.feature_losses import distiller, outputs

from hpmkd.methods.build import build_distiller
from hpmkd.models import ModelOutput
from hpmkd.plan.catalog import baseline_of

NAMES = ["SP", "RKD", "CC", "VID", "PKT", "NST", "OFD", "CRD", "ReviewKD"]


@pytest.mark.parametrize("name", NAMES)
def test_they_stand_on_kd_unless_the_name_says_alone(name: str, cache_dir: Any) -> None:
    student, teacher, target = outputs()
    plain = dict(baseline_of(make_config(cache_dir), "TraditionalKD").hparams)
    kd = build_distiller("TraditionalKD", plain, STUDENT, (TEACHER,), 3).loss(student, [teacher], target, 0.5)
    torch.manual_seed(1)
    found = distiller(name, cache_dir).loss(student, [teacher], target, 0.5)
    assert all(found[key].item() == pytest.approx(value.item(), rel=1e-9) for key, value in kd.items())
    torch.manual_seed(1)
    alone = distiller(f"{name}-alone", cache_dir).loss(student, [teacher], target, 0.5)
    assert "kd" not in alone
    assert {key: value.item() for key, value in alone.items() if key != "ce"} == pytest.approx(
        {key: value.item() for key, value in found.items() if key not in kd}, rel=1e-9
    )


@pytest.mark.parametrize("name", NAMES)
def test_gradients_against_differences(name: str, cache_dir: Any) -> None:
    """Of the student's taps and of the helper modules, along a direction at random."""
    student, teacher, target = outputs()
    made = distiller(f"{name}-alone", cache_dir)
    # Values that are 0 by a ReLU lie on the kinks of norms and ReLUs, where there are no differences to compare with.
    generator, taps = torch.Generator().manual_seed(8), [*student.features, *student.pre_activations]
    assert student.embedding is not None
    leaves = [
        (one.detach() + torch.randn(one.shape, generator=generator, dtype=one.dtype)).requires_grad_()
        for one in (*taps, student.embedding)
    ]
    stages = len(student.features)

    def value() -> tuple[float, tuple[torch.Tensor | None, ...]]:
        """The own terms and their gradients, with buffers as at the start."""
        again = distiller(f"{name}-alone", cache_dir)
        for one, own in zip(again.parameters(), made.parameters(), strict=True):
            one.data = own.data
        if name == "CRD":  # a constant from the first batch on: no part of the gradient
            again.scale_s.fill_(20.0)  # type: ignore[operator, union-attr]
            again.scale_t.fill_(20.0)  # type: ignore[operator, union-attr]
        shown = ModelOutput(student.logits.detach(), tuple(leaves[:stages]), leaves[-1], tuple(leaves[stages:-1]))
        torch.manual_seed(4)
        terms = again.loss(shown, [teacher], target, 0.5)
        total = torch.stack([term for key, term in terms.items() if key != "ce"]).sum()
        return float(total.detach()), torch.autograd.grad(total, [*leaves, *again.parameters()], allow_unused=True)

    _, grads = value()
    moved = [*leaves, *made.parameters()]
    directions = [torch.randn(one.shape, generator=generator, dtype=one.dtype) for one in moved]
    slope = sum(float((g * d).sum()) for g, d in zip(grads, directions, strict=True) if g is not None)
    step, ends = 1e-6, []
    for sign in (1, -1):
        for one, d in zip(moved, directions, strict=True):
            one.data += sign * step * d
        ends.append(value()[0])
        for one, d in zip(moved, directions, strict=True):
            one.data -= sign * step * d
    assert slope == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=2e-4, abs=1e-7)
    assert math.isfinite(slope)
    assert any(g is not None and g.abs().max() > 0 for g in grads)


@pytest.mark.parametrize("name", ["SP", "RKD", "CC", "PKT", "NST"])
def test_a_student_that_says_the_same_is_taught_little(name: str, cache_dir: Any) -> None:
    """Of methods without modules: the term of the teacher's own maps is 0."""
    _, teacher, target = outputs()
    made = build_distiller(
        name, dict(baseline_of(make_config(cache_dir), f"{name}-alone").hparams), TEACHER, (TEACHER,), 3
    )
    terms: dict[str, torch.Tensor] = made.loss(teacher, [teacher], target, 0.5)
    assert sum(value.item() for key, value in terms.items() if key != "ce") == pytest.approx(0, abs=1e-9)
