"""What the layers of a network give for images: Gram matrices of all layers, and the embedding."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from hpmkd.data.augment import Normalise, plain_batches
from hpmkd.data.source.images import Images
from hpmkd.models import ModelOutput
from hpmkd.training.device import autocast

MOST_BYTES = 2**28  # of the activations that are held at a time
_CONSTANT = 1e-6  # of its mean: a feature that varies less has rounding errors alone
Part = dict[str, slice]  # columns of a layer's features


def layers_of(output: ModelOutput) -> dict[str, Tensor]:
    """Name -> what a layer gives, `(N, P)`: the maps after each stage, flattened, so that each place of each channel is
    a feature (as in Kornblith et al. 2019); the embedding; the logits."""
    assert output.embedding is not None
    maps = {f"map {number}": one.flatten(1) for number, one in enumerate(output.features, 1)}
    return {**maps, "embedding": output.embedding, "logits": output.logits}


@torch.no_grad()
def grams(
    model: nn.Module, images: Images, normalise: Normalise, precision: str, most_bytes: int = MOST_BYTES
) -> dict[str, npt.NDArray[np.floating]]:
    """Gram matrices `(N, N)` of the centred activations of each layer.

    Features are held in fp32, as many columns at a time as `most_bytes` have room for; where that is not all of them,
    the images are shown again for the rest. The sums are exact either way.
    """
    first = next(_outputs(model, images, normalise, precision))
    widths = {name: one.shape[1] for name, one in layers_of(first).items()}
    made: dict[str, Tensor] = {}
    for part in _parts(widths, max(1, most_bytes // (4 * len(images)))):
        for name, x in _columns(_outputs(model, images, normalise, precision), part, images).items():
            mean = x.mean(0)
            x -= mean
            x[:, x.abs().amax(0) <= _CONSTANT * mean.abs()] = 0.0
            exact = x.double() if x.is_cuda else x  # there, products of fp32 may be rounded to less
            product = exact @ exact.T
            made[name] = made[name] + product if name in made else product
    return {name: one.cpu().numpy() for name, one in made.items()}


def _columns(outputs: Iterable[ModelOutput], part: Part, images: Images) -> dict[str, Tensor]:
    """These columns of the activations of all images, fp32."""
    sizes = {name: columns.stop - columns.start for name, columns in part.items()}
    made = {name: torch.empty(len(images), size, device=images.device) for name, size in sizes.items()}
    start = 0
    for output in outputs:
        layers = layers_of(output)
        stop = start + len(output.logits)
        for name, columns in part.items():
            made[name][start:stop] = layers[name][:, columns]
        start = stop
    return made


def _parts(widths: dict[str, int], room: int) -> list[Part]:
    """All columns of all layers, in parts of at most `room` columns."""
    parts: list[Part] = [{}]
    left = room
    for name, width in widths.items():
        start = 0
        while start < width:
            if left == 0:
                parts.append({})
                left = room
            stop = min(width, start + left)
            parts[-1][name] = slice(start, stop)
            left -= stop - start
            start = stop
    return parts


@torch.no_grad()
def embedding(model: nn.Module, images: Images, normalise: Normalise, precision: str) -> npt.NDArray[np.float32]:
    """`(N, D)`, fp32."""
    made = [out.embedding for out in _outputs(model, images, normalise, precision, features=False)]
    # What is no number says nothing for or against a class.
    return torch.nan_to_num(torch.cat([one.float() for one in made if one is not None])).cpu().numpy()


def _outputs(
    model: nn.Module, images: Images, normalise: Normalise, precision: str, features: bool = True
) -> Iterator[ModelOutput]:
    model.eval()
    with autocast(precision, images.device):
        for batch, _ in plain_batches(images, normalise):
            yield model(batch, features=features, embedding=True)
