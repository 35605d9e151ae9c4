"""Large data sets are mapped into memory and shared: the same images, the same weights, no copy as a whole."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.builders import make_config, make_fit, make_raw, make_spec
from support.pictures import CPU
from support.trainings import flat

from hpmkd.config.specs import ModelSpec
from hpmkd.data import cache
from hpmkd.data import images as module
from hpmkd.data.augment import Normalise, TrainBatches, plain_batches
from hpmkd.data.images import Splits, split
from hpmkd.data.source.images import Images
from hpmkd.methods.build import build_distiller
from hpmkd.models import build
from hpmkd.training.recipe import Recipe
from hpmkd.training.train import Training


def both(monkeypatch: pytest.MonkeyPatch, train_images: int | None = None, channels: int = 3) -> tuple[Splits, Splits]:
    """The same parts copied, and left where they are."""
    raw, spec = make_raw(60, channels=channels), make_spec(train_images=train_images, channels=channels)
    copied = split(raw, spec)
    monkeypatch.setattr(module, "MAPPED_BYTES", 0)
    mapped = split(raw, spec)
    assert mapped.train.pixels is raw.train.pixels, "not copied"
    assert mapped.validation.pixels is raw.train.pixels
    return copied, mapped


@pytest.mark.parametrize("train_images", [None, 20])
def test_the_parts_are_the_same(train_images: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    copied, mapped = both(monkeypatch, train_images)
    for one, other in (
        (copied.train, mapped.train),
        (copied.validation, mapped.validation),
        (copied.test, mapped.test),
    ):
        assert torch.equal(one.labels, other.labels)
        assert torch.equal(one.rows(slice(None)), other.rows(slice(None)))
    assert torch.equal(copied.mean, mapped.mean)
    assert torch.equal(copied.std, mapped.std)


@pytest.mark.parametrize("augment", ["none", "crop", "crop_flip"])
@pytest.mark.parametrize("views", [None, 3])
def test_the_batches_are_the_same(augment: str, views: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    copied, mapped = both(monkeypatch)
    normalise = Normalise(copied.mean, copied.std, CPU)
    one, other = (TrainBatches(part.train, normalise, augment, 8, views) for part in (copied, mapped))
    for left, right in zip(one.draws(3, 1), other.draws(3, 1), strict=True):
        for a, b in zip(one.take(*left), other.take(*right), strict=True):
            assert torch.equal(a, b)
    pairs = zip(plain_batches(copied.validation, normalise), plain_batches(mapped.validation, normalise), strict=True)
    assert all(torch.equal(a, b) for pair in pairs for a, b in zip(*pair, strict=True))


def test_the_weights_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = ModelSpec("lenet5", (3, 4, 12), 3, 16, 4)
    trained = []
    for splits in both(monkeypatch):
        distiller = build_distiller("Direct", {}, spec, (), 3)
        training = Training(build(spec, 2), distiller, [], splits, Recipe(make_fit(epochs=2), "crop_flip", 5, CPU))
        list(training.epochs())
        trained.append(flat(training.model.state_dict()))
    assert all(torch.equal(value, trained[1][name]) for name, value in trained[0].items())


@given(st.lists(st.integers(0, 29), min_size=1, max_size=9), st.lists(st.integers(0, 8), min_size=1, max_size=5))
def test_a_part_of_a_part(first: list[int], then: list[int]) -> None:
    images = Images(torch.arange(30, dtype=torch.uint8).view(30, 1, 1, 1), torch.arange(30))
    once, twice = torch.tensor(first), torch.tensor([place % len(first) for place in then])
    expected = [first[place] for place in twice.tolist()]
    for copies in ((True, True), (True, False), (False, True), (False, False)):
        part = images.take(once, copies[0]).take(twice, copies[1])
        assert part.labels.tolist() == expected
        assert part.rows(slice(None)).flatten().tolist() == expected
        assert len(part) == len(expected)


def test_to_another_device_a_part_goes_alone() -> None:
    images = Images(torch.arange(30, dtype=torch.uint8).view(30, 1, 1, 1), torch.arange(30))
    part = images.take(torch.tensor([3, 5]), copy=False)
    assert part.to(CPU) is part
    moved = part.to(torch.device("meta"))
    assert moved.places is None
    assert moved.pixels.shape == (2, 1, 1, 1)


def test_the_cache_of_a_large_data_set_is_mapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two workers share its pages; a small one is read as a whole."""
    config = make_config(tmp_path)
    (spec,) = cache.describe(config)
    cache.prepare(spec, config.data)
    asked: list[bool] = []
    load = torch.load
    monkeypatch.setattr(torch, "load", lambda *given, **named: asked.append(named["mmap"]) or load(*given, **named))
    found = []
    for limit in (module.MAPPED_BYTES, 0):
        monkeypatch.setattr(module, "MAPPED_BYTES", limit)
        cache.load.cache_clear()
        found.append(cache.load(replace(spec, train_images=50), config.data.model_dump_json()))
    cache.load.cache_clear()
    assert asked == [False, True]
    assert torch.equal(found[0].train.rows(slice(None)), found[1].train.rows(slice(None)))
    assert [len(splits.train.pixels) for splits in found] == [50, 1442]
