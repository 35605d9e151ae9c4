"""Splits, and batches of augmented images."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support.builders import batches_of, make_raw, make_spec
from support.fake_gpu import GPU, fake_gpu
from support.pictures import CPU, SAME, numbered
from torch.nn import functional as F

from hpmkd.data import augment
from hpmkd.data.augment import Normalise, TrainBatches, plain_batches
from hpmkd.data.images import RawData, split
from hpmkd.data.source.images import Images
from hpmkd.errors import EnvironmentProblem


def rows(pixels: torch.Tensor) -> set[bytes]:
    return {image.numpy().tobytes() for image in pixels}


def test_validation_is_a_tenth_and_the_same_for_all() -> None:
    raw = make_raw(90)
    whole, small, smaller = (split(raw, make_spec(train_images=count)) for count in (None, 40, 15))
    assert (len(whole.train), len(whole.validation), len(small.train)) == (81, 9, 40)
    assert torch.equal(whole.validation.pixels, small.validation.pixels)
    assert rows(smaller.train.pixels) < rows(small.train.pixels) < rows(whole.train.pixels)
    assert rows(whole.train.pixels).isdisjoint(rows(whole.validation.pixels))
    assert torch.equal(whole.test.pixels, raw.test.pixels)
    other = split(raw, make_spec(name="Other"))
    assert not torch.equal(other.validation.pixels, whole.validation.pixels)


def test_moments_against_numpy() -> None:
    splits = split(make_raw(60, channels=3), make_spec(channels=3))
    pixels = splits.train.pixels.numpy().astype(np.float64)
    assert np.allclose(splits.mean.numpy(), pixels.mean((0, 1, 2)), rtol=1e-6)
    assert np.allclose(splits.std.numpy(), pixels.std((0, 1, 2)), rtol=1e-6)
    normal = Normalise(splits.mean, splits.std, CPU)(splits.train.pixels)
    assert normal.shape == (54, 3, 16, 16)
    assert normal.is_contiguous(memory_format=torch.channels_last)
    assert torch.allclose(normal.mean((0, 2, 3)), torch.zeros(3), atol=1e-4)
    assert torch.allclose(normal.std((0, 2, 3), correction=0), torch.ones(3), atol=1e-4)


def spoilt(**parts: torch.Tensor) -> RawData:
    raw = make_raw(12)
    values = {"pixels": raw.train.pixels, "labels": raw.train.labels, **parts}
    return RawData(Images(**values), raw.test, raw.classes)


@pytest.mark.parametrize(
    "raw",
    [
        spoilt(pixels=torch.zeros(12, 16, 16, 1)),
        spoilt(labels=torch.zeros(11, dtype=torch.int64)),
        spoilt(labels=torch.full((12,), 4)),
        spoilt(labels=torch.full((12,), -1)),
        spoilt(pixels=torch.zeros(12, 16, 8, 1, dtype=torch.uint8)),
        spoilt(pixels=torch.zeros(12, 20, 20, 1, dtype=torch.uint8)),
        spoilt(pixels=torch.zeros(0, 16, 16, 1, dtype=torch.uint8), labels=torch.zeros(0, dtype=torch.int64)),
    ],
)
def test_unusable_data_is_refused(raw: RawData) -> None:
    with pytest.raises(EnvironmentProblem, match="here: unusable data set"):
        raw.check("here")


@pytest.mark.parametrize("augment", ["none", "crop", "crop_flip"])
def test_an_epoch_is_a_function_of_seed_and_epoch(augment: str) -> None:
    batches = TrainBatches(numbered(23), SAME, augment, 5)

    def epoch(seed: int, number: int) -> tuple[torch.Tensor, torch.Tensor]:
        images, labels, *_ = zip(*batches_of(batches, seed, number), strict=True)
        return torch.cat(images), torch.cat(labels)

    images, labels = epoch(3, 1)
    torch.manual_seed(99)
    again = epoch(3, 1)
    assert torch.equal(images, again[0])
    assert sorted(labels.tolist()) == list(range(23))
    for other in (epoch(3, 2), epoch(4, 1)):
        assert not torch.equal(labels, other[1])


def test_on_a_gpu_the_next_epoch_is_drawn_ahead_and_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the GPU works; the labels say that they lie on one, until the batches are asked for."""

    class Labels:
        device = torch.device("cuda")

        def __len__(self) -> int:
            return 30

    drawn: list[tuple[int, int]] = []
    batches, plain = (TrainBatches(make_raw(30).train, SAME, "crop_flip", 8) for _ in range(2))
    order = batches._order
    monkeypatch.setattr(batches, "_order", lambda *given: drawn.append(given) or order(*given))
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: tensor)
    labels = batches.labels
    for seed, epoch, ahead in ((7, 0, (7, 0)), (7, 1, (7, 2)), (7, 1, (6, 1))):
        monkeypatch.setattr(batches, "labels", Labels())
        batches.draw_ahead(*ahead)
        monkeypatch.setattr(batches, "labels", labels)
        drawn.clear()
        for one, other in zip(batches.draws(seed, epoch), plain.draws(seed, epoch), strict=True):
            assert all(torch.equal(*pair) for pair in zip(one, other, strict=True))
        assert drawn == ([] if ahead == (seed, epoch) else [(seed, epoch)])
        assert batches._ahead is None, "used once"


