"""Gram matrices of layers: exact whatever room there is, and what counts as a layer."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hpmkd.config.specs import ModelSpec
from hpmkd.data.augment import Normalise
from hpmkd.data.source.images import Images
from hpmkd.models import build
from hpmkd.training import activations

NORMALISE = Normalise(torch.tensor([120.0]), torch.tensor([60.0]), torch.device("cpu"))


def images(count: int = 30) -> Images:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (count, 28, 28, 1), generator=generator, dtype=torch.uint8)
    return Images(pixels, torch.arange(count) % 10)


def network(arch: str, channels: tuple[int, ...]) -> torch.nn.Module:
    return build(ModelSpec(arch, channels, in_channels=1, image_size=28, classes=10), seed=1).eval()


def directly(model: torch.nn.Module, shown: Images) -> dict[str, np.ndarray]:
    with torch.no_grad():
        out = model(NORMALISE(shown.rows(slice(None))), features=True, embedding=True)
    layers = [*(one.flatten(1) for one in out.features), out.embedding, out.logits]
    centred = [(one - one.mean(0)).double().numpy() for one in layers]
    return dict(enumerate(one @ one.T for one in centred))


@pytest.mark.parametrize(("arch", "channels", "maps"), [("lenet5", (3, 5, 12), 2), ("resnet8", (4, 6, 8), 3)])
@pytest.mark.parametrize("columns", [10**6, 700, 100])
def test_grams(arch: str, channels: tuple[int, ...], maps: int, columns: int) -> None:
    model, shown = network(arch, channels), images()
    found = activations.grams(model, shown, NORMALISE, "fp32", most_bytes=4 * len(shown) * columns)
    assert list(found) == [*(f"map {number}" for number in range(1, maps + 1)), "embedding", "logits"]
    for one, other in zip(found.values(), directly(model, shown).values(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4 * np.abs(other).max())


def test_the_parts_are_all_columns_once_and_small() -> None:
    widths, room = {"a": 10, "b": 3, "c": 25}, 8
    parts = activations._parts(widths, room)
    assert all(sum(one.stop - one.start for one in part.values()) <= room for part in parts)
    for name, width in widths.items():
        columns = [column for part in parts for column in range(*part.get(name, slice(0)).indices(99))]
        assert columns == list(range(width))


def test_a_feature_that_never_varies_is_nothing() -> None:
    model = network("lenet5", (3, 5, 12))
    with torch.no_grad():
        model.fc1.weight.zero_()
        model.fc1.bias.fill_(1 / 3)
    assert not activations.grams(model, images(), NORMALISE, "fp32")["embedding"].any()


def test_the_embedding_is_what_the_last_layer_is_given() -> None:
    model, shown = network("lenet5", (3, 5, 12)), images()
    found = activations.embedding(model, shown, NORMALISE, "fp32")
    with torch.no_grad():
        logits = model(NORMALISE(shown.rows(slice(None)))).logits
    np.testing.assert_allclose(model.fc2(torch.from_numpy(found)).detach(), logits, atol=1e-5)
