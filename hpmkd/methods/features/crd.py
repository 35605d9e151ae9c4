"""CRD: Tian et al. 2020, Contrastive Representation Distillation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hpmkd.config.specs import ModelSpec
from hpmkd.methods.base import FeatureDistiller, Taps, embedding_size, embeddings
from hpmkd.models import ModelOutput

_SMALLEST = 1e-7


def contrast(positive_B: Tensor, negative_BN: Tensor, weights_BN: Tensor, noise: float) -> Tensor:
    """-log h(positive) - sum log(1 - h(negatives)), h = e / (e + K / N), the mean over B; equations 17 and 18.

    Args:
        positive_B: e of each anchor with its own image.
        negative_BN: e of each with all images, of which `weights_BN` says how often they count.
        noise: K / N.
    """
    right = (positive_B / (positive_B + noise + _SMALLEST)).log()
    wrong = weights_BN * (noise / (negative_BN + noise + _SMALLEST)).log()
    return -(right.sum() + wrong.sum()) / len(positive_B)


@final
class CRD(FeatureDistiller):
    """Student and teacher say alike of an image, and unlike of it and images of other classes, in the embedding.

    What both said of each training image is kept in a memory bank, two buffers `(N, dimensions)`.
    """

    needs: ClassVar[Taps] = frozenset({"embedding"})

    def __init__(self, hparams: Mapping[str, Any], student: ModelSpec, teachers: Sequence[ModelSpec]) -> None:
        super().__init__(hparams, student, teachers)
        self.width = int(hparams["crd.dimensions"])
        self.embed_s = nn.Linear(embedding_size(student), self.width)
        self.embed_t = nn.Linear(embedding_size(teachers[0]), self.width)
        self.start = torch.randint(2**31, ()).item()
        self.labels: Tensor
        self.bank_s: Tensor
        self.bank_t: Tensor
        self.scale_s: Tensor
        self.scale_t: Tensor

    @property
    def recordable(self) -> bool:
        """Not with negatives that are drawn anew at each step."""
        return False

    def meet(self, labels: Tensor) -> None:
        """Makes the memory bank, at random from -sqrt(3 / d) to sqrt(3 / d), on the labels' device."""
        limit, generator = math.sqrt(3 / self.width), torch.Generator().manual_seed(int(self.start))
        for name in ("bank_s", "bank_t"):
            bank = (torch.rand(len(labels), self.width, generator=generator) * 2 - 1) * limit
            self.register_buffer(name, bank.to(labels.device))
        for name in ("scale_s", "scale_t"):  # Z: from the first batch on
            self.register_buffer(name, torch.zeros((), device=labels.device))
        self.register_buffer("labels", labels.clone(), persistent=False)

    def _contrast(self, anchors_BD: Tensor, bank_ND: Tensor, weights_BN: Tensor, scale: Tensor) -> Tensor:
        """`contrast` with e = exp(a b / T) / Z; Z: the mean of all exponentials that count in the first batch, times N.

        Products with the whole bank are fewer bytes than the rows of it that are wanted.
        """
        assert self.which is not None
        # A copy: the bank changes before the backward pass, which needs it as it was.
        bank, temperature = bank_ND.clone(), float(self.hparams["crd.temperature"])
        negative = torch.exp(anchors_BD @ bank.t() / temperature)
        positive = torch.exp((anchors_BD * bank[self.which]).sum(1) / temperature)
        with torch.no_grad():
            mean = (positive.sum() + (weights_BN * negative).sum()) / (len(positive) + weights_BN.sum())
            scale.copy_(torch.where(scale > 0, scale, mean * len(bank)))
        noise = float(self.hparams["crd.negatives"]) / len(bank)
        return contrast(positive / scale, negative / scale, weights_BN, noise)

    @torch.no_grad()
    def _weights(self, which_B: Tensor) -> Tensor:
        """How often each image counts as a negative of each anchor, `(B, N)`: those of other classes.

        Where there are more than K of them each is one with the same probability, so that there are K on average; else
        all are, each as often as K draws would take it on average. (The authors' code draws K of them, with repetition
        where there are fewer. Of 50,000 images exact draws take several times as long as the products with them.)
        """
        others = (self.labels[which_B][:, None] != self.labels[None]).to(self.bank_s.dtype)
        part = float(self.hparams["crd.negatives"]) / others.sum(1, keepdim=True).clamp_min(1)
        drawn = torch.rand(others.shape, dtype=others.dtype, device=others.device) < part
        return others * torch.where(part < 1, drawn.to(others.dtype), part)

    @torch.no_grad()
    def _remember(self, bank_ND: Tensor, which_B: Tensor, said_BD: Tensor) -> None:
        """Moves the entries of these images towards what was said of them, at length 1."""
        keep = self.hparams["crd.momentum"]
        moved = keep * bank_ND[which_B] + (1 - keep) * said_BD
        bank_ND.index_copy_(0, which_B, F.normalize(moved, dim=1))

    def own(self, student: ModelOutput, teacher: ModelOutput, progress: float | Tensor) -> dict[str, Tensor]:
        """beta (contrast with the teacher's entries + contrast of the teacher with the student's)."""
        assert self.which is not None
        said = embeddings(student, teacher)
        ours, theirs = F.normalize(self.embed_s(said[0]), dim=1), F.normalize(self.embed_t(said[1]), dim=1)
        weights = self._weights(self.which)
        found = self._contrast(ours, self.bank_t, weights, self.scale_s)
        found = found + self._contrast(theirs, self.bank_s, weights, self.scale_t)
        self._remember(self.bank_s, self.which, ours)
        self._remember(self.bank_t, self.which, theirs)
        return {"crd": self.hparams["crd.beta"] * found}
