"""Methods that compare maps or embeddings: against numpy in float64, written from the papers' formulas."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from support.builders import STUDENT, TEACHER, make_config
from support.losses import numpy, softmax
from torch.nn import functional as F

from hpmkd.methods.base import Distiller
from hpmkd.methods.build import build_distiller
from hpmkd.methods.features.ofd import Margin, partial_distance
from hpmkd.methods.features.review_kd import hierarchical_distance
from hpmkd.models import ModelOutput, build
from hpmkd.plan.catalog import baseline_of

N, SHAPES = 6, ("features", "pre_activations")
NAMES = ["SP", "RKD", "CC", "VID", "PKT", "NST", "OFD", "CRD", "ReviewKD"]


def outputs(seed: int = 1) -> tuple[ModelOutput, ModelOutput, torch.Tensor]:
    """What student and teacher say of six images, in float64, with everything that a loss may ask for."""
    images = torch.randn(N, 1, 16, 16, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    taps = {"features": True, "embedding": True, "pre_activations": True}
    student, teacher = build(STUDENT, 2).double()(images, **taps), build(TEACHER, 1).double()(images, **taps)
    assert teacher.embedding is not None
    fixed = ModelOutput(
        10 * teacher.logits.detach(), tuple(one.detach() for one in teacher.features), teacher.embedding.detach(),
        tuple(one.detach() for one in teacher.pre_activations),
    )  # fmt: skip
    return student, fixed, torch.arange(N) % 3


def distiller(entry: str, cache_dir: Any) -> Distiller:
    hparams = dict(baseline_of(make_config(cache_dir), entry).hparams)
    made = build_distiller(entry.partition("-")[0], hparams, STUDENT, (TEACHER,), 3).double()
    made.meet(torch.arange(20) % 3)
    for name, buffer in made.named_buffers():
        if name.startswith("bank"):
            buffer.data = buffer.double()
    made.which = torch.arange(N)
    return made


def own_terms(entry: str, cache_dir: Any) -> dict[str, float]:
    student, teacher, target = outputs()
    found = distiller(f"{entry}-alone", cache_dir).loss(student, [teacher], target, 0.5)
    hard = -np.log(softmax(numpy(student.logits))[np.arange(N), target.numpy()]).mean()
    assert found.pop("ce").item() == pytest.approx(hard, rel=1e-9)
    return {key: float(value.detach()) for key, value in found.items()}


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def both(tap: str) -> tuple[Any, Any]:
    student, teacher, _ = outputs()
    return getattr(student, tap), getattr(teacher, tap)


def test_sp(cache_dir: Any) -> None:
    """Tung and Mori 2019, equations 1 to 4."""
    grams = []
    for maps in both("features"):
        rows = numpy(maps[-1]).reshape(N, -1)
        grams.append(unit(rows @ rows.T))
    expected = 3000 * np.linalg.norm(grams[0] - grams[1], "fro") ** 2 / N**2
    assert own_terms("SP", cache_dir) == pytest.approx({"sp": expected}, rel=1e-9)


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


def pooled(maps: torch.Tensor, like: torch.Tensor) -> np.ndarray:
    side = min(maps.shape[2], like.shape[2])
    return numpy(F.adaptive_avg_pool2d(maps, side))


def test_nst(cache_dir: Any) -> None:
    """Huang and Wang 2017, equation 4, channel by channel, with the kernel (x y)^2."""
    expected = 0.0
    for ours, theirs in zip(*both("features"), strict=True):
        for a, b in zip(pooled(ours, theirs), pooled(theirs, ours), strict=True):
            # A channel that is 0 everywhere has no direction: its products are 0.
            x, y = (one / np.linalg.norm(one, axis=1, keepdims=True).clip(1e-12) for one in
                    (a.reshape(len(a), -1), b.reshape(len(b), -1)))  # fmt: skip
            k = [np.mean([(u @ v) ** 2 for u in one for v in other]) for one, other in ((x, x), (y, y), (x, y))]
            expected += (k[0] + k[1] - 2 * k[2]) / N
    assert own_terms("NST", cache_dir) == pytest.approx({"nst": 25 * expected}, rel=1e-6)


def test_vid(cache_dir: Any) -> None:
    """Ahn et al. 2019, equations 3 and 5: with variance softplus(a) + 1e-5, 5 at the start."""
    made = distiller("VID-alone", cache_dir)
    student, teacher, target = outputs()
    expected = 0.0
    for stage, guess in enumerate(made.guesses):  # type: ignore[arg-type]
        a, b, c = (numpy(layer.weight)[:, :, 0, 0] for layer in guess.mean if hasattr(layer, "weight"))
        ours, theirs = student.features[stage], teacher.features[stage]
        x, t = pooled(ours, theirs), pooled(theirs, ours)
        mean = np.einsum("oc,nchw->nohw", a, x).clip(0)
        mean = np.einsum("oc,nchw->nohw", c, np.einsum("oc,nchw->nohw", b, mean).clip(0))
        expected += 0.5 * np.mean((t - mean) ** 2 / 5 + np.log(5.0))
    assert made.loss(student, [teacher], target, 0.5)["vid"].item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("s", "t", "expected"),
    [(-2, -1, 0), (-1, -2, 1), (1, 2, 1), (2, 1, 1), (0.5, -0.5, 1), (-1, 0, 0), (-1, 0.5, 2.25)],
)
def test_ofds_distance_is_partial(s: float, t: float, expected: float) -> None:
    """Heo et al. 2019, equation 4: nothing where the student is below a teacher that is not positive."""
    assert partial_distance(torch.tensor(float(s)), torch.tensor(float(t))).item() == pytest.approx(expected)


def test_ofds_margin_is_the_mean_of_what_is_negative_so_far() -> None:
    maps = torch.randn(3, 4, 2, 5, 5, generator=torch.Generator().manual_seed(2))  # batches of four images
    maps[:, :, 1] = maps[:, :, 1].abs()
    margin = Margin(2)
    for until, batch in enumerate(maps, start=1):
        found = margin(batch)
        seen = maps[:until, :, 0]
        assert found[0].item() == pytest.approx(seen[seen < 0].mean().item(), rel=1e-5)
        assert found[1].item() == 0, "a channel that is never negative has no margin"


def test_ofd(cache_dir: Any) -> None:
    """Heo et al. 2019, section 3, with the weights of stages of the authors' code."""
    made = distiller("OFD-alone", cache_dir)
    student, teacher, target = outputs()
    expected, count = 0.0, len(made.connectors)  # type: ignore[arg-type]
    for stage, connector in enumerate(made.connectors):  # type: ignore[arg-type]
        before = teacher.pre_activations[stage]
        t = numpy(before)
        margin = np.array([t[:, c][t[:, c] < 0].mean() for c in range(t.shape[1])])[:, None, None]
        cut = torch.tensor(np.maximum(t, margin))
        x = numpy(student.pre_activations[stage])
        made_of = np.einsum("oc,nchw->nohw", numpy(connector[0].weight)[:, :, 0, 0], x)
        mean, var = made_of.mean((0, 2, 3), keepdims=True), made_of.var((0, 2, 3), keepdims=True)
        r = torch.tensor((made_of - mean) / np.sqrt(var + 1e-5))
        s, wanted = pooled(r, cut), pooled(cut, r)
        each = np.where((s <= wanted) & (wanted <= 0), 0, (wanted - s) ** 2)
        expected += each.sum() / N / 2 ** (count - stage - 1)
    assert made.loss(student, [teacher], target, 0.5)["ofd"].item() == pytest.approx(1e-3 * expected, rel=1e-6)


