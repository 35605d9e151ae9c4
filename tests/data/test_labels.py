"""Labels of every kind become classes 0 to K-1, or are refused with the rows."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
import pytest

from hpmkd.config.sweep import DataConfig
from hpmkd.data.source.labels import Labelling, assign
from hpmkd.errors import EnvironmentProblem


class One(NamedTuple):
    where: str
    label: Any


def use(train: list[Any], test: list[Any] | None = None, allow: bool = False, **more: Any) -> Labelling:
    parts = [
        [One(f"{name}, row {row}", one) for row, one in enumerate(part)]
        for name, part in (("train", train), ("test", train if test is None else test))
    ]
    return assign("x", parts[0], parts[1], DataConfig(allow_empty_classes=allow), **more)


def refused(*given: Any, **more: Any) -> str:
    with pytest.raises(EnvironmentProblem) as caught:
        use(*given, **more)
    return str(caught.value)


def test_labels_as_they_should_be() -> None:
    found = use([0, 1, 2, 1])
    assert (found.train, found.names, found.notes) == ([0, 1, 2, 1], ["0", "1", "2"], [])


@pytest.mark.parametrize(
    ("labels", "expected", "names"),
    [
        (["dog", "cat", "dog"], [1, 0, 1], ["cat", "dog"]),
        ([b"dog", b"katz\xe9"], [0, 1], ["dog", "katz\udce9"]),
        (["10", "9"], [0, 1], ["10", "9"]),
        ([1, 2, 3], [0, 1, 2], ["1", "2", "3"]),
        ([2110341, 2110350], [0, 1], ["2110341", "2110350"]),
        ([-1, 1, -1], [0, 1, 0], ["-1", "1"]),
        ([3.0, 4.0], [0, 1], ["3", "4"]),
        ([Decimal("1"), Decimal("0")], [1, 0], ["0", "1"]),
        ([True, False], [1, 0], ["0", "1"]),
        ([[0, 1], [1, 0]], [1, 0], ["0", "1"]),
        ([np.array([0.0, 1.0]), np.array([1.0, 0.0])], [1, 0], ["0", "1"]),
        ([[3], [4]], [0, 1], ["3", "4"]),
        ([np.int64(0), np.uint8(1)], [0, 1], ["0", "1"]),
        ([2**63, 0], [1, 0], ["0", str(2**63)]),
    ],
)
def test_other_ways_to_write_them(labels: list[Any], expected: list[int], names: list[str]) -> None:
    found = use(labels)
    assert (found.train, found.names) == (expected, names)


def test_what_is_converted_is_said() -> None:
    assert "not 0 to 2 but 1, 2, 3" in use([1, 2, 3]).notes[0]
    assert "floats" in use([0.0, 1.0]).notes[0]
    assert "one-hot" in use([[0, 1], [1, 0]]).notes[0]
    assert use(["a", "b"]).notes == []


def test_names_that_are_nearly_the_same_are_said() -> None:
    found = use(["cat", "cat ", "dog"])
    assert found.names == ["cat", "cat ", "dog"], "they stay as they are"
    assert "'cat' and 'cat '" in found.notes[0]
    assert "'Dog' and 'dog'" in use(["Dog", "dog"], folders=["Dog", "dog"]).notes[0]


@pytest.mark.parametrize("folders", [[], ["\u00e9", "e\u0301", "z"]])
def test_accents_in_two_ways_are_one_class_and_said(folders: list[str]) -> None:
    found = use(["\u00e9", "e\u0301", "z"], folders=folders)
    assert (found.train, found.names) == ([1, 1, 0], ["z", "\u00e9"])
    assert found.notes == ["names written with accents as one character and as two are read as one class: \u00e9"]
    assert use([value.encode() for value in ("\u00e9", "e\u0301", "z")]).notes == found.notes
    assert use(["e\u0301", "z"]).notes == []


@pytest.mark.parametrize(
    ("label", "word"),
    [
        (None, "no label"),
        (float("nan"), "no label"),
        ("", "no label"),
        ("NaN", "no label ('NaN')"),
        (b"NA", "no label ('NA')"),
        (["None"], "no label ('None')"),
        (0.5, "0.5 is not a whole number"),
        (float("inf"), "inf is not a whole number"),
        (Decimal("0.5"), "0.5 is not a whole number"),
        ([0, 1, 1], "a list of 3 that is not one-hot"),
        ([0, 0, 0], "a list of 3 that is not one-hot"),
        ([0.5, 0.5], "a list of 2 that is not one-hot"),
        (["a", "b"], "a list of 2 that is not one-hot"),
        ([], "a label that is an empty or nested list"),
        ([[0, 1], [1]], "a label that is an empty or nested list"),
        ({"a": 1}, "a label of type dict"),
        (object(), "a label of type object"),
    ],
)
def test_what_means_nothing_is_refused_with_its_row(label: Any, word: str) -> None:
    said = refused([0, 1, label, 1])
    assert "2 of 8 labels" in said, "of both parts"
    assert f"train, row 2: {word}" in said


def test_all_at_once_up_to_ten() -> None:
    said = refused([None] * 12 + [0, 1])
    assert "24 of 28 labels" in said
    assert "and 14 more" in said


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ([0, 1], ["a", "b"]),
        ([0, "b"], [0, "b"]),
        ([[0, 1], [1, 0]], [[0, 1, 0], [1, 0, 0]]),
        ([0, 1], [[0, 1], [1, 0]]),
    ],
)
def test_two_kinds_are_refused(train: list[Any], test: list[Any]) -> None:
    assert "labels of one kind" in refused(train, test)


def test_names_of_a_schema() -> None:
    found = use([0, 2, 1], names=["c", "b", "a"])
    assert (found.train, found.names, found.notes) == ([0, 2, 1], ["c", "b", "a"], [])
    found = use([0, 2], names=["c", "b", "a"])
    assert (found.train, found.names) == ([0, 1], ["c", "a"])
    assert "1 of 3 classes has no image and is left out: b" in found.notes[0]
    assert use(["x", "y"], names=["c", "b"]).names == ["x", "y"]


def test_labels_outside_of_a_schema() -> None:
    said = refused([0, 1], [-1, -1], names=["a", "b"])
    assert "test, row 0: -1 (the hub's mark for `no label`)" in said
    assert "row 1: 2" in refused([0, 2, 1], names=["a", "b"])


def test_classes_without_images_are_named_together() -> None:
    said = refused(["a", "b", "c"], ["a", "d"], folders=["a", "b", "c", "d", "e"])
    for line in (
        "b: no test images (1 training)",
        "c: no test images",
        "d: no training images (1 test)",
        "e: no images at all",
    ):
        assert line in said
    assert "4 of 5 classes" in said
    assert "--data.allow_empty_classes true" in said
    assert use(["a", "b", "c"], ["a", "d"], allow=True).names == ["a", "b", "c", "d"]


def test_folders_may_be_called_like_a_missing_value() -> None:
    assert use(["NA", "None", "nan"], folders=["NA", "None", "nan"]).names == ["NA", "None", "nan"]
    assert "6 of 6 labels" in refused(["NA", "None", "nan"])


def test_one_class_is_none() -> None:
    assert "one class only" in refused(["a", "a"])
    assert "one class only" in refused([0], allow=True)


def test_names_that_differ_in_case_only_are_told_as_that() -> None:
    """To accept them would train a class more for each."""
    said = refused(["cat", "dog"], ["Cat", "dog"])
    assert "only upper and lower case differ in Cat and cat: give each class the same name" in said
    assert "allow_empty_classes" not in said
    spaced = refused(["cat ", " dog"], ["cat", "Dog"])
    assert "only upper and lower case or spaces at the ends differ in ' dog' and Dog, cat and 'cat '" in spaced
    assert "'cat ': no test images (1 training)" in spaced
    assert use(["A", "a"]).names == ["A", "a"], "both are there in both parts: two classes"
    assert use(["A", "b"], ["a", "b"], allow=True).names == ["A", "a", "b"]
