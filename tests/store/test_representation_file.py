"""The file of what a network makes of images: what is written is read, and nothing else is believed."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from hpmkd.store import representation_file
from hpmkd.store.representation_file import Comparison, Representation, Scatter, Wanted

NAN = math.nan


def make(weights: str = "w") -> Representation:
    cka = np.array([[0.1, NAN], [1 / 3, 1.0]])
    return Representation(
        weights,
        ("embedding", "logits"),
        silhouette=NAN,
        knn_pct=90.5,
        probe_pct=1 / 7,
        probe_c=0.1,
        images={"test": 3},
        others={"teacher": Comparison("t", ("map 1", "logits"), cka)},
        scatter=Scatter(np.array([[1.25, -2.0], [0.5, 3.0]]), np.array([4, 0]), 0.9),
        data_sha256="d",
        seconds=2.5,
    )


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "some" / "x.json"
    representation_file.write(path, make())
    found = representation_file.read(path, "w")
    assert found is not None
    assert math.isnan(found.silhouette)
    assert (found.knn_pct, found.probe_pct, found.probe_c, found.seconds) == (90.5, 1 / 7, 0.1, 2.5)
    assert (found.layers, dict(found.images), found.data_sha256) == (("embedding", "logits"), {"test": 3}, "d")
    np.testing.assert_array_equal(found.others["teacher"].cka, make().others["teacher"].cka)
    assert found.others["teacher"].layers == ("map 1", "logits")
    assert found.scatter is not None
    np.testing.assert_array_equal(found.scatter.points, [[1.25, -2.0], [0.5, 3.0]])
    np.testing.assert_array_equal(found.scatter.labels, [4, 0])
    assert representation_file.read(path, "other") is None
    assert representation_file.read(path, None) is None


def test_whether_it_has_what_is_wanted(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    assert representation_file.state_of(path, Wanted("w")) == "missing"
    representation_file.write(path, make())
    wanted = {
        "good": [Wanted("w", {"teacher": "t"}), Wanted("w", {"teacher": "t"}, is_mapped=True)],
        "outdated": [Wanted("v", {"teacher": "t"}), Wanted("w", {"teacher": "s"}), Wanted("w"),
                     Wanted("w", {"teacher": "t", "next": "n"})],
    }  # fmt: skip
    for state, cases in wanted.items():
        assert {representation_file.state_of(path, one) for one in cases} == {state}


@pytest.mark.parametrize("place", range(0, 500, 37))
def test_a_changed_byte_is_damage(tmp_path: Path, place: int) -> None:
    path = tmp_path / "x.json"
    representation_file.write(path, make())
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
    assert representation_file.read(path, "w") is None
    assert representation_file.state_of(path, Wanted("w", {"teacher": "t"})) == "damaged"


def test_a_file_of_another_version_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.json"
    representation_file.write(path, make())
    monkeypatch.setattr(representation_file, "FORMAT", 2)
    assert representation_file.state_of(path, Wanted("w", {"teacher": "t"})) == "outdated"
    assert representation_file.read(path, "w") is None