def test_on_a_cpu_nothing_is_drawn_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    batches = TrainBatches(make_raw(30).train, SAME, "crop_flip", 8)
    monkeypatch.setattr(batches, "_order", lambda *given: pytest.fail("it was drawn"))
    batches.draw_ahead(7, 1)


def test_every_batch_image_is_a_crop_of_its_padded_source_or_its_mirror() -> None:
    """Against padding and cutting one image at a time."""
    source, found = numbered(40), {"flipped": 0, "plain": 0}
    offsets = set()
    for images, labels, *_ in batches_of(TrainBatches(source, SAME, "crop_flip", 7), 0, 0):
        for image, label in zip(images, labels, strict=True):
            padded = F.pad(source.pixels[label].permute(2, 0, 1).float(), (4, 4, 4, 4))
            crops = {(y, x): padded[:, y : y + 6, x : x + 6] for y in range(9) for x in range(9)}
            plain = [at for at, crop in crops.items() if torch.equal(crop, image)]
            mirrored = [at for at, crop in crops.items() if torch.equal(crop.flip(2), image)]
            assert plain or mirrored
            found["plain" if plain else "flipped"] += 1
            offsets |= set((plain or mirrored)[:1])
    assert min(found.values()) >= 8
    assert len(offsets) >= 20


@pytest.mark.parametrize(("count", "sizes"), [(10, [5, 5]), (11, [5, 6]), (12, [5, 5, 2]), (1, [1]), (3, [3])])
def test_no_batch_of_one_image_at_the_end(count: int, sizes: list[int]) -> None:
    batches = TrainBatches(numbered(count), SAME, "none", 5)
    assert [end - start for start, end in batches.bounds()] == sizes
    assert [len(batch.labels) for batch in batches_of(batches, 0, 0)] == sizes


@pytest.mark.parametrize(("size", "channels"), [(8, 3), (5, 1), (7, 3)])
def test_mirror_images_are_chosen_image_by_image(size: int, channels: int) -> None:
    """Whether an image has a whole number of eight bytes or not."""
    one, other = make_raw(9, size=size, channels=channels).train.pixels, torch.zeros(9, size, size, channels)
    first = torch.tensor([True, False, False] * 3)
    found = augment._chosen(first, one, other.to(torch.uint8))
    assert torch.equal(found, one * first[:, None, None, None])


def test_evaluation_sees_every_image_once_in_order() -> None:
    source = numbered(23)
    labels = torch.cat([labels for _, labels in plain_batches(source, SAME, 10)])
    assert torch.equal(labels, source.labels)


@pytest.mark.parametrize(("on_gpu", "sizes"), [(False, [512] * 5 + [440]), (True, [2048, 952])])
def test_a_gpu_evaluates_in_large_batches(on_gpu: bool, sizes: list[int]) -> None:
    """Which are few launches; on a CPU the size of a batch decides over the last bits."""
    images, normalise = Images(torch.zeros(3000, 4, 4, 1, dtype=torch.uint8), torch.zeros(3000)), SAME
    if not on_gpu:
        assert [len(labels) for _, labels in plain_batches(images, normalise)] == sizes
        return
    with fake_gpu():
        normalise = Normalise(torch.zeros(1), torch.ones(1), GPU)
        assert [len(labels) for _, labels in plain_batches(images.to(GPU), normalise)] == sizes
