"""Pickles are read without being run: arrays of bytes and plain types, and nothing else."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.published import cifar_images, python2_pickle

from hpmkd.data.layouts.safe_pickle import NotPlain, load

VALUES: dict[str, Any] = {"data": cifar_images(2), "labels": [3, 1], "names": ["a", "b"], "number": 7}


@pytest.mark.parametrize("data", [python2_pickle(VALUES), *(pickle.dumps(VALUES, protocol) for protocol in range(5))])
def test_what_is_read(data: bytes) -> None:
    found = load(data)
    assert np.array_equal(found.pop("data"), VALUES["data"])
    assert found == {key: value for key, value in VALUES.items() if key != "data"}


class Calls:
    """Calls a function as soon as it is unpickled."""

    def __init__(self, *call: Any) -> None:
        self.call = call

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.call[0], self.call[1:]


@pytest.mark.parametrize("protocol", range(6))
def test_nothing_is_run(protocol: int, tmp_path: Path) -> None:
    target = tmp_path / "made"
    data = pickle.dumps({"data": Calls(os.mkdir, str(target))}, protocol)
    pickle.loads(data)
    assert target.exists(), "another reader runs it"
    target.rmdir()
    with pytest.raises(NotPlain, match=r"asks for \w+\.mkdir"):
        load(data)
    assert not target.exists()


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (np.arange(3), "not of bytes"),
        (np.array([{}], dtype=object), "not of bytes"),
        (np.zeros((4, 2), np.uint8, order="F"), "row after row"),
        (np.float64(1), "scalar"),
        ({1, 2}, "set"),
        (Path("x"), "Path"),
    ],
)
def test_what_is_refused(value: object, said: str) -> None:
    with pytest.raises(NotPlain, match=said):
        load(pickle.dumps({"data": value}, 2))


def test_an_array_is_as_long_as_it_says() -> None:
    whole = python2_pickle({"data": np.zeros((2, 3), np.uint8)})
    with pytest.raises(NotPlain, match="not one of bytes"):
        load(whole.replace(b"J\x02\0\0\0J\x03\0\0\0", b"J\x02\0\0\0J\x04\0\0\0"))


def test_other_pickles_are_no_dictionary() -> None:
    with pytest.raises(NotPlain, match="a pickle of a list"):
        load(pickle.dumps([1]))


@given(st.binary(max_size=60), st.integers(0, 200))
def test_damage_is_one_kind_of_error(noise: bytes, place: int) -> None:
    whole = python2_pickle({"data": np.zeros((2, 9), np.uint8), "labels": [1, 2]})
    for data in (noise, whole[:place], whole[:place] + noise + whole[place + len(noise) :]):
        try:
            load(data)
        except NotPlain:
            continue
