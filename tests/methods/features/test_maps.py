"""Methods that compare maps: against numpy in float64, written from the papers' formulas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from support.builders import STUDENT, TEACHER
from support.feature_losses import COUNT as N
from support.feature_losses import both, distiller, outputs, own_terms, pooled, unit
from support.losses import numpy
from torch.nn import functional as F

from hpmkd.methods.build import build_distiller
from hpmkd.methods.features.at import MeanSquare
from hpmkd.methods.features.ofd import Margin, PartialDistance
from hpmkd.methods.features.review_kd import hierarchical_distance
from hpmkd.models import ModelOutput


def test_sp(cache_dir: Any) -> None:
    """Tung and Mori 2019, equations 1 to 4."""
    grams = []
    for maps in both("features"):
        rows = numpy(maps[-1]).reshape(N, -1)
        grams.append(unit(rows @ rows.T))
    expected = 3000 * np.linalg.norm(grams[0] - grams[1], "fro") ** 2 / N**2
    assert own_terms("SP", cache_dir) == pytest.approx({"sp": expected}, rel=1e-9)


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
    ours, theirs = (torch.full((1, 1, 1, 1), float(one)) for one in (s, t))
    ours.requires_grad_()
    found = PartialDistance.apply(ours, theirs)
    assert found.tolist() == [pytest.approx(expected)]
    found.sum().backward()
    assert ours.grad is not None
    assert ours.grad.item() == pytest.approx(2 * (s - t) if expected else 0)


def test_ofds_distance_and_its_gradient_are_those_of_the_formula() -> None:
    generator = torch.Generator().manual_seed(4)
    ours, theirs = (torch.randn(3, 5, 4, 4, generator=generator).double() for _ in range(2))
    ours.requires_grad_()
    weights = torch.tensor([1.0, 2.0, -3.0]).double()
    each = (theirs - ours).square() * ~((ours <= theirs) & (theirs <= 0))
    (wanted,) = torch.autograd.grad((each.sum((1, 2, 3)) * weights).sum(), ours)
    (found,) = torch.autograd.grad((PartialDistance.apply(ours, theirs) * weights).sum(), ours)
    torch.testing.assert_close(found, wanted, rtol=1e-15, atol=0)


@pytest.mark.parametrize("channels", [10, 16])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_ats_mean_of_squares_has_the_bits_of_torchs_own(
    channels: int, layout: torch.memory_format, dtype: torch.dtype
) -> None:
    generator = torch.Generator().manual_seed(5)
    maps = torch.randn(6, channels, 7, 9, generator=generator, dtype=dtype).to(memory_format=layout).requires_grad_()
    weights = torch.randn(6, 7, 9, generator=generator, dtype=dtype)
    plain, ours = maps.square().mean(1), MeanSquare.apply(maps)
    assert torch.equal(plain, ours)
    (wanted,), (found,) = (torch.autograd.grad((one * weights).sum(), maps) for one in (plain, ours))
    assert torch.equal(wanted, found)
    assert found.is_contiguous(memory_format=layout), "so that nothing has to be reordered on the way back"


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


def test_simkd() -> None:
    """Chen et al. 2022, equation 3, the mean over all values as in the authors' code; the larger maps are averaged."""
    generator = torch.Generator().manual_seed(1)
    ours, large = (torch.randn(3, 5, side, side, generator=generator).double() for side in (4, 8))
    ours.requires_grad_()
    logits = torch.zeros(3, 2).double()
    method = build_distiller("SimKD", {"simkd.beta": 3.0}, STUDENT, (TEACHER,), 0)
    student, teacher = (ModelOutput(logits, last_maps=one) for one in (ours, large))
    terms = method.loss(student, [teacher], torch.zeros(3, dtype=torch.int64), 0.0)
    theirs = numpy(large).reshape(3, 5, 4, 2, 4, 2).mean((3, 5))
    apart = numpy(ours) - theirs
    assert terms.keys() == {"simkd"}
    assert float(terms["simkd"].detach()) == pytest.approx(3 * (apart**2).mean(), rel=1e-12)
    terms["simkd"].backward()
    assert ours.grad is not None
    np.testing.assert_allclose(numpy(ours.grad), 6 * apart / apart.size, rtol=1e-12)
