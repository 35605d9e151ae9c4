"""Accuracy of a network on images."""

from __future__ import annotations

import torch
from torch import nn

from hpmkd.data.augment import Normalise, plain_batches
from hpmkd.data.images import Images
from hpmkd.training.device import autocast


@torch.no_grad()
def evaluate(model: nn.Module, images: Images, normalise: Normalise, precision: str = "fp32") -> float:
    """Accuracy in percent of `model` in eval mode; the model is left in the mode it was in."""
    was_training, device = model.training, images.labels.device
    model.eval()
    correct = torch.zeros((), dtype=torch.int64, device=device)
    with autocast(precision, device):
        for batch, labels in plain_batches(images, normalise):
            correct += (model(batch).logits.argmax(1) == labels).sum()
    model.train(was_training)
    return 100 * int(correct) / len(images)
