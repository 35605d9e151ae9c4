"""Real model files, mutated by Hypothesis: all damage is found, and what is not damaged is never called so.

`python -m pytest -m slow tests/test_mutations.py -s` prints the figures of the README.
"""

from __future__ import annotations

import math
import string
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from support.builders import make_config, make_jobs

from hpmkd.errors import DamagedModel
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.payload import weights_hash
from hpmkd.store.result_file import check, commit, read_whole, verify
from hpmkd.store.sidecar import sidecar_path
from hpmkd.training.trial import run_job

KINDS = ("flip a bit", "zero a block", "truncate", "extend", "swap two blocks", "duplicate a block", "another's block")
PART = st.floats(0, 1, exclude_max=True)
# Both ends of a file hold what a reader looks at first; a zip is read from its end.
PLACE = PART | PART.map(lambda part: part**8) | PART.map(lambda part: 1 - (1e-9 + part**8) * 0.999)


def mutate(good: bytes, other: bytes, kind: str, place: float, second: float, size: int, bit: int) -> bytes:
    """`good` with one fault.

    Args:
        good: a model file.
        other: another model file, whose block at the same place is taken for `another's block`.
        kind: one of `KINDS`.
        place: where, as a part of the file in [0, 1).
        second: the other place of a swap, likewise.
        size: of the block, in bytes.
        bit: 0 to 7.
    """
    at = int(place * len(good))
    to = int(second * len(good))
    block = good[at : at + size]
    if kind == "flip a bit":
        return good[:at] + bytes([good[at] ^ 1 << bit]) + good[at + 1 :]
    if kind == "truncate":
        return good[:at]
    if kind == "extend":
        return good + bytes(size) if bit % 2 else good + other[:size]
    if kind == "duplicate a block":
        return good[:at] + block + good[at:]
    if kind == "swap two blocks":
        low, high = sorted((at, to))
        one, two = good[low : low + size], good[high : high + size]
        if high < low + size or len(two) < size:
            return good
        return good[:low] + two + good[low + size : high] + one + good[high + size :]
    new = bytes(len(block)) if kind == "zero a block" else other[at : at + len(block)]
    return good[:at] + new + good[at + len(new) :]


MUTATIONS = st.tuples(
    st.sampled_from(KINDS),
    PLACE,
    PLACE,
    st.integers(1, 64) | st.sampled_from([128, 512, 4096, 65536]),
    st.integers(0, 7),
)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory, cache_dir: Path) -> list[Path]:
    """Two trained students of one sweep."""
    config = make_config(cache_dir, baselines=["Direct"], runs=2, fit__student_epochs=1)
    output, before = OutputDir(tmp_path_factory.mktemp("mutations")), torch.get_num_threads()
    paths = []
    for job in make_jobs(config).values():
        if job.role == "student":
            list(run_job(job, output, config.data, torch.device("cpu")))
            paths.append(output.model_file(job))
    torch.set_num_threads(before)
    return paths


@pytest.fixture
def restored(models: list[Path]) -> Iterator[list[Path]]:
    """The two files; whatever a test does to them is undone."""
    saved = {path: path.read_bytes() for path in (models[0], sidecar_path(models[0]))}
    yield models
    for path, data in saved.items():
        path.write_bytes(data)


def attack(paths: list[Path], examples: int) -> Counter[str]:
    """So many mutations of the first file, each judged with its sidecar and without."""
    path = paths[0]
    good, other = path.read_bytes(), paths[1].read_bytes()
    side = sidecar_path(path).read_bytes()
    before, counts = verify(path), Counter[str]()

    @settings(max_examples=examples, phases=[Phase.generate], database=None, suppress_health_check=list(HealthCheck))
    @given(mutation=MUTATIONS)
    def one(mutation: tuple[str, float, float, int, int]) -> None:
        data = mutate(good, other, *mutation)
        assume(data not in (good, other))  # another's file is whole: that it is another's, its recipe says
        path.write_bytes(data)
        sidecar_path(path).write_bytes(side)
        with pytest.raises(DamagedModel):
            verify(path)
        counts["refused with its sidecar"] += 1
        sidecar_path(path).unlink()
        try:
            header, state = read_whole(path)
        except DamagedModel:
            counts["refused without it"] += 1
            return
        # Bytes that no reader looks at: what the file means is hashed, and is as it was.
        assert header.content_id == before.content_id
        assert weights_hash(state) == before.metadata["weights_sha256"]
        counts["the same without it, to the last weight"] += 1

    one()
    return counts


def test_mutations_are_found(restored: list[Path]) -> None:
    counts = attack(restored, 300)
    assert counts["refused with its sidecar"] >= 300
    assert counts["refused without it"] > counts["the same without it, to the last weight"]


@pytest.mark.slow
def test_ten_thousand_mutations_are_found(restored: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    counts = attack(restored, 10_000)
    assert counts["refused with its sidecar"] >= 10_000
    with capsys.disabled():
        print(f"\n{dict(counts)}")


def test_each_kind_changes_something() -> None:
    good, other = bytes(range(256)) * 4, bytes(reversed(range(256))) * 4
    made = {kind: mutate(good, other, kind, 0.25, 0.6, 16, 3) for kind in KINDS}
    assert all(data != good for data in made.values())
    assert len(set(made.values())) == len(KINDS)
    assert sorted(made["swap two blocks"]) == sorted(good)


TYPES = [torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.uint8, torch.bool]
TENSORS = st.builds(
    lambda shape, kind, seed: (torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 3).to(kind),
    st.lists(st.integers(0, 5), max_size=4),
    st.sampled_from(TYPES),
    st.integers(0, 99),
)
LEAVES = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=9)
META = st.dictionaries(
    st.text(string.printable, max_size=9),
    st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner)),
    max_size=5,
)
NUMBERS = {"accuracy": st.floats(0, 100), "train_time": st.floats(0, 1e9)}


def false_alarms(folder: Path, examples: int) -> tuple[int, int]:
    """So many good files; how many were looked at, and how many were refused in any of four situations."""
    path, other = folder / "x.pt", folder / "y.pt"
    commit(other, {"w": torch.ones(3)}, 50.0, 1.0, {})
    count = alarms = 0

    @settings(max_examples=examples, phases=[Phase.generate], database=None, suppress_health_check=list(HealthCheck))
    @given(state=st.dictionaries(st.text(max_size=9), TENSORS, max_size=4), meta=META, **NUMBERS)
    def one(state: dict[str, torch.Tensor], meta: dict[str, Any], accuracy: float, train_time: float) -> None:
        nonlocal count, alarms
        saved = commit(path, state, accuracy, train_time, meta)
        side = sidecar_path(path).read_bytes()
        count += 1
        for content in (side, None, side[: len(side) // 2], sidecar_path(other).read_bytes()):
            if content is None:
                sidecar_path(path).unlink()
            else:
                sidecar_path(path).write_bytes(content)
            try:
                found = check(path)
                assert found.content_id == saved.content_id
                assert (found.sha256, math.isfinite(found.accuracy)) == (saved.sha256, True)
            except DamagedModel:
                alarms += 1

    one()
    return count, alarms


def test_no_false_alarms(tmp_path: Path) -> None:
    count, alarms = false_alarms(tmp_path, 50)
    assert count >= 50
    assert alarms == 0


@pytest.mark.slow
def test_no_false_alarms_in_a_thousand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    count, alarms = false_alarms(tmp_path, 1000)
    with capsys.disabled():
        print(f"\n{count} good files, {alarms} refused")
    assert count >= 1000
    assert alarms == 0
