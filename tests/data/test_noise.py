"""Wrong labels: how many, which ones, what they are, and what stays true."""

from __future__ import annotations

import itertools
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.builders import make_raw, make_spec

from hpmkd.data.conditions.catalog import canonical, conditioned, parts
from hpmkd.data.conditions.confusable import PUBLISHED
from hpmkd.data.images import split
from hpmkd.data.realised import realise, sentence
from hpmkd.errors import UsageError

RATES = (0.1, 0.2, 0.3, 0.4)


def labels(images: int = 3000, classes: int = 10) -> np.ndarray:
    return np.random.default_rng(5).integers(0, classes, images)


def noisy(condition: str, name: str = "CIFAR10") -> tuple[np.ndarray, np.ndarray]:
    """True and given labels of the training images."""
    train, _ = parts(labels(), conditioned(make_spec(name=name, classes=10), condition))
    return train.true, train.given


@pytest.mark.parametrize(("kind", "rate"), [*itertools.product(["sym", "pair"], RATES)])
def test_the_rate_is_exact_and_so_is_each_class(kind: str, rate: float) -> None:
    true, given_ = noisy(f"{kind}{rate}")
    assert (true != given_).sum() == rate * len(true)
    for label in range(10):
        mine = true == label
        assert abs((true != given_)[mine].sum() - rate * mine.sum()) <= 1


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("name", list(PUBLISHED))
def test_confusable_classes(name: str, rate: float) -> None:
    """Patrini et al. 2017, section 5."""
    published = {
        "CIFAR10": {9: 1, 2: 0, 4: 7, 3: 5, 5: 3},
        "MNIST": {2: 7, 3: 8, 5: 6, 6: 5, 7: 1},
        "Digits": {2: 7, 3: 8, 5: 6, 6: 5, 7: 1},
    }
    true, given_ = noisy(f"asym{rate}", name)
    wrong = true != given_
    assert {(int(one), int(other)) for one, other in zip(true[wrong], given_[wrong], strict=True)} == set(
        published[name].items()
    )
    eligible = np.isin(true, list(published[name]))
    assert wrong.sum() == int(Fraction(str(rate)) * int(eligible.sum()) + Fraction(1, 2))


@pytest.mark.parametrize(
    ("condition", "found"), [("sym0.0000001", "less than half an image"), ("pair0.0001", "of 2,700 training images")]
)
def test_a_rate_that_flips_nothing_is_refused(condition: str, found: str) -> None:
    with pytest.raises(UsageError, match="leaves every label as it is") as caught:
        noisy(condition)
    assert found in str(caught.value.found)


def test_classes_that_have_no_images_flip_nothing() -> None:
    spec = replace(conditioned(make_spec(name="CIFAR10", classes=10), "asym0.4"), confused=((1, 2),))
    true = np.zeros(100, dtype=np.int64)
    with pytest.raises(UsageError, match="leaves every label as it is") as caught:
        parts(true, spec)
    assert "data.confused" in str(caught.value.todo)


def test_pairs_are_the_next_class() -> None:
    true, given_ = noisy("pair0.3")
    wrong = true != given_
    assert np.array_equal(given_[wrong], (true[wrong] + 1) % 10)


def test_any_other_class_is_about_as_frequent() -> None:
    true, given_ = noisy("sym0.4")
    moved = (given_ - true)[true != given_] % 10
    assert set(moved) == set(range(1, 10)), "never the true class"
    assert np.bincount(moved, minlength=10)[1:].min() > len(moved) / 9 / 2


@pytest.mark.parametrize("kind", ["sym", "asym", "pair"])
def test_flips_are_nested_and_to_the_same_class(kind: str) -> None:
    found = [noisy(f"{kind}{rate}") for rate in RATES]
    for (true, few), (_, more) in itertools.pairwise(found):
        flipped = true != few
        assert np.array_equal(few[flipped], more[flipped])
        assert (true != more).sum() > flipped.sum()


