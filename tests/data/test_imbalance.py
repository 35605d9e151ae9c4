"""Imbalance: how many images of each class, which ones, and what it leaves alone."""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from imblearn.datasets import make_imbalance
from support.builders import make_raw, make_spec

from hpmkd.data.conditions.catalog import conditioned, parts
from hpmkd.data.conditions.draws import class_order, tail_of
from hpmkd.data.conditions.imbalance import balanced, exponential, step
from hpmkd.data.images import split
from hpmkd.errors import UsageError


def labels(images: int = 6000, classes: int = 10) -> np.ndarray:
    return np.random.default_rng(3).integers(0, classes, images)


def counts(condition: str, **values: int) -> list[int]:
    found = labels(**values)
    spec = conditioned(make_spec(classes=int(found.max()) + 1), condition)
    return np.bincount(parts(found, spec)[0].true, minlength=spec.classes).tolist()


def test_numbers_of_the_long_tailed_sets_of_the_literature() -> None:
    """CIFAR-10-LT and CIFAR-100-LT of Cao et al. 2019, by their formula and by the sums that papers print."""
    found = exponential(5000, Fraction(100), 10)
    assert found == [5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50]
    assert sum(found) == 12406
    assert sum(exponential(500, Fraction(100), 100)) == 10847
    assert exponential(500, Fraction(10), 100)[-1] == 50
    # In floating point 0.01 ** 1.0 * 5000 may be 49.99: exact powers decide.
    for largest, factor in itertools.product((4500, 4449, 1000, 7), (2, 5, 10, 50, 100)):
        assert exponential(largest, Fraction(factor), 10)[-1] == largest // factor


@given(st.integers(1, 5000), st.fractions(1, 200, max_denominator=20), st.integers(2, 30))
def test_exponential_is_the_floor_of_the_formula(largest: int, factor: Fraction, classes: int) -> None:
    for k, number in enumerate(exponential(largest, factor, classes)):
        power, bound = factor**k, Fraction(largest) ** (classes - 1)
        assert number ** (classes - 1) * power <= bound < (number + 1) ** (classes - 1) * power


@pytest.mark.parametrize(("word", "kind"), [("exp", exponential), ("step", step)])
@pytest.mark.parametrize("factor", [2, 10, 50])
def test_a_library_that_makes_imbalance_leaves_as_many(word: str, kind: Any, factor: int) -> None:
    """imbalanced-learn, told how many of each class by the definition alone: n_max is that of the smallest class in
    the training part, the order of the classes is drawn from the name of the data set."""
    whole = parts(labels(), make_spec(classes=10))[0].true
    largest = int(np.bincount(whole).min())
    wanted = dict(zip(class_order(make_spec().name, 10), kind(largest, Fraction(factor), 10), strict=True))
    _, kept = make_imbalance(np.arange(len(whole))[:, None], whole, sampling_strategy=wanted)
    assert counts(f"{word}{factor}") == np.bincount(kept, minlength=10).tolist()
    assert max(wanted.values()) == largest


def test_half_of_the_classes_are_minorities() -> None:
    assert step(100, Fraction(10), 4) == [100, 100, 10, 10]
    assert step(100, Fraction(3), 5) == [100, 100, 100, 33, 33]


def test_as_many_images_alike() -> None:
    assert balanced([100, 31, 10]) == [47, 47, 47]
    assert balanced([100, 31, 11]) == [48, 47, 47]


def test_the_order_of_classes_depends_on_the_name_alone() -> None:
    assert sorted(class_order("CIFAR10", 10)) == list(range(10))
    assert class_order("CIFAR10", 10) != class_order("MNIST", 10)
    # Kept for ever: other numbers would be other data sets under the same name.
    assert class_order("CIFAR10", 10) == [2, 9, 6, 4, 8, 0, 7, 5, 3, 1]
    assert class_order("MNIST", 10) == [1, 5, 7, 2, 0, 6, 8, 9, 3, 4]
    assert tail_of("D", 5) == class_order("D", 5)[3:]


