"""Model files: any damage is found, and what is not damaged is never called so."""

from __future__ import annotations

import datetime
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hpmkd.errors import DamagedModel
from hpmkd.store import result_file
from hpmkd.store.payload import weights_hash
from hpmkd.store.result_file import check, commit, load_weights, plain, read_whole, verify
from hpmkd.store.sidecar import read_sidecar, sidecar_path, write_sidecar

STATE = {"a.weight": torch.arange(12.0).reshape(3, 4), "a.count": torch.tensor(7), "empty": torch.zeros(0, 2)}
SHARED = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    target = tmp_path / "models" / "student_D_AT_run1.pt"
    commit(target, STATE, 69.5, 12.25, {"dataset": "D", "run": 1})
    return target


def equal(state: dict[str, torch.Tensor]) -> bool:
    return state.keys() == STATE.keys() and all(torch.equal(state[key], STATE[key]) for key in STATE)


def test_plain_torch_load_reads_it(path: Path) -> None:
    saved = torch.load(path)
    assert set(saved) == {"model_state_dict", "accuracy", "train_time", "timestamp", "metadata"}
    assert (saved["accuracy"], saved["train_time"], saved["metadata"]["run"]) == (69.5, 12.25, 1)
    assert datetime.datetime.fromisoformat(saved["timestamp"]).tzinfo is not None
    assert equal(saved["model_state_dict"])
    assert saved["metadata"]["weights_sha256"] == weights_hash(STATE)


def test_header_says_what_the_file_says(path: Path) -> None:
    header, state = load_weights(path)
    assert equal(state)
    assert header == verify(path) == read_whole(path)[0]
    assert (header.accuracy, header.size) == (69.5, path.stat().st_size)


