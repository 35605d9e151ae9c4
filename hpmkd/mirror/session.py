"""The mirror of a sweep while it runs: opened before anything is trained, closed when the results are written."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from hpmkd.config.from_python import flattened
from hpmkd.config.load import read_config_file
from hpmkd.data.source.listing import count
from hpmkd.errors import ConfigMismatch, MirrorProblem
from hpmkd.log import log, progress
from hpmkd.mirror.claim import Claim
from hpmkd.mirror.download import Download
from hpmkd.mirror.known import Known
from hpmkd.mirror.remote import Remote
from hpmkd.mirror.retries import patiently
from hpmkd.mirror.upload import Upload
from hpmkd.plan.job import Job, differences
from hpmkd.store.output_dir import OutputDir

_OPEN_SECONDS = 30.0
_OF_MACHINES = ("resources", "record", "bench")  # sections of the plan that other machines may have otherwise
_EXPECTED = "a folder, or a bucket that is there, which can be read and written"
_SAY_SECONDS = 3.0  # what takes longer at the end is said
_LOOK_SECONDS = 1.0
_LOOK_PART = 0.02  # of the time, at most, is spent on looking for what has changed


class Mirror:
    """Copies what a sweep writes, in threads of its own; nothing waits for it until the end.

    Args:
        output: the sweep's folder, whose lock is held.
        uri: of `checked_uri`.
        force: models of other settings go to the archive, so that the plan there may be another one.

    Raises:
        MirrorProblem: it cannot be reached, read or written. Locked: another sweep writes there. ConfigMismatch: it is
            another sweep's.
    """

    def __init__(self, output: OutputDir, uri: str, force: bool = False) -> None:
        self.uri = uri
        self.problem: Exception | None = None  # why the last copy failed
        self._closing, self._hurry, self._end = threading.Event(), threading.Event(), math.inf
        try:
            remote = patiently(lambda: Remote(uri), _OPEN_SECONDS, failed=self._waits)
            known = Known(output.mirror_file)
            self._claim = Claim(remote, str(output.root), known.home)
            patiently(lambda: self._claim.take(progress.info), _OPEN_SECONDS, failed=self._waits)
        except MirrorProblem as error:
            raise MirrorProblem(error.where, expected=_EXPECTED, found=error.found, todo=error.todo) from error
        self.problem = None
        self._upload = Upload(output, remote, known, self._claim)
        self._thread = threading.Thread(target=self._run, daemon=True, name="hpmkd-mirror")
        try:
            self.download = Download(output, remote, known)
            known.of(self._claim.mirror, self.download.there)
            remote.remove_leftovers()
            if not force:
                self._need_its_plan(output)
        except BaseException:
            self._claim.give_back()
            raise

    def _need_its_plan(self, output: OutputDir) -> None:
        """Raises ConfigMismatch where the plan there is another sweep's, before anything is written over it."""
        there = self.download.plan()
        if there is None or not output.config_file.is_file():
            return
        here = flattened(read_config_file(output.config_file))
        common = {key for key in there.keys() & here.keys() if key.partition(".")[0] not in _OF_MACHINES}
        changed = {key for key in common if not _extends(key, there[key], here[key])}
        found = differences({key: there[key] for key in changed}, {key: here[key] for key in changed})
        if found:
            raise ConfigMismatch(
                f"{self.uri}: it is the mirror of another sweep than {output.root}",
                expected="one that is empty, or of this sweep",
                found="\n    " + "\n    ".join(found),
                todo="name another mirror for this sweep (that one is continued by --restore URI in another folder), "
                "or, if its settings were changed on purpose, add --force: models of the old ones go to archive/",
            )

    def need_its_models(self, jobs: Sequence[Job]) -> None:
        """Of jobs whose files are here.

        Raises:
            ConfigMismatch: models of other settings lie there, which would be written over.
        """
        strangers = self.download.strangers(jobs)
        if strangers:
            lines = [f"{one.file}: {one.reason}" for one in strangers[:3]]
            raise ConfigMismatch(
                f"{self.uri}: it has {count(len(strangers), 'model')} of other settings",
                expected="the mirror of this sweep",
                found="\n    " + "\n    ".join(lines),
                todo="name another mirror; nothing there was changed",
            )

    def start(self) -> None:
        """From now on everything is copied."""
        self._thread.start()

    def copy_now(self, seconds: float, copied: Callable[[str], object]) -> None:
        """Copies everything, without threads of its own that outlast the call; `copied` is told of each file.

        Raises:
            MirrorProblem: for so many seconds it did not work.
        """
        patiently(lambda: self._upload.copy(growing=True, over=self._hurry, copied=copied), seconds)

    def differences(self) -> list[str]:
        """Names of files that are not the same there, byte by byte; they count as not copied from now on."""
        return self._upload.differences()

    def close(self, seconds: float) -> list[str]:
        """Copies the rest; names of what is not there after so many seconds."""
        self._end = time.monotonic() + seconds
        self._closing.set()
        if self._thread.is_alive():
            try:
                self._thread.join(min(seconds, _SAY_SECONDS))
                if self._thread.is_alive() and seconds:
                    progress.info(f"copying the rest to {self.uri}, for up to {seconds:g} s; Ctrl-C ends it")
                self._thread.join(seconds + 5.0)
            finally:
                self._hurry.set()
        if not self._thread.is_alive():
            self._claim.give_back()
        return self.left()

    def left(self) -> list[str]:
        """Names of what is not there as it is here."""
        return self._upload.left()

    def _waits(self, error: MirrorProblem) -> None:
        if self.problem is None:
            progress.info(f"{error.where}: {error.found}; trying again for {_OPEN_SECONDS:g} s")
        self.problem = error

    def _run(self) -> None:
        try:
            pause = 0.0
            while not self._closing.wait(pause):
                patiently(self._copy, math.inf, over=self._closing, failed=self._failed)
                if self.problem is not None:
                    progress.info("the mirror can be reached again")
                    self.problem = None
                pause = max(_LOOK_SECONDS, self._upload.look_seconds / _LOOK_PART)
            self._last()
        except MirrorProblem:  # in the middle of a pause it was closed
            self._last()
        except Exception as error:  # a thread would end with it without a word
            self.problem = error
            log.error(f"{self.uri}: {error}\n  nothing more is copied there; the sweep goes on")

    def _copy(self) -> None:
        self._upload.copy(growing=False, over=self._closing)

    def _last(self) -> None:
        left = max(0.0, self._end - time.monotonic())
        try:
            patiently(lambda: self._upload.copy(growing=True, over=self._hurry), left, over=self._hurry)
            self.problem = None
        except Exception as error:
            self.problem = error

    def _failed(self, error: MirrorProblem) -> None:
        if self.problem is None:
            log.warning(f"{error.where}: {error.found}; training goes on, and it is tried again until it works")
        self.problem = error


def _extends(key: str, there: Any, here: Any) -> bool:
    """Whether a sweep with the first value of a setting may have gone on with the second: more of the same."""
    if isinstance(there, list) and isinstance(here, list):
        return all(one in here for one in there)
    if isinstance(there, dict) and isinstance(here, dict):
        return all(here.get(name) == one for name, one in there.items())
    return bool(there <= here if key == "runs" else there == here)
