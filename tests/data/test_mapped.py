"""Large data sets are mapped into memory and shared: the same images, the same weights, no copy as a whole."""

from __future__ import annotations

import sys
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
from hpmkd.data.source import mapped as mapped_pages
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


@given(
    st.integers(6, 40), st.integers(1, 12), st.sampled_from(["none", "crop", "crop_flip"]), st.integers(0, 2**32),
    st.sampled_from([1, 3]), st.sampled_from([None, 2]),
)  # fmt: skip
def test_any_batch_is_the_same(
    count: int, batch: int, augment: str, seed: int, channels: int, views: int | None
) -> None:
    """Whatever the size of the set and of the batch: the images of an epoch, bit for bit."""
    raw = make_raw(count, channels=channels)
    index = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    found = []
    for copy in (True, False):
        part = raw.train.take(index[: count - 2], copy)
        batches = TrainBatches(part, Normalise(torch.zeros(channels), torch.ones(channels), CPU), augment, batch, views)
        assert (batches._crops is None) == (augment == "none" or not copy), "a mapped set has no copy with borders"
        found.append([batches.take(*drawn) for drawn in batches.draws(seed, 3)])
    assert all(torch.equal(a, b) for pair in zip(*found, strict=True) for a, b in zip(*pair, strict=True))


@pytest.mark.parametrize(("size", "most"), [(8, 512), (28, 512), (32, 512), (64, 128), (224, 16)])
def test_large_images_are_evaluated_a_few_at_a_time(size: int, most: int) -> None:
    images = Images(torch.zeros(600, size, size, 1, dtype=torch.uint8), torch.arange(600))
    sizes = [len(labels) for _, labels in plain_batches(images, Normalise(torch.zeros(1), torch.ones(1), CPU))]
    assert sizes[0] == most
    assert sum(sizes) == 600


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


def test_a_mapped_part_goes_to_another_device_bit_by_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    from hpmkd.data.source import images as source_images

    monkeypatch.setattr(source_images, "_AT_A_TIME", 4)
    shown: list[int] = []
    images = Images(torch.arange(30, dtype=torch.uint8).view(30, 1, 1, 1), torch.arange(30))
    pages = mapped_pages.Pages(images.pixels)
    monkeypatch.setattr(pages, "gathered", lambda pixels, places: shown.append(len(places)) or pixels[places])
    part = replace(images, pages=pages).take(torch.arange(2, 12), copy=False)
    moved = part.to(torch.device("meta"))
    assert (moved.pages, moved.places, moved.pixels.shape) == (None, None, (10, 1, 1, 1))
    assert shown == [4, 4, 2]


def test_what_lies_in_memory_alone_is_never_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapped_pages, "MOST_BYTES", 0)
    pixels = torch.ones(300, 32, 32, 3, dtype=torch.uint8)
    part = Images(pixels, torch.zeros(300, dtype=torch.int64), None, mapped_pages.Pages(pixels))
    part.rows(slice(0, 300))
    assert bool((pixels == 1).all())


def rss_file() -> int:
    """Bytes of files that this process is charged for."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("RssFile")).split()[1])


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_what_was_read_of_a_file_goes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that has looked at all images is charged for a part of them, and finds the same ones again."""
    generator = torch.Generator().manual_seed(1)
    pixels = torch.randint(0, 256, (3000, 64, 64, 3), generator=generator, dtype=torch.uint8)
    torch.save({"pixels": pixels}, tmp_path / "x.pt")
    mapped = torch.load(tmp_path / "x.pt", weights_only=True, mmap=True)["pixels"]
    order, labels = torch.randperm(3000, generator=generator), torch.zeros(3000, dtype=torch.int64)
    charged = []
    for most in (2**22, 2**40):
        monkeypatch.setattr(mapped_pages, "MOST_BYTES", most)
        part = Images(mapped, labels, None, mapped_pages.Pages(mapped)).take(order, copy=False)
        before = rss_file()
        for _ in range(2):
            found = torch.cat([part.rows(slice(start, start + 10)) for start in range(0, 3000, 10)])
            assert torch.equal(found, pixels[order])
        charged.append(rss_file() - before)
    assert charged[0] < 2**24
    assert charged[1] > pixels.numel() * 0.9
