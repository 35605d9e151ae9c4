"""Encoded images -> pixels, on all cores: in processes that do nothing else. No torch."""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
import threading
import time
import warnings
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from PIL import Image, ImageFile

from hpmkd.child_process import START, end_with, search_path
from hpmkd.data.pictures import Picture, Unreadable, from_bytes
from hpmkd.hardware import cores

_T = TypeVar("_T")
_START = START.format(first=3) + "from hpmkd.data.decoders import serve\nserve(int(sys.argv[2]))\n"
# A helper is asked about so many images at once, or bytes of them, or of what they become: small ones cost more to hand
# over than to decode, and what large ones become lies in memory until it is wanted.
_IMAGES, _BYTES, _DECODED = 256, 2**18, 2**20
_AHEAD = 2  # pieces per helper that are asked for before they are wanted
_ALONE_SECONDS = 0.3  # of work, before helpers are started: they need as long to begin
_MOST = 16  # of them: then this process, which hands out and collects, has as much to do as they
_PILLOWS_PIXELS = 2**30 // 4 // 3  # Image.MAX_IMAGE_PIXELS, unless somebody has changed it
_LOSSES = 3  # helpers that may die before the others are no longer asked either

Answer = Picture | Unreadable


class Entry(NamedTuple, Generic[_T]):
    """Whatever stands in an order, with the encoded image that goes with it, if one does."""

    thing: _T
    encoded: bytes | None


_Waiting = tuple[list[Entry[_T]], Future[Sequence[Answer] | None] | None]


class Decoders:
    """Has images decoded by helpers, once it has turned out that there is enough to do.

    Until then there are no answers, nor where a helper has died (for want of memory, or of an image that kills Pillow),
    nor for images that turn out larger than those before: who wants one decodes the image in this process.

    Args:
        size: see `pictures.from_bytes`.
        count: how many helpers; of fewer than two nothing would be faster, so there are none.
    """

    def __init__(self, size: int | None, count: int | None = None) -> None:
        self.size, self.count = size, min(cores(), _MOST) if count is None else count
        if not _plain_pillow():
            self.count = 1
        self.wanted = True  # False: nobody looks at answers any more
        self.largest = 0  # bytes of the pixels of one image, as far as whoever asks has seen
        self._started, self._lost = False, 0
        self._helpers: list[subprocess.Popen[bytes]] = []
        self._mine = threading.local()  # each thread has a helper of its own
        self._threads = ThreadPoolExecutor(max(self.count, 1), "decoders")

    def __enter__(self) -> Decoders:
        return self

    def __exit__(self, *_: object) -> None:
        self.wanted = False
        for helper in self._helpers:
            helper.kill()  # whoever waits for its answer gets none
        self._threads.shutdown(cancel_futures=True)
        for helper in self._helpers:
            helper.kill()
            with contextlib.suppress(OSError, ValueError):
                helper.communicate()

    def in_order(self, entries: Iterable[Entry[_T]]) -> Iterator[tuple[_T, Answer | None]]:
        """Each thing, in order, and what came of its image; None: nothing so far.

        Args:
            entries: are taken some time before they are given back, so that helpers have something to do.
        """
        waiting: deque[_Waiting[_T]] = deque()
        begun = time.monotonic()
        for piece in self._pieces(entries):
            self._started = self._started or (self.count > 1 and time.monotonic() - begun > _ALONE_SECONDS)
            images = [one.encoded for one in piece if one.encoded is not None]
            asked = self._submit(images) if images and self._started and self.wanted else None
            waiting.append((piece, asked))
            while len(waiting) > (_AHEAD * self.count if self._started else 0):
                yield from _answered(*waiting.popleft())
        while waiting:
            yield from _answered(*waiting.popleft())

    def _pieces(self, entries: Iterable[Entry[_T]]) -> Iterator[list[Entry[_T]]]:
        """One at a time as long as there are no helpers."""
        piece: list[Entry[_T]] = []
        size = 0
        for one in entries:
            piece.append(one)
            size += len(one.encoded or b"")
            most = min(_IMAGES, _DECODED // max(self.largest, 1))
            if not self._started or len(piece) >= most or size >= _BYTES:
                yield piece
                piece, size = [], 0
        if piece:
            yield piece

    def _submit(self, images: list[bytes]) -> Future[Sequence[Answer] | None] | None:
        try:
            return self._threads.submit(self._ask, images)
        except RuntimeError:  # no more threads: a limit on processes, under which there would be no helpers either
            self._lost = _LOSSES
            return None

    def _ask(self, images: list[bytes]) -> Sequence[Answer] | None:
        """In a thread: what its helper makes of them; None: it has died. The next time the thread starts another."""
        if not self.wanted or self._lost >= _LOSSES:
            return None
        try:
            helper = getattr(self._mine, "helper", None) or self._start()
            assert helper.stdin is not None
            assert helper.stdout is not None
            pickle.dump((self.size, images), helper.stdin)
            helper.stdin.flush()
            answers: Sequence[Answer] = pickle.load(helper.stdout)
            return answers
        except (OSError, EOFError, ValueError, MemoryError, pickle.UnpicklingError):
            self._mine.helper = None
            self._lost += 1
            return None

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-P", "-c", _START, str(Path(__file__).parents[2]), str(os.getpid()), *search_path()]
        # In a group of its own Ctrl-C does not reach it: this process ends it.
        helper = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, process_group=0)
        self._helpers.append(helper)
        self._mine.helper = helper
        return helper


def _plain_pillow() -> bool:
    """Whether Pillow is as it comes. A script may have told it to read more, which helpers would not know."""
    theirs = {getattr(factory, "__module__", "") for factory, _ in Image.OPEN.values()}
    return (
        not ImageFile.LOAD_TRUNCATED_IMAGES
        and Image.MAX_IMAGE_PIXELS == _PILLOWS_PIXELS
        and all(module.startswith("PIL.") for module in theirs)
    )


def _answered(
    piece: list[Entry[_T]], asked: Future[Sequence[Answer] | None] | None
) -> Iterator[tuple[_T, Answer | None]]:
    answers = iter((asked.result() if asked is not None else None) or [])
    for one in piece:
        yield one.thing, None if one.encoded is None else next(answers, None)


def serve(parent: int) -> None:
    """A helper: lists of images come as pickles on stdin, what they became goes as one to stdout.

    Args:
        parent: the process that asks; without it, this one ends.
    """
    with contextlib.suppress(RuntimeError):  # no more threads; the end of its questions ends it, too
        end_with(parent)
    stdout = os.dup(1)
    os.dup2(2, 1)  # whatever a plugin of Pillow prints stays out of the answers
    warnings.simplefilter("ignore")  # Pillow's, on images that it can read
    with contextlib.suppress(EOFError, BrokenPipeError), open(stdout, "wb") as answers:
        while True:
            size, images = pickle.load(sys.stdin.buffer)
            pickle.dump(_looked_at(images, size), answers)
            answers.flush()


def _looked_at(images: Sequence[bytes], size: int | None) -> list[Answer]:
    """What they became. No more than there is room for: the others have no answer, as those of a helper that died."""
    answers: list[Answer] = []
    room = _DECODED
    while room > 0 and len(answers) < len(images):
        try:
            answers.append(made := from_bytes(images[len(answers)], size))
            room -= made.pixels.nbytes
        except Unreadable as why:
            answers.append(why)
    return answers
