"""Many images go to the disk while they are decoded: the same bytes as from memory, and no large process."""

from __future__ import annotations

import errno
import io
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.datasets import class_folders, image_folder, read, rows

from hpmkd.config.sweep import DataConfig
from hpmkd.data import decode, spool
from hpmkd.data.catalog import find
from hpmkd.data.spool import Spool
from hpmkd.errors import EnvironmentProblem


@given(st.lists(st.booleans(), min_size=1, max_size=7), st.integers(1, 4))
def test_file_and_memory_give_the_same(colours: list[bool], size: int) -> None:
    chance = np.random.default_rng(len(colours))
    every = [chance.integers(0, 256, (size, size, 3) if one else (size, size), dtype=np.uint8) for one in colours]
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for made in (Spool(), Spool(Path(folder) / "new")):
            for pixels in every:
                made.add(pixels)
            found.append(made.stacked(any(colours)))
        assert list((Path(folder) / "new").iterdir()) == [], "the file has no name"
    assert np.array_equal(*found)
    assert found[1].shape == (len(every), size, size, 3 if any(colours) else 1)
    assert isinstance(found[1], np.memmap)


@pytest.mark.parametrize("mixed", [False, True])
def test_the_decoded_file_is_the_same(mixed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = image_folder(tmp_path / "x")
    if mixed:
        class_folders(source / "train", rows(3, first=30, mode="L"), suffix=".bmp.png")
    found = []
    for limit in (spool.IN_MEMORY_BYTES, 0):
        monkeypatch.setattr(spool, "IN_MEMORY_BYTES", limit)
        config = DataConfig(cache_dir=str(tmp_path / f"cache{limit}"))
        path = tmp_path / f"cache{limit}" / "x.pt"
        meta = decode.decode(find(f"x={source}"), path, config)
        found.append((path.read_bytes(), meta))
    assert found[0] == found[1]
    raw, buffer = read(source), io.BytesIO()
    parts = {"train": raw.train, "test": raw.test}
    torch.save({f"{n}_{key}": getattr(part, key) for n, part in parts.items() for key in ("pixels", "labels")}, buffer)
    assert found[0][0] == buffer.getvalue(), "as versions before wrote it, whose hashes are in models"


def test_a_disk_that_fills_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Spool(tmp_path)

    class Full(io.BytesIO):
        def write(self, data: Any) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(made, "_file", Full())
    with pytest.raises(EnvironmentProblem, match="ENOSPC"):
        made.add(np.zeros((2, 2), np.uint8))


def test_a_disk_that_fills_up_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch's own code is not left by an error; the message is that of the system."""
    real = decode.commit_written

    def full(path: Path, write: Any, expected: str) -> None:
        class Full(io.BytesIO):
            def write(self, data: Any) -> int:
                raise OSError(errno.ENOSPC, "No space left on device")

        real(path, lambda file: write(Full()), expected)

    monkeypatch.setattr(decode, "commit_written", full)
    path = tmp_path / "x.pt"
    with pytest.raises(EnvironmentProblem, match="ENOSPC"):
        decode.decode(find(f"x={image_folder(tmp_path / 'x')}"), path, DataConfig(cache_dir=str(tmp_path)))
    assert not list(tmp_path.glob("*x.pt*"))


MEASURED = """
import sys
from pathlib import Path
from hpmkd.config.sweep import DataConfig
from hpmkd.data.catalog import find
from hpmkd.data import decode, spool
import torch, hpmkd.data.folder, hpmkd.data.census
spool.IN_MEMORY_BYTES = int(sys.argv[3])
def anonymous():
    return int(next(line for line in open("/proc/self/status") if line.startswith("RssAnon")).split()[1]) // 1024
found, before = [], anonymous()
import threading, time
done = threading.Event()
def look():
    while not done.is_set():
        found.append(anonymous())
        time.sleep(0.002)
thread = threading.Thread(target=look)
thread.start()
decode.decode(find("x=" + sys.argv[1]), Path(sys.argv[2], "x.pt"), DataConfig(cache_dir=sys.argv[2]))
done.set()
thread.join()
print(max(found) - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_decoding_takes_less_memory_than_the_images(tmp_path: Path) -> None:
    """48 MiB of images: three times that if they are kept in memory, and next to nothing if they are not."""
    pixels = np.frombuffer(np.random.default_rng(0).bytes(4096 * 64 * 64 * 3), np.uint8).reshape(-1, 64, 64, 3)
    for name, part in (("train", pixels), ("test", pixels[:60])):
        np.save(tmp_path / f"{name}_images.npy", part)
        np.save(tmp_path / f"{name}_labels.npy", np.arange(len(part)) % 3)
    taken = []
    for limit in (2**40, 0):
        command = [sys.executable, "-c", MEASURED, str(tmp_path), str(tmp_path / f"cache{limit}"), str(limit)]
        taken.append(int(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
    assert taken[0] > 45
    assert taken[1] < 30
