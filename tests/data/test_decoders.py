"""Images decoded by helpers: the same as alone, whatever becomes of the helpers, which end in any case."""

from __future__ import annotations

import io
import os
import pickle
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFile
from pyarrow import parquet
from support import datasets
from support.pictures import picture, table
from support.processes import gone

from hpmkd.config.sweep import DataConfig
from hpmkd.data import decoders
from hpmkd.data.decoders import Decoders, Entry
from hpmkd.data.examine import Seen, decoded, raise_faults
from hpmkd.data.layouts.detect import take_inventory
from hpmkd.data.pictures import Picture, Unreadable, from_bytes
from hpmkd.errors import EnvironmentProblem


@pytest.fixture
def helpers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three, from the first image on."""
    monkeypatch.setattr(decoders, "_ALONE_SECONDS", -1.0)
    monkeypatch.setattr(decoders, "cores", lambda: 3)


def everything(folder: Path, config: DataConfig) -> tuple[dict[str, np.ndarray], Seen] | str:
    """What a data set's images become, or why they cannot be used."""
    try:
        kept, seen = decoded(take_inventory(folder, config), config)
    except EnvironmentProblem as error:
        return str(error)
    colour = any(spool.dimensions[3] for spool in kept.values())
    return {name: spool.stacked(colour) for name, spool in kept.items()}, seen


def noise(size: tuple[int, int], kind: str, mode: str = "RGB") -> bytes:
    return datasets.encoded(Image.effect_noise(size, 90).convert(mode), kind)


def rows_of_all_kinds() -> list[bytes]:
    """Of one size, of many formats and modes, all of them usable."""
    made = [noise((8, 8), kind) for kind in ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF")]
    made += [noise((8, 8), "PNG", mode) for mode in ("L", "1", "RGBA", "P", "LA")]
    return made * 5


def folder_of(path: Path, images: list[bytes | None]) -> Path:
    path.mkdir()
    labels = [number % 3 for number in range(len(images))]
    columns = {"image": [{"bytes": one, "path": f"{number}.png"} for number, one in enumerate(images)], "label": labels}
    parquet.write_table(pa.table(columns), path / "train.parquet")
    parquet.write_table(table(6), path / "test.parquet")
    return path


def assert_same(folder: Path, monkeypatch: pytest.MonkeyPatch, size: int | None = None) -> object:
    """With helpers and alone; returns what was found."""
    config = DataConfig(image_size=size)
    found = everything(folder, config)
    monkeypatch.setattr(decoders, "cores", lambda: 1)
    alone = everything(folder, config)
    if isinstance(found, str) or isinstance(alone, str):
        assert found == alone
        return found
    assert found[1] == alone[1]
    assert found[0].keys() == alone[0].keys()
    assert all(np.array_equal(found[0][name], alone[0][name]) for name in alone[0])
    return found


def test_images_of_all_kinds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, helpers: None) -> None:
    asked = []
    real = Decoders._ask
    monkeypatch.setattr(Decoders, "_ask", lambda self, images: asked.append(len(images)) or real(self, images))
    found = assert_same(folder_of(tmp_path / "x", rows_of_all_kinds()), monkeypatch)
    assert not isinstance(found, str)
    assert sum(asked) == 55 + 6


def test_images_of_many_sizes_that_are_resized(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, helpers: None) -> None:
    images = [noise((6 + number, 17 - number), "PNG") for number in range(8)]
    found = assert_same(folder_of(tmp_path / "x", images), monkeypatch, size=12)
    assert not isinstance(found, str)


def test_files_of_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, helpers: None) -> None:
    source = datasets.image_folder(tmp_path / "x")
    assert not isinstance(assert_same(source, monkeypatch), str)
    monkeypatch.setattr(decoders, "cores", lambda: 3)
    (source / "train" / "cat" / "000.png").unlink()
    (source / "train" / "cat" / "000.png").symlink_to("nowhere.png")
    (source / "test" / "dog" / "000.png").write_bytes(b"<html>")
    assert "2 of 16 images" in str(assert_same(source, monkeypatch))


@pytest.mark.parametrize("where", [0, 1, 20, 39])
def test_faults_are_named_in_order(where: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, helpers: None) -> None:
    images: list[bytes | None] = [picture(number) for number in range(40)]
    images[where] = None
    images[(where + 7) % 40] = b"no image"
    images[(where + 13) % 40] = picture(1)[:-30]
    found = assert_same(folder_of(tmp_path / "x", images), monkeypatch)
    assert isinstance(found, str)
    assert found.count("train.parquet, row ") == 3


