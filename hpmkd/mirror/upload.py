"""Copies what has changed in an output to its mirror."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Set
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import PurePosixPath

from hpmkd.errors import DamagedModel, EnvironmentProblem, MirrorProblem, NotInMirror
from hpmkd.mirror.claim import Claim
from hpmkd.mirror.contents import Copied, is_epoch, is_result, key_of_epoch, to_copy, trial_of
from hpmkd.mirror.known import Known
from hpmkd.mirror.remote import SIDE_BY_SIDE, Remote
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.result_file import verify
from hpmkd.store.sidecar import file_hash

_GROWING_SECONDS = 60.0  # what grows is copied as often, and at the end
_GIVE_UP = 3  # so many failures, and none that succeeded: it is not one file's fault


class _Enough:
    """Whether nothing more is to be begun: it is over, or nothing works."""

    def __init__(self, over: threading.Event, claim: Claim) -> None:
        self.over, self.claim, self.worked, self.failed = over, claim, 0, 0

    def count(self, worked: int, failed: bool) -> None:
        """So many files were copied, and one was not."""
        self.worked, self.failed = self.worked + worked, self.failed + failed

    def __bool__(self) -> bool:
        return self.over.is_set() or self.claim.lost is not None or (self.failed >= _GIVE_UP and not self.worked)


class Upload:
    """What an output and its mirror have to do with each other.

    Args:
        output: the sweep's folder.
        remote: its mirror.
        known: what lies there.
        claim: without which nothing is copied.
    """

    def __init__(self, output: OutputDir, remote: Remote, known: Known, claim: Claim) -> None:
        self.output, self.remote, self.known, self.claim = output, remote, known, claim
        self.look_seconds = 0.0  # how long it took to find out what has changed
        self._copied_at: dict[str, float] = {}

    def left(self) -> list[str]:
        """Names of what is not there as it is here, by what is known."""
        groups = [group for group in to_copy(self.output) if self._is_due(group, growing=True)]
        return [one.name for group in groups for one in group if self.known.versions.get(one.name) != one.version]

    def differences(self) -> list[str]:
        """Names of files that are not the same there as here, or not there; they are copied the next time."""
        names = [one.name for group in to_copy(self.output) for one in group]
        with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            wrong = [name for name, same in zip(names, pool.map(self._is_same, names), strict=True) if not same]
        for name in wrong:
            self.known.remove(name)
        return wrong

    def _is_same(self, name: str) -> bool:
        try:
            return self.remote.hash(name) == file_hash(self.output.root / name)
        except NotInMirror:
            return False

    def copy(self, growing: bool, over: threading.Event, copied: Callable[[str], object] | None = None) -> None:
        """Copies what is new or has changed, and removes epochs that are not needed any more.

        Args:
            growing: also what was copied a moment ago and has grown since.
            over: set from outside: what is being copied is copied, and nothing else is begun.
            copied: is told of each file.

        Raises:
            MirrorProblem: something could not be copied. Locked: the mirror is another's now.
        """
        start = time.monotonic()
        found = to_copy(self.output)
        groups = [group for group in found if self._is_due(group, growing)]
        self.look_seconds = time.monotonic() - start
        problems: list[MirrorProblem] = []
        enough = _Enough(over, self.claim)
        with ThreadPoolExecutor(SIDE_BY_SIDE, thread_name_prefix="hpmkd-mirror") as pool:
            # Rank by rank would be slower, and a plan without models, or the reverse, is of no harm: both are checked.
            running = {pool.submit(self._copy, group, enough) for group in groups}
            for one in as_completed(running):
                done, problem = one.result()
                for file in done:
                    self._note(file, copied)
                problems += [problem] if problem is not None else []
                enough.count(len(done), problem is not None)
        if self.claim.lost is not None:
            raise self.claim.lost
        if problems:
            last = problems[-1]  # a file that is not there is no more final here than a network that fails
            raise MirrorProblem(last.where, expected=last.expected, found=last.found, todo=last.todo)
        if not over.is_set():
            self._remove_epochs({one.name for group in found for one in group})

    def _copy(self, group: list[Copied], enough: _Enough) -> tuple[list[Copied], MirrorProblem | None]:
        """What of it was copied, and what kept the rest."""
        done = []
        for one in group:
            if enough:
                break
            try:
                self.remote.put(self.output.root / one.name, one.name)
                done.append(one)
            except MirrorProblem as problem:
                return done, problem
            except OSError:  # gone since
                pass
        return done, None

    def _note(self, one: Copied, copied: Callable[[str], object] | None) -> None:
        self.known.add(one.name, one.version)
        self._copied_at[one.name] = time.monotonic()
        if copied is not None:
            copied(one.name)

    def _is_due(self, group: list[Copied], growing: bool) -> bool:
        fresh = [one for one in group if self.known.versions.get(one.name) != one.version]
        if not growing:
            now = time.monotonic()
            ago = {one.name: now - self._copied_at.get(one.name, -_GROWING_SECONDS) for one in fresh}
            fresh = [one for one in fresh if not one.grows or ago[one.name] >= _GROWING_SECONDS]
        return bool(fresh) and self._is_whole(group[0])

    def _is_whole(self, one: Copied) -> bool:
        """A result that is damaged here is never put over a good one there."""
        if not is_result(one.name):
            return True
        try:
            verify(self.output.root / one.name)  # a damaged sidecar is written again
        except (DamagedModel, EnvironmentProblem, OSError):
            return False
        return True

    def _remove_epochs(self, wanted: Set[str]) -> None:
        """Those in whose place there is something: the file of the model, or a newer epoch."""
        copied = self.known.versions.keys()
        made = {PurePosixPath(name).stem for name in copied if is_result(name)}
        newer = {trial_of(name) for name in copied & wanted if is_epoch(name)}
        gone = [
            name
            for name in copied
            if is_epoch(name) and name not in wanted and (key_of_epoch(name) in made or trial_of(name) in newer)
        ]
        for name in gone:
            self.remote.remove(name)
            self.known.remove(name)