@SHARED
@given(position=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_any_flipped_bit_is_found(path: Path, position: float, bit: int) -> None:
    good = path.read_bytes()
    data = bytearray(good)
    data[int(position * len(data))] ^= 1 << bit
    path.write_bytes(data)
    try:
        with pytest.raises(DamagedModel):
            verify(path)
    finally:
        path.write_bytes(good)


@SHARED
@given(position=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_without_a_sidecar_a_flipped_bit_is_found_or_harmless(path: Path, position: float, bit: int) -> None:
    """Bytes that no reader looks at (padding, a time stamp in the zip) are covered by the sidecar's hash alone."""
    good, side = path.read_bytes(), sidecar_path(path).read_bytes()
    data = bytearray(good)
    data[int(position * len(data))] ^= 1 << bit
    path.write_bytes(data)
    sidecar_path(path).unlink()
    try:
        header, state = read_whole(path)
        assert equal(state)
        assert (header.accuracy, header.train_time) == (69.5, 12.25)
    except DamagedModel:
        pass
    finally:
        path.write_bytes(good)
        sidecar_path(path).write_bytes(side)


@pytest.mark.parametrize(("same", "shown"), [(0, 12), (11, 12), (12, 13), (40, 41)])
def test_hashes_are_cut_where_they_can_be_told_apart(same: int, shown: int, path: Path) -> None:
    header = check(path)
    own = header.sha256
    other = own[:same] + ("0" if own[same] != "0" else "1") + own[same + 1 :]
    write_sidecar(path, replace(header, sha256=other))
    with pytest.raises(DamagedModel, match=f"expected: hash {other[:shown]}\n  found: hash {own[:shown]}\n"):
        check(path)


@SHARED
@given(keep=st.floats(0, 1, exclude_max=True), sidecar=st.booleans())
def test_any_truncation_is_found(path: Path, keep: float, sidecar: bool) -> None:
    good, side = path.read_bytes(), sidecar_path(path).read_bytes()
    path.write_bytes(good[: int(keep * len(good))])
    if not sidecar:
        sidecar_path(path).unlink()
    try:
        with pytest.raises(DamagedModel):
            verify(path)
    finally:
        path.write_bytes(good)
        sidecar_path(path).write_bytes(side)


def test_a_missing_sidecar_is_written_again(path: Path) -> None:
    before = verify(path)
    sidecar_path(path).unlink()
    assert verify(path) == before
    assert read_sidecar(path) == before


@pytest.mark.parametrize("change", [b"", b"{}", b"[]", b"{", b"\xff"])
def test_a_torn_sidecar_never_condemns_a_good_file(path: Path, change: bytes) -> None:
    sidecar_path(path).write_bytes(change)
    assert verify(path).accuracy == 69.5


def test_an_edited_sidecar_is_not_believed(path: Path) -> None:
    values = json.loads(sidecar_path(path).read_text())
    sidecar_path(path).write_text(json.dumps({**values, "accuracy": 99.0}))
    assert verify(path).accuracy == 69.5


def test_death_between_file_and_sidecar(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*args: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(result_file, "write_sidecar", die)
    with pytest.raises(KeyboardInterrupt):
        commit(path, {"new": torch.ones(3)}, 1.0, 1.0, {})
    monkeypatch.undo()
    header, state = load_weights(path)
    assert header.accuracy == 1.0
    assert list(state) == ["new"]


@pytest.mark.parametrize(
    "payload",
    [
        [1, 2],
        {"model_state_dict": {}},
        {"model_state_dict": {"a": 1}, "accuracy": 1.0, "train_time": 1.0, "timestamp": "", "metadata": {}},
        {"model_state_dict": {}, "accuracy": float("nan"), "train_time": 1.0, "timestamp": "", "metadata": {}},
        {"model_state_dict": {}, "accuracy": 101.0, "train_time": 1.0, "timestamp": "", "metadata": {}},
        {"model_state_dict": {}, "accuracy": 1, "train_time": 1.0, "timestamp": "", "metadata": {}},
    ],
)
def test_other_files_are_no_models(tmp_path: Path, payload: Any) -> None:
    torch.save(payload, tmp_path / "x.pt")
    with pytest.raises(DamagedModel, match="a model file written by hpmkd"):
        verify(tmp_path / "x.pt")


def test_a_pickle_that_would_run_code_is_refused(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "ran",))

    torch.save({"model_state_dict": Evil()}, tmp_path / "x.pt")
    with pytest.raises(DamagedModel):
        verify(tmp_path / "x.pt")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.float64(0.5), 0.5),
        (np.int64(3), 3),
        (Path("a") / "b", str(Path("a") / "b")),
        (datetime.date(2026, 1, 2), "2026-01-02"),
        ((1, {2}), [1, [2]]),
        (torch.tensor(2), 2),
        ({"v": torch.__version__}, {"v": str(torch.__version__)}),
        (None, None),
        (True, True),
    ],
)
def test_plain_types(value: Any, expected: Any) -> None:
    found = plain(value)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize("value", [object(), torch.zeros(2), b"bytes", {"a": {"b": object()}}])
def test_what_cannot_be_plain_is_refused_by_name(value: Any, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="metadata"):
        commit(tmp_path / "x.pt", STATE, 1.0, 1.0, {"a": value})
    assert list(tmp_path.iterdir()) == []


def test_weights_hash_tells_names_types_shapes_and_values_apart() -> None:
    base = {"a": torch.zeros(2, 3)}
    others = [{"b": torch.zeros(2, 3)}, {"a": torch.zeros(3, 2)}, {"a": torch.zeros(2, 3).half()}]
    others += [{"a": torch.zeros(2, 3) + 1e-30}, {"a": -torch.zeros(2, 3)}]
    assert len({weights_hash(state) for state in [base, *others]}) == 6
    assert weights_hash({"a": torch.zeros(3, 2).t()}) == weights_hash(base)


def test_headers_share_what_they_say_alike(tmp_path: Path) -> None:
    """A sweep keeps those of thousands of models."""
    headers = []
    for number in range(2):
        path = tmp_path / f"{number}.pt"
        commit(path, {"w": torch.zeros(1)}, 1.0, 1.0, {"device": "some device", "own": str(number)})
        headers.append(verify(path))
    first, second = (header.metadata for header in headers)
    assert first["device"] is second["device"]
    assert all(one is other for one, other in zip(first, second, strict=True)), "names of fields"
    assert (first["own"], second["own"]) == ("0", "1")