@pytest.mark.parametrize("damaged", [False, True])
def test_of_images_that_differ_in_size_only_the_headers_count(
    damaged: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, helpers: None
) -> None:
    """One that is damaged behind its header, after the first of another size, is not found alone, nor with helpers."""
    images: list[bytes | None] = [*map(picture, range(10)), picture(10, 9), *map(picture, range(11, 20))]
    if damaged:
        images[15] = picture(15)[:-30]
    found = assert_same(folder_of(tmp_path / "x", images), monkeypatch)
    assert "images of 2 sizes" in str(found)


def test_all_that_cannot_be_read_is_looked_for_with_helpers(tmp_path: Path, helpers: None) -> None:
    images: list[bytes | None] = [picture(1), b"x", picture(2, 9), picture(3)[:-60]]
    config = DataConfig()
    inventory = take_inventory(folder_of(tmp_path / "x", images), config)
    with pytest.raises(EnvironmentProblem, match=r"2 of 10 .*(?s:.*)2 sizes"):
        raise_faults(inventory, config)


def numbered(count: int) -> Iterator[Entry[int]]:
    return (Entry(number, picture(number) if number % 3 else None) for number in range(count))


def assert_right(number: int, answer: Picture | Unreadable | None) -> None:
    if number % 3 == 0:
        assert answer is None
    elif answer is not None:
        assert isinstance(answer, Picture)
        assert np.array_equal(answer.pixels, from_bytes(picture(number), None).pixels)


def test_things_come_back_in_their_order_with_their_own_answer(helpers: None) -> None:
    with Decoders(None) as made:
        found = list(made.in_order(numbered(1500)))
        assert 1 <= len(made._helpers) <= 3
    assert [number for number, _ in found] == list(range(1500))
    for number, answer in found:
        assert_right(number, answer)
        assert (answer is None) == (number % 3 == 0)


def test_what_is_taken_ahead_is_bounded(helpers: None) -> None:
    taken = 0

    def entries() -> Iterator[Entry[int]]:
        nonlocal taken
        for entry in numbered(4000):
            taken += 1
            yield entry

    with Decoders(None) as made:
        for number, _ in made.in_order(entries()):
            assert taken - number <= 7 * decoders._IMAGES
            made.wanted = number < 3000


def test_what_large_ones_become_is_bounded(helpers: None) -> None:
    """A drawing of a few kilobytes may be a megabyte of pixels."""
    most = 0
    with Decoders(None) as made:
        made.largest = decoders._DECODED // 4
        real, waiting = made._submit, []

        def submit(images: list[bytes]) -> Any:
            waiting.append(len(images))
            return real(images)

        made._submit = submit  # type: ignore[method-assign]
        for _ in made.in_order(numbered(300)):
            most = max(most, *waiting)
    assert most <= 4


def test_pillow_as_somebody_has_set_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, helpers: None) -> None:
    """Helpers would not know."""
    images: list[bytes | None] = [noise((16, 16), "JPEG")[:-12] for _ in range(30)]
    source = folder_of(tmp_path / "x", images)
    assert "30 of 36" in str(everything(source, DataConfig(image_size=8)))
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    assert not isinstance(everything(source, DataConfig(image_size=8)), str)
    monkeypatch.undo()
    assert Decoders(None, 3).count == 3
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert Decoders(None, 3).count == 1
    monkeypatch.undo()
    monkeypatch.setitem(Image.OPEN, "MINE", (lambda *_: None, None))
    assert Decoders(None, 3).count == 1


@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_limit_on_threads(after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, helpers: None) -> None:
    real, left = ThreadPoolExecutor.submit, [None] * after

    def submit(self: ThreadPoolExecutor, *work: Any) -> Any:
        if not left:
            raise RuntimeError("can't start new thread")
        left.pop()
        return real(self, *work)

    monkeypatch.setattr(decoders, "_IMAGES", 8)
    monkeypatch.setattr(ThreadPoolExecutor, "submit", submit)
    assert not isinstance(assert_same(folder_of(tmp_path / "x", rows_of_all_kinds()), monkeypatch), str)


def test_a_helper_that_may_not_start_a_thread() -> None:
    """It answers all the same, and ends with the questions."""
    code = "import os, threading\ndef start(self): raise RuntimeError\nthreading.Thread.start = start\n"
    code += "from hpmkd.data.decoders import serve\nserve(os.getppid())"
    work = pickle.dumps((None, [picture(1)]))
    done = subprocess.run([sys.executable, "-c", code], input=work, capture_output=True, timeout=60, check=True)
    assert (len(pickle.loads(done.stdout)), done.stderr) == (1, b"")


def test_few_images_need_no_helpers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoders, "_ALONE_SECONDS", 60.0)
    with Decoders(None, 4) as made:
        assert all(answer is None for _, answer in made.in_order(numbered(50)))
        assert not made._helpers