def test_reviews_distance_is_hierarchical() -> None:
    """Chen et al. 2021, figure 3b: halves of the weight at 4x4, 2x2 and 1x1, as far as the maps are larger."""
    a, b = (torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(seed)) for seed in (1, 2))
    levels = [F.mse_loss(F.adaptive_avg_pool2d(a, side), F.adaptive_avg_pool2d(b, side)) for side in (4, 2, 1)]
    expected = (levels[0] + levels[1] / 2 + levels[2] / 4) / 1.75
    assert hierarchical_distance(a, b).item() == pytest.approx(expected.item(), rel=1e-6)
    assert hierarchical_distance(a[:, :, :1, :1], b[:, :, :1, :1]).item() == pytest.approx(
        F.mse_loss(a[:, :, :1, :1], b[:, :, :1, :1]).item()
    )


def test_review_kd(cache_dir: Any) -> None:
    """Chen et al. 2021, equations 4 to 7, with plain functions in the order of the paper's figure 3."""
    made = distiller("ReviewKD-alone-beta3", cache_dir)
    student, teacher, target = outputs()
    assert student.embedding is not None
    assert teacher.embedding is not None
    stages = [*student.features, student.embedding[:, :, None, None]]
    wanted = [*teacher.pre_activations, teacher.embedding[:, :, None, None]]
    expected, behind = 0.0, None
    for place in reversed(range(len(stages))):
        fusion = made.fusions[place]  # type: ignore[index]
        x = fusion.enter(stages[place])
        if behind is not None:
            y = F.interpolate(behind, size=x.shape[2:])
            z = torch.sigmoid(fusion.attention[0](torch.cat([x, y], 1)))
            x = x * z[:, 0, None] + y * z[:, 1, None]
        behind = F.interpolate(x, size=wanted[place].shape[2:])
        expected += hierarchical_distance(fusion.leave(behind), wanted[place]).item()
    found = made.loss(student, [teacher], target, 0.5)["review"].item()
    assert found == pytest.approx(3 * expected, rel=1e-9)
    early = made.loss(student, [teacher], target, 10 / 240)["review"].item()
    assert early == pytest.approx(1.5 * expected, rel=1e-9), "half of the warm-up"


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
    # CRD's normalisation is a constant of the first batch: a change of it is no part of the gradient.
    if name != "CRD":
        assert slope == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=2e-4, abs=1e-7)
    assert math.isfinite(slope)
    assert any(g is not None and g.abs().max() > 0 for g in grads)


@pytest.mark.parametrize("name", NAMES)
def test_a_student_that_says_the_same_is_taught_little(name: str, cache_dir: Any) -> None:
    """Of methods without modules: the term of the teacher's own maps is 0."""
    if name in ("VID", "OFD", "CRD", "ReviewKD"):
        return
    _, teacher, target = outputs()
    made = build_distiller(
        name, dict(baseline_of(make_config(cache_dir), f"{name}-alone").hparams), TEACHER, (TEACHER,), 3
    )
    terms: dict[str, torch.Tensor] = made.loss(teacher, [teacher], target, 0.5)
    assert sum(value.item() for key, value in terms.items() if key != "ce") == pytest.approx(0, abs=1e-9)
