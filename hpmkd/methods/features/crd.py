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
        """-log h(positive) - sum log(1 - h(negatives)), h = e / (e + K / N) with e = exp(a b / T) / Z, the mean over
        the batch; equations 17 and 18.

        Z is the mean of all exponentials that count in the first batch, times N. Products with the whole bank are fewer
        bytes than the rows of it that are wanted.
        """
        found, slopes_BD = self._value_and_slopes(anchors_BD.detach(), bank_ND, weights_BN, scale)
        return found + (slopes_BD * (anchors_BD - anchors_BD.detach())).sum()

    @torch.no_grad()
    def _value_and_slopes(
        self, anchors_BD: Tensor, bank_ND: Tensor, weights_BN: Tensor, scale: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The contrast and its gradient by the anchors.

        By hand, because autograd would keep half a dozen matrices of `(B, N)` and read them all again on its way back:
        here there is one, which becomes in turn e, the denominators of h, and the slopes.
        """
        assert self.which is not None
        temperature, count = float(self.hparams["crd.temperature"]), len(anchors_BD)
        own, noise = bank_ND[self.which], float(self.hparams["crd.negatives"]) / len(bank_ND)
        right_B = ((anchors_BD * own).sum(1) / temperature).exp()
        wrong_BN = (anchors_BD @ bank_ND.t()).div_(temperature).exp_()
        weight = weights_BN.sum()
        mean = (right_B.sum() + (weights_BN * wrong_BN).sum()) / (count + weight)
        scale.copy_(torch.where(scale > 0, scale, mean * len(bank_ND)))
        right_B, below = right_B / scale, noise + _SMALLEST
        part_B = right_B / (right_B + below)
        denominators_BN = wrong_BN.div_(scale).add_(below)
        value = (weights_BN * denominators_BN.log()).sum() - weight * math.log(noise) - part_B.log().sum()
        # e / (e + below) = 1 - below / (e + below)
        slopes_BN = denominators_BN.reciprocal_().mul_(-below).add_(1).mul_(weights_BN)
        slopes_BD = slopes_BN @ bank_ND - (1 - part_B)[:, None] * own
        return value / count, slopes_BD / (temperature * count)

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
