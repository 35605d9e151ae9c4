"""The commit rule by itself: the proof refutes wrong ways to write; settings; two writers at once."""

from __future__ import annotations

import copy
import itertools
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from support.builders import make_config
from support.disk_model import Disk, assert_complete, every_cut, power_cuts, record

from hpmkd import files
from hpmkd.config.load import read_config_file, to_yaml, validate
from hpmkd.store.output_dir import OutputDir


def in_place(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def no_sync(path: Path, data: bytes) -> None:
    temp = path.with_name("temp")
    temp.write_bytes(data)
    os.replace(temp, path)


def no_folder_sync(path: Path, data: bytes) -> None:
    temp = path.with_name("temp")
    with temp.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temp, path)


def unlink_first(path: Path, data: bytes) -> None:
    path.unlink()
    files.commit_bytes(path, data)


@pytest.mark.parametrize("writer", [in_place, no_sync, no_folder_sync, unlink_first, files.commit_bytes])
def test_the_proof_refutes_wrong_ways_to_write(tmp_path: Path, writer: Callable[[Path, bytes], None]) -> None:
    root, path = tmp_path / "out", tmp_path / "out" / "file"
    root.mkdir()
    path.write_bytes(b"old content")
    disk, ops = record(root, lambda: writer(path, b"new content"))
    assert_complete(root, copy.deepcopy(disk), ops)
    last = len(ops)
    wrong = [
        made
        for made, present in power_cuts(disk, ops)
        if present.get(path) not in (b"old content", b"new content")
        or (made == last and present[path] == b"old content")
    ]
    assert bool(wrong) == (writer is not files.commit_bytes)


@pytest.mark.parametrize("before", ["nothing", "old"])
def test_the_config_is_the_old_or_the_new_one(tmp_path: Path, before: str) -> None:
    root = tmp_path / "parent" / "out"
    output = OutputDir(root)
    tmp_path.joinpath("parent").mkdir()
    texts = {number: to_yaml(make_config(fit__batch_size=number)).encode() for number in (1, 2)}
    if before == "old":
        files.commit_bytes(output.config_file, texts[1])
    disk, ops = record(tmp_path / "parent", lambda: files.commit_bytes(output.config_file, texts[2]))

    def check(there: OutputDir, made: int, done: bool) -> None:
        path = there.root / "out" / "sweep.yaml"
        if not path.exists():
            assert before == "nothing"
            assert not done
            return
        size = validate(read_config_file(path), "saved").fit.batch_size
        assert size == 2 or (size == 1 and before == "old" and not done)

    assert every_cut(tmp_path / "parent", tmp_path / "cuts", disk, ops, check) >= 10


def test_all_orders_of_two_writers(tmp_path: Path) -> None:
    """Two trials commit to one folder at the same time: the calls of each in every possible order with the other's."""
    contents = {tmp_path / name: name.encode() * 4 for name in ("one", "two")}
    calls = [record(tmp_path, lambda item=item: files.commit_bytes(*item))[1] for item in contents.items()]
    assert [len(part) for part in calls] == [5, 5]
    count = 0
    for places in itertools.combinations(range(10), 5):
        parts = [iter(part) for part in calls]
        ops = [next(parts[number in places]) for number in range(10)]
        for made, present in power_cuts(Disk(), ops):
            count += 1
            for path, content in contents.items():
                assert present.get(path) in (None, content)
                assert path in present or made < 10
    assert count > 1000