@pytest.mark.parametrize("condition", ["exp10", "exp100", "step10", "exp1", "exp7.5"])
def test_each_class_has_exactly_its_number(condition: str) -> None:
    found = labels()
    spec = make_spec(classes=10)
    largest = int(np.bincount(parts(found, spec)[0].true).min())
    factor = Fraction(condition.removeprefix("exp").removeprefix("step"))
    made = exponential(largest, factor, 10) if condition.startswith("exp") else step(largest, factor, 10)
    numbers = counts(condition)
    assert [numbers[label] for label in class_order("Noise", 10)] == made


@pytest.mark.parametrize("kind", ["exp", "step"])
def test_the_size_matched_arm(kind: str) -> None:
    skewed, even = counts(f"{kind}50"), counts(f"even{kind}50")
    assert sum(skewed) == sum(even)
    assert max(even) - min(even) <= 1


@pytest.mark.parametrize("kind", ["exp", "step"])
def test_larger_factors_have_images_of_smaller_ones(kind: str) -> None:
    spec = make_spec(classes=10)
    trained, kept = [], []
    for condition in (None, f"{kind}2", f"{kind}10", f"{kind}50", f"{kind}100"):
        train, validation = parts(labels(), conditioned(spec, condition))
        trained.append(set(train.places.tolist()))
        kept.append(set(validation.places.tolist()))
        assert not trained[-1] & kept[-1]
    for found in (trained, kept):
        assert all(small <= large for large, small in itertools.pairwise(found))


def test_validation_has_the_same_shape_and_every_class() -> None:
    spec = conditioned(make_spec(classes=10), "exp20")
    train, validation = (np.bincount(part.true, minlength=10) for part in parts(labels(), spec))
    whole = [np.bincount(part.true, minlength=10) for part in parts(labels(), make_spec(classes=10))]
    share = train / whole[0]
    assert np.abs(validation - whole[1] * share).max() <= 1
    assert validation.min() >= 1


def test_after_a_subset() -> None:
    """The number of images is that to choose from."""
    spec = make_spec(classes=10)
    few = parts(labels(), conditioned(spec, "n1000"))[0]
    both = parts(labels(), conditioned(spec, "n1000-exp10"))[0]
    assert set(both.places) < set(few.places)
    assert np.bincount(both.true).max() == np.bincount(few.true).min()
    asked = parts(labels(), conditioned(make_spec(classes=10, train_images=1000), "exp10"))[0]
    assert np.array_equal(asked.places, both.places)


def test_a_class_without_an_image_is_refused() -> None:
    with pytest.raises(UsageError, match="Noise@exp1000: exp1000 leaves a class without an image") as caught:
        counts("exp1000")
    assert "a factor of at most 5" in str(caught.value.expected)
    assert "such as exp1" in str(caught.value.todo)
    with pytest.raises(UsageError, match="step2 needs images of every class"):
        counts("n5-step2")
    with pytest.raises(UsageError, match="one class"):
        conditioned(make_spec(classes=1), "exp10")


def test_images_and_the_test_set() -> None:
    raw, spec = make_raw(images=400), make_spec(name="Noise")
    plain, skewed = split(raw, spec), split(raw, conditioned(spec, "exp10"))
    assert torch.equal(plain.test.pixels, skewed.test.pixels)
    assert torch.equal(plain.test.labels, skewed.test.labels)
    assert not torch.equal(plain.mean, skewed.mean), "moments are those of what is trained on"
    assert skewed.chosen is not None
    assert plain.chosen is not None
    at = {int(place): row for row, place in enumerate(plain.chosen[0].places)}
    rows = torch.tensor([at[int(place)] for place in skewed.chosen[0].places])
    assert torch.equal(skewed.train.pixels, plain.train.pixels[rows])
    assert torch.equal(skewed.train.labels, plain.train.labels[rows])
