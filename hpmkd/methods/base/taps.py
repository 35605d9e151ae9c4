"""What methods that look at feature maps share: their shapes, sizes that can be compared, and which goes with which."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from hpmkd.config.specs import ModelSpec
from hpmkd.models import ModelOutput, build
from hpmkd.models.averaging import averaged


def feature_shapes(spec: ModelSpec, tap: Literal["features", "pre_activations"] = "features") -> list[torch.Size]:
    """Shapes `(C, H, W)` of a network's feature taps, from one forward pass of zeros."""
    return [maps.shape[1:] for maps in getattr(_shown(spec, tap), tap)]


def embedding_size(spec: ModelSpec) -> int:
    """D of a network's embedding `(N, D)`, in the same way."""
    embedding = _shown(spec, "embedding").embedding
    assert embedding is not None, "every network has one"
    return embedding.shape[1]


def embeddings(student: ModelOutput, teacher: ModelOutput) -> tuple[Tensor, Tensor]:
    """`(N, D_s)` and `(N, D_t)`, which a loss has asked for (`Distiller.needs`)."""
    assert student.embedding is not None
    assert teacher.embedding is not None
    return student.embedding, teacher.embedding


def _shown(spec: ModelSpec, tap: str) -> ModelOutput:
    model = build(spec, seed=0).eval()
    with torch.no_grad():
        found: ModelOutput = model(torch.zeros(1, spec.in_channels, spec.image_size, spec.image_size), **{tap: True})
    return found


def same_size(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Both maps at the smaller one's height and width, by average pooling (Zagoruyko and Komodakis 2017, 3.1)."""
    height, width = min(a.shape[2], b.shape[2]), min(a.shape[3], b.shape[3])
    pooled = [x if x.shape[2:] == (height, width) else averaged(x, height, width) for x in (a, b)]
    return pooled[0], pooled[1]


def paired_stages(student: int, teacher: int) -> list[tuple[int, int]]:
    """Which tap of the student is compared with which of the teacher, first with first and last with last."""
    count = min(student, teacher)
    if count == 1:
        return [(student - 1, teacher - 1)]
    return [(i * (student - 1) // (count - 1), i * (teacher - 1) // (count - 1)) for i in range(count)]