@pytest.mark.parametrize("seed", range(3))
def test_helpers_that_are_killed_lose_nothing(seed: int, helpers: None) -> None:
    """At any time, all of them too: what they owe has no answer, the rest has."""
    chance, ends = random.Random(seed), [200, 700, 1100]
    with Decoders(None) as made:
        for number, answer in made.in_order(numbered(1500)):
            assert_right(number, answer)
            if ends and number == ends[0]:
                chance.choice(made._helpers[-3:]).kill()
                del ends[0]
        assert made._lost <= decoders._LOSSES
        every = list(made._helpers)
    assert all(helper.poll() is not None for helper in every)


def test_one_image_that_kills_whoever_decodes_it(monkeypatch: pytest.MonkeyPatch, helpers: None) -> None:
    """The others are decoded all the same; it comes back without an answer."""
    deadly = "import hpmkd.data.decoders as d, os\nreal = d.from_bytes\n"
    deadly += "d.from_bytes = lambda data, size: os._exit(9) if data == b'deadly' else real(data, size)\n"
    monkeypatch.setattr(decoders, "_START", decoders._START.replace("serve(int", deadly + "serve(int"))
    entries = [Entry(number, b"deadly" if number == 400 else picture(number)) for number in range(1, 900)]
    with Decoders(None) as made:
        found = dict(made.in_order(entries))
        assert made._lost == 1
    lacking = [number for number, answer in found.items() if answer is None]
    assert 400 in lacking
    assert len(lacking) <= decoders._IMAGES


def test_where_no_helper_starts_all_is_done_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, helpers: None
) -> None:
    monkeypatch.setattr(decoders, "_START", "raise SystemExit(1)")
    found = assert_same(folder_of(tmp_path / "x", rows_of_all_kinds()), monkeypatch)
    assert not isinstance(found, str)


def test_an_exception_in_the_middle_leaves_no_helper(helpers: None) -> None:
    every: list[subprocess.Popen[bytes]] = []

    def fail_in_the_middle() -> None:
        with Decoders(None) as made:
            for _ in made.in_order(numbered(900)):
                every[:] = made._helpers
                if every:
                    raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_in_the_middle()
    assert every
    assert all(helper.poll() is not None for helper in every)


ENDLESS = """
import sys
from hpmkd.data import decoders
from hpmkd.data.decoders import Decoders, Entry
decoders._ALONE_SECONDS = -1.0
data = open(sys.argv[1], "rb").read()
def entries():
    while True:
        yield Entry(0, data)
with Decoders(None, 2) as made:
    for number, _ in enumerate(made.in_order(entries())):
        if number == 600:
            print("begun", flush=True)
"""


def test_helpers_end_with_their_parent(tmp_path: Path) -> None:
    """Killed outright, in the middle."""
    (tmp_path / "image").write_bytes(picture(1, 64))
    words = [sys.executable, "-c", ENDLESS, str(tmp_path / "image")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        found = [one.pid for one in psutil.Process(process.pid).children()]
        process.kill()
    assert len(found) == 2
    start = time.monotonic()
    while not all(map(gone, found)) and time.monotonic() - start < 20:
        time.sleep(0.02)
    assert all(map(gone, found))


def test_a_helper_says_nothing_that_was_not_asked() -> None:
    """Nothing on stdout or stderr but answers; torch is not imported."""
    code = (
        "import os, sys; from hpmkd.data.decoders import serve; serve(os.getppid()); assert 'torch' not in sys.modules"
    )
    work = pickle.dumps((None, [picture(1), b"x"])) + pickle.dumps((4, [picture(2)]))
    done = subprocess.run([sys.executable, "-c", code], input=work, capture_output=True, timeout=60, check=True)
    answers = io.BytesIO(done.stdout)
    first, why = pickle.load(answers)
    (second,) = pickle.load(answers)
    assert np.array_equal(first.pixels, from_bytes(picture(1), None).pixels)
    assert (str(why), why.range) == (str(Unreadable("not an image in a format that Pillow knows")), False)
    assert second.pixels.shape == (4, 4, 3)
    assert (answers.read(), done.stderr) == (b"", b"")


@given(st.text(min_size=1), st.booleans())
def test_why_an_image_is_unreadable_survives_the_way(why: str, range_: bool) -> None:
    back = pickle.loads(pickle.dumps(Unreadable(why, range=range_)))
    assert (str(back), back.range) == (why, range_)


def test_nobody_waits_for_an_answer_any_more() -> None:
    code = "import os; from hpmkd.data.decoders import serve; serve(os.getppid())"
    reader, writer = os.pipe()
    os.close(reader)
    work = pickle.dumps((None, [picture(1)]))
    done = subprocess.run(
        [sys.executable, "-c", code], input=work, stdout=writer, stderr=subprocess.PIPE, timeout=60, check=False
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")
