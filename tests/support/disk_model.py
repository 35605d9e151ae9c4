"""A model of what a power cut leaves of a folder, and a recorder of the calls that it is asked about.

The weakest rules that POSIX allows: what was written to a file and not synced may be there, missing, cut or zeroes;
what was done to names (create, rename, unlink, mkdir) and whose folder was not synced may have happened or not, each on
its own, in any order; a rename is one step. A file keeps its content under whatever name it has.
"""

from __future__ import annotations

import copy
import hashlib
import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from hpmkd.store.output_dir import OutputDir

Op = tuple[Any, ...]
Check = Callable[[OutputDir, int, bool], Any]
FOLDER = -1


class _File:
    """A file open for writing that notes what is written."""

    def __init__(self, recorder: Recorder, path: Path, inner: Any) -> None:
        self.recorder, self.path, self.inner = recorder, path, inner

    def __enter__(self) -> _File:
        return self

    def __exit__(self, *error: Any) -> None:
        self.inner.close()

    def write(self, data: Any) -> None:
        self.inner.write(data)
        self.recorder.note("write", self.path, bytes(data))

    def flush(self) -> None:
        self.inner.flush()

    def fileno(self) -> int:
        number = int(self.inner.fileno())
        self.recorder.open[number] = self.path
        return number


class Recorder:
    """Carries calls out and notes them: `(what, path, ...)`, for everything below `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.ops: list[Op] = []
        self.open: dict[int, Path] = {}

    def note(self, what: str, path: Any, *more: Any) -> None:
        if Path(path).is_relative_to(self.root):
            self.ops.append((what, Path(path), *more))

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Puts itself between the program and the system."""
        real = {name: getattr(os, name) for name in ("open", "fsync", "replace", "rename", "unlink", "mkdir")}

        def opened(path: Path, mode: str = "r", *more: Any, **options: Any) -> Any:
            inner = open(path, mode, *more, **options)  # noqa: SIM115
            if not set(mode) & set("wxa+"):
                return inner
            self.note("create", path)
            return _File(self, path, inner)

        def os_open(path: Any, *more: Any, **options: Any) -> int:
            number = int(real["open"](path, *more, **options))
            self.open[number] = Path(path)
            return number

        def synced(number: int) -> None:
            real["fsync"](number)
            path = self.open[number]
            self.note("sync folder" if path.is_dir() else "sync", path)

        def renamed(source: Any, target: Any, **options: Any) -> None:
            real["replace"](source, target)
            self.note("rename", source, Path(target))

        def simple(name: str) -> Any:
            def call(path: Any, *more: Any, **options: Any) -> None:
                real[name](path, *more, **options)
                self.note(name, path)

            return call

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Path, "open", opened)
            changes = {"open": os_open, "fsync": synced, "replace": renamed, "rename": renamed}
            for name, function in (changes | {"unlink": simple("unlink"), "mkdir": simple("mkdir")}).items():
                patch.setattr(os, name, function)
            yield


@dataclass
class _Content:
    """A file's bytes as programs see them, and as they are surely on disk (None: nothing is sure)."""

    now: bytes
    safe: bytes | None

    def left(self) -> list[bytes]:
        """What a power cut may leave of it."""
        if self.safe == self.now:
            return [self.now]
        half, size = len(self.now) // 2, len(self.now)
        torn = [b"", self.now[:half], bytes(size), self.now[:half] + bytes(size - half), bytes(half) + self.now[half:]]
        return [*torn, self.now, *([self.safe] if self.safe is not None else [])]