@given(st.integers(30, 400), st.sampled_from(RATES), st.integers(2, 12))
def test_of_any_set(images: int, rate: float, classes: int) -> None:
    spec = conditioned(make_spec(classes=classes), f"sym{rate}")
    train, validation = parts(labels(images, classes), spec)
    for part in (train, validation):
        assert (part.true != part.given).sum() == int(Fraction(str(rate)) * len(part) + Fraction(1, 2))
        assert part.given.min() >= 0
        assert part.given.max() < classes


def test_the_class_that_an_image_would_get_is_the_same_among_fewer_images() -> None:
    spec = make_spec(classes=10)
    whole, few = (parts(labels(), conditioned(spec, text))[0] for text in ("sym0.4", "n900-exp5-sym0.4"))
    at = dict(zip(whole.places.tolist(), whole.given.tolist(), strict=True))
    both = [
        (at[place], label)
        for place, label, true in zip(few.places.tolist(), few.given.tolist(), few.true.tolist(), strict=True)
        if label != true and at[place] != true
    ]
    assert len(both) > 10
    assert all(one == other for one, other in both)


def test_validation_has_the_noise_unless_it_is_clean() -> None:
    spec = make_spec(classes=10)
    for condition, wrong in (("sym0.2", 60), ("sym0.2-cleanVal", 0)):
        train, validation = parts(labels(), conditioned(spec, condition))
        assert (validation.true != validation.given).sum() == wrong
        assert (train.true != train.given).sum() == 540


def test_images_of_a_split_stay_and_the_test_set_is_untouched() -> None:
    raw, spec = make_raw(images=400), make_spec(name="Noise")
    plain, wrong = split(raw, spec), split(raw, conditioned(spec, "sym0.3"))
    assert torch.equal(plain.train.pixels, wrong.train.pixels)
    assert torch.equal(plain.mean, wrong.mean)
    assert (plain.train.labels != wrong.train.labels).sum() == 108
    assert torch.equal(plain.test.labels, wrong.test.labels)


def test_where_nobody_knows_what_looks_alike() -> None:
    with pytest.raises(UsageError, match=r"my-photos@asym0\.2") as caught:
        conditioned(make_spec(name="my-photos"), "asym0.2")
    assert "pair0.2" in str(caught.value.todo)
    assert "sym0.2" in str(caught.value.todo)


def test_what_it_comes_to() -> None:
    spec = conditioned(make_spec(classes=10, name="Noise"), "sym0.2")
    facts = realise(spec, parts(labels(), spec))
    assert facts["flipped"] == 540
    assert facts["flipped_rate"] == facts["noise_rate"] == 0.2
    assert sum(facts["images_per_class"]) == sum(facts["labelled_per_class"]) == 2700
    assert facts["images_per_class"] != facts["labelled_per_class"]
    assert "540 have a wrong label (20.00 % of all" in sentence(replace(spec, realised=facts))
    assert sentence(spec) == ""


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("sym1", "a share of the images"),
        ("sym0", "a share of the images"),
        ("sym0.2-pair0.2", "one kind of noise, not sym beside pair"),
        ("exp2-step2", "one kind of imbalance"),
        ("step1", "more than 1"),
        ("cleanVal", "changes nothing there"),
        ("exp10-cleanVal", "changes nothing there"),
        ("n5-cleanTeacher", "changes nothing there"),
        ("cleanVal2-sym0.2", "unknown condition 'cleanVal2'"),
        ("sym", "sym has no number"),
    ],
)
def test_words_that_are_refused(text: str, part: str) -> None:
    with pytest.raises(UsageError) as caught:
        canonical(text, f"D@{text}")
    assert part in str(caught.value)


def test_canonical_order_and_spelling() -> None:
    assert canonical("cleanTeacher-cleanVal-sym0.20-exp010-n5", "x") == "n5-exp10-sym0.2-cleanVal-cleanTeacher"
