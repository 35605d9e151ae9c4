"""Conditions of a data set: how they are read, what they do to the images, and what they leave alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from support.builders import make_config, make_raw, make_spec

from hpmkd.config.request import absolute_folder, split_condition
from hpmkd.data.cache import describe
from hpmkd.data.catalog import find_all
from hpmkd.data.conditions import catalog
from hpmkd.data.conditions.base import Condition, Part
from hpmkd.data.conditions.catalog import CONDITIONS, canonical, conditioned
from hpmkd.data.images import split
from hpmkd.errors import UsageError


class Rotated(Condition):
    """For tests: labels of training images move on by so much."""

    example, meaning, kind = "rot1", "labels move on", "rotation"

    def why_invalid(self, number: float) -> str:
        return "" if number < 4 else "less than 4"

    def applied(self, train: Part, validation: Part, spec, number: float) -> tuple[Part, Part]:
        return train.labelled((train.given + int(number)) % spec.classes), validation


@pytest.fixture
def rotation(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second condition: a file and a line is all that it takes."""
    monkeypatch.setattr(catalog, "CONDITIONS", {**CONDITIONS, "rot": Rotated()})


@pytest.mark.parametrize(
    ("entry", "parts"),
    [
        ("CIFAR10@n2500", ("CIFAR10", "n2500")),
        ("CIFAR10", ("CIFAR10", "")),
        ("mine=/data/a@b/images", ("mine=/data/a@b/images", "")),
        ("mine=/data/a@b/images@n5", ("mine=/data/a@b/images", "n5")),
        ("/data/images@n5", ("/data/images", "n5")),
    ],
)
def test_an_entry_and_its_condition(entry: str, parts: tuple[str, str]) -> None:
    assert split_condition(entry) == parts


def test_a_folder_with_the_mark_in_its_name_has_no_condition(tmp_path: Path) -> None:
    folder = tmp_path / "photos@2x"
    folder.mkdir()
    for entry in (str(folder), f"mine={folder}"):
        assert split_condition(entry) == (entry, "")
        assert split_condition(f"{entry}@n5") == (entry, "n5")
        assert absolute_folder(f"{entry}@n5") == f"{entry}@n5"


def test_canonical_spelling(rotation: None) -> None:
    assert canonical("", "D") is None
    assert canonical("n0100.0", "D@n0100.0") == "n100"
    assert canonical("rot2-n100", "D@rot2-n100") == "n100-rot2"


@pytest.mark.parametrize(
    ("entry", "parts"),
    [
        ("Digits@foo3", ["'Digits@foo3'", "unknown condition 'foo3'", "n2500 (number of training images"]),
        ("Digits@n", ["n has no number", "n2500"]),
        ("Digits@sym-0.1", ["sym has no number", "sym0.2"]),
        ("Digits@N5", ["unknown condition 'N5'"]),
        ("Digits@n1-n2", ["each condition once"]),
        ("Digits@n0", ["a whole number of images"]),
        ("Digits@n2.5", ["a whole number of images"]),
        ("Digits@", ["no condition behind the @"]),
        ("Digits@n1_0", ["unknown condition"]),
    ],
)
def test_conditions_that_are_refused(entry: str, parts: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        find_all([entry])
    for part in parts:
        assert part in str(caught.value)


def test_one_data_set_under_several_conditions_but_each_once() -> None:
    found = find_all(["Digits", "Digits@n100", "Digits@n200"])
    assert [(one.name, condition) for one, condition in found] == [
        ("Digits", None), ("Digits", "n100"), ("Digits", "n200"),
    ]  # fmt: skip
    with pytest.raises(UsageError, match="two entries"):
        find_all(["Digits@n100", "Digits@n100.0"])


def test_more_images_than_there_are() -> None:
    with pytest.raises(UsageError, match="datasets: Digits@n5000 has fewer images"):
        describe(make_config(datasets=["Digits@n5000"]))


def test_a_subset_is_that_of_train_images_and_inside_larger_ones() -> None:
    raw, spec = make_raw(images=90), make_spec(name="Noise")
    whole = split(raw, spec)
    some = {number: split(raw, conditioned(spec, f"n{number}")) for number in (10, 40)}
    for number, one in some.items():
        asked = split(raw, make_spec(name="Noise", train_images=number))
        assert torch.equal(one.train.pixels, asked.train.pixels)
        assert torch.equal(one.train.labels, asked.train.labels)
        assert torch.equal(one.mean, asked.mean)
        assert torch.equal(one.train.pixels, whole.train.pixels[:number])
        assert torch.equal(one.validation.pixels, whole.validation.pixels)
        assert torch.equal(one.test.labels, whole.test.labels)


def test_it_goes_before_the_config(rotation: None) -> None:
    specs = describe(make_config(datasets=["Digits", "Digits@n100"], data__train_images=300))
    assert [spec.train_images for spec in specs] == [300, 100]
    assert [spec.label for spec in specs] == ["Digits", "Digits@n100"]
    assert [spec.name for spec in specs] == ["Digits", "Digits"]


def test_what_a_further_condition_does_reaches_the_training_images_alone(rotation: None) -> None:
    raw, spec = make_raw(images=90), make_spec(name="Noise", classes=4)
    plain, moved = split(raw, conditioned(spec, "n40")), split(raw, conditioned(spec, "n40-rot1"))
    assert torch.equal(moved.train.labels, (plain.train.labels + 1) % 4)
    assert torch.equal(moved.train.pixels, plain.train.pixels)
    assert torch.equal(moved.validation.labels, plain.validation.labels)


def test_a_split_that_leaves_nothing_to_train_on() -> None:
    with pytest.raises(UsageError, match=r"data.validation_fraction: no image of Noise is left"):
        make_spec(images=1).check()
    make_spec(images=2).check()
    make_spec(images=0).check()


def test_too_many_under_a_condition_is_told_with_the_condition() -> None:
    with pytest.raises(UsageError) as caught:
        make_spec(images=100, condition="n95", train_images=95).check()
    assert caught.value.todo == "ask for fewer, or leave the condition @n95 out"


def test_two_conditions_behind_one_name() -> None:
    with pytest.raises(UsageError, match="more than one @") as caught:
        find_all(["Digits@n300@n200"])
    assert caught.value.expected == "one condition of a data set"
    assert caught.value.todo == "leave one of them out, or name two entries: Digits@n300 Digits@n200"


def test_a_condition_beside_train_images_is_said(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "hpmkd")
    datasets = ["Digits", "Digits@n200", "Digits@n300"]
    describe(make_config(datasets=datasets, data__train_images=200))
    assert "data.train_images: 200 is not for Digits@n300: the condition counts" in caplog.messages
    caplog.clear()
    describe(make_config(datasets=datasets, data__train_images=None))
    describe(make_config(datasets=["Digits"], data__train_images=200))
    assert not [line for line in caplog.messages if "data.train_images" in line]
