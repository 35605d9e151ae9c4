"""Helpers that decode images: whose answer is whose, what becomes of their questions, and their end."""

from __future__ import annotations

import io
import os
import pickle
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from support import datasets
from support.pictures import picture
from support.processes import gone

from hpmkd.data import decoders
from hpmkd.data.decoders import Decoders, Entry
from hpmkd.data.pictures import Picture, Unreadable, from_bytes


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


@pytest.mark.parametrize("side", [8, 300, 700])
def test_an_answer_is_bounded_whatever_the_images_become(side: int) -> None:
    """Nobody has seen one as large before."""
    images = [datasets.encoded(Image.new("RGB", (side, side), "red"))] * 20
    answers = decoders._looked_at(images, None)
    assert 1 <= len(answers) <= 20
    pixels = [one.pixels.nbytes for one in answers if isinstance(one, Picture)]
    assert len(pixels) == len(answers)
    assert sum(pixels[:-1]) < decoders._DECODED
    assert (len(answers) == 20) == (side == 8)


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