@dataclass
class Disk:
    """Names that are surely there (`names`: path -> number of a file, or FOLDER), and steps that may be lost."""

    contents: list[_Content] = field(default_factory=list)
    names: dict[Path, int] = field(default_factory=dict)
    steps: list[dict[Path, int | None]] = field(default_factory=list)

    def put(self, path: Path, data: bytes) -> None:
        """A file that has long been there."""
        self.contents.append(_Content(data, data))
        self.names[path] = len(self.contents) - 1

    def live(self) -> dict[Path, int]:
        """Names as programs see them."""
        return self._after(self.steps)

    def _after(self, steps: Any) -> dict[Path, int]:
        names = dict(self.names)
        for step in steps:
            for path, number in step.items():
                if number is None:
                    names.pop(path, None)
                else:
                    names[path] = number
        return names

    def apply(self, op: Op) -> None:
        """One recorded call."""
        what, path, *more = op
        if what == "create":
            self.contents.append(_Content(b"", None))
            self.steps.append({path: len(self.contents) - 1})
        elif what == "write":
            self.contents[self.live()[path]].now += more[0]
        elif what == "sync":
            content = self.contents[self.live()[path]]
            content.safe = content.now
        elif what == "rename":
            self.steps.append({path: None, more[0]: self.live()[path]})
        elif what == "unlink":
            self.steps.append({path: None})
        elif what == "mkdir":
            self.steps.append({path: FOLDER})
        elif what == "sync folder":
            done = [step for step in self.steps if any(name.parent == path for name in step)]
            self.names = self._after(done)
            self.steps = [step for step in self.steps if step not in done]

    def cuts(self) -> Iterator[dict[Path, bytes]]:
        """Every state that a power cut may leave now: the files whose folders are there, with their bytes."""
        for kept in itertools.product([False, True], repeat=len(self.steps)):
            names = self._after(step for step, keep in zip(self.steps, kept, strict=True) if keep)
            files = {path: number for path, number in names.items() if number != FOLDER and self._held(path, names)}
            numbers = sorted(set(files.values()))
            for chosen in itertools.product(*(self.contents[number].left() for number in numbers)):
                content = dict(zip(numbers, chosen, strict=True))
                yield {path: content[number] for path, number in files.items()}

    def _held(self, path: Path, names: dict[Path, int]) -> bool:
        known = {folder for step in self.steps for folder, number in step.items() if number == FOLDER}
        return all(folder not in known or names.get(folder) == FOLDER for folder in path.parents)


def record(root: Path, action: Any) -> tuple[Disk, list[Op]]:
    """Runs `action`, which may write below `root`; the disk as it was before, and the calls."""
    disk = Disk()
    for path in sorted(root.rglob("*")):
        if path.is_file():
            disk.put(path, path.read_bytes())
    recorder = Recorder(root)
    with recorder.recording():
        action()
    return disk, recorder.ops


def power_cuts(disk: Disk, ops: list[Op]) -> Iterator[tuple[int, dict[Path, bytes]]]:
    """How many calls were made before the power went, and what is then left; each state once per number."""
    for count in range(len(ops) + 1):
        if count:
            disk.apply(ops[count - 1])
        seen = set()
        for files in disk.cuts():
            mark = hashlib.sha256(repr(sorted((str(path), data) for path, data in files.items())).encode()).digest()
            if mark not in seen:
                seen.add(mark)
                yield count, files


def materialise(files: dict[Path, bytes], root: Path, target: Path) -> None:
    """Writes a state under `target` instead of `root`."""
    for path, data in files.items():
        place = target / path.relative_to(root)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)


def assert_complete(root: Path, disk: Disk, ops: list[Op]) -> None:
    """All calls together give what is really there: the recorder has seen everything."""
    for op in ops:
        disk.apply(op)
    seen = {path: disk.contents[number].now for path, number in disk.live().items() if number != FOLDER}
    assert seen == {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


def every_cut(root: Path, work: Path, disk: Disk, ops: list[Op], check: Check) -> int:
    """Calls `check(output, calls made, all of them?)` for each state; how many there were."""
    assert_complete(root, copy.deepcopy(disk), ops)
    count = 0
    for made, files in power_cuts(disk, ops):
        target = work / str(count)
        materialise(files, root, target)
        check(OutputDir(target), made, made == len(ops))
        shutil.rmtree(target, ignore_errors=True)
        count += 1
    return count
