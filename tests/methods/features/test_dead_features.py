"""A student that says nothing of some images, all ReLUs at zero, learns on: no gradient there is of the order of 1e12.

Seen on a GPU in bf16: two images with no active unit lie at one place, and the direction between them has no gradient.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from support.feature_losses import distiller, outputs

from hpmkd.models import ModelOutput

METHODS = ["FitNets", "AT", "SP", "RKD", "CC", "VID", "PKT", "NST", "OFD", "CRD", "ReviewKD"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dead", [(0,), (0, 1), (0, 1, 2, 3, 4, 5)], ids=["one", "two", "all"])
def test_gradients_are_of_the_size_of_others(method: str, dead: tuple[int, ...], cache_dir: Path) -> None:
    student, teacher, target = outputs()
    alive = torch.ones(6, dtype=torch.float64)
    alive[list(dead)] = 0

    def leaf(value: torch.Tensor, silent: bool) -> torch.Tensor:
        kept = value.detach() * (alive if silent else torch.ones_like(alive)).view(-1, *[1] * (value.dim() - 1))
        return kept.requires_grad_()

    def gradients(silent: bool) -> list[torch.Tensor]:
        assert student.embedding is not None
        features, before = (
            tuple(leaf(one, silent) for one in maps) for maps in (student.features, student.pre_activations)
        )
        said = ModelOutput(leaf(student.logits, False), features, leaf(student.embedding, silent), before)
        terms = distiller(f"{method}-alone", cache_dir).loss(said, [teacher], target, 0.5)
        terms.pop("ce")
        torch.stack(list(terms.values())).sum().backward()
        leaves = [*features, said.embedding, *before]
        return [one.grad for one in leaves if one is not None and one.grad is not None]

    usual = max(float(one.abs().max()) for one in gradients(False))
    found = gradients(True)
    assert found
    assert all(bool(torch.isfinite(one).all()) for one in found)
    assert max(float(one.abs().max()) for one in found) < 1e4 * usual
