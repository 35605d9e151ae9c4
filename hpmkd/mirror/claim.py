"""Whose a mirror is: a small file in it, which the sweep that writes there renews all the time.

Two sweeps that write to one mirror would take each other's epochs away. A machine that is gone (a lost notebook, a spot
machine) cannot give its claim back; so one that is not renewed any more is taken over.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace

from hpmkd.config.mirror import CLAIM
from hpmkd.errors import Locked, MirrorProblem, NotInMirror
from hpmkd.files import parse_json
from hpmkd.mirror.remote import Remote

_RENEW_SECONDS = 15.0
_SETTLE_SECONDS = 1.0  # until it is seen that nobody else has taken it at the same moment
SILENT_SECONDS = 75.0  # who has not renewed it for so long is gone
_LOOK_SECONDS = 3.0
_OLD_SECONDS = 86400.0  # nobody waits for a claim of yesterday, whatever clocks say


@dataclass(frozen=True)
class _Owner:
    """What the file says: the mirror's own name, which stays; who writes to it, when, and whether that has ended."""

    mirror: str
    id: str
    home: str  # the output's own name, which it keeps wherever it is moved
    host: str
    pid: int
    output: str
    time: float
    ended: bool


class Claim:
    """On a mirror, of one output.

    Args:
        remote: the mirror.
        output: path of the output here.
        home: the output's own name; whoever has it holds the output's lock.
    """

    def __init__(self, remote: Remote, output: str, home: str) -> None:
        self.remote = remote
        self.lost: Locked | None = None  # another has taken it over, because this one was silent for too long
        self._over = threading.Event()
        self._mine = _Owner(
            mirror=uuid.uuid4().hex, id=uuid.uuid4().hex, home=home, host=platform.node(), pid=os.getpid(),
            output=output, time=time.time(), ended=False,
        )  # fmt: skip
        self._thread = threading.Thread(target=self._renew, daemon=True, name="hpmkd-mirror-claim")

    @property
    def mirror(self) -> str:
        """The mirror's own name: another one if it was deleted and made anew."""
        return self._mine.mirror

    def take(self, waits: Callable[[str], object]) -> None:
        """Takes the mirror, and renews the claim from now on; `waits` is told if another's has to be waited for.

        Raises:
            Locked: it is another's, who renews the claim. MirrorProblem: nothing can be read or written there.
        """
        found = self._read()
        if found is not None and not self._is_gone(found):
            waits(
                f"{self.remote.uri}: the sweep on {found.host} has written there a moment ago; waiting up to "
                f"{SILENT_SECONDS:g} s to see whether it still runs"
            )
            self._wait_for(found)
        if found is not None:
            self._mine = replace(self._mine, mirror=found.mirror)
        self._write()
        self._over.wait(_SETTLE_SECONDS)
        now = self._read()
        if now is not None and now.id != self._mine.id:
            raise self._locked(now)
        self._thread.start()

    def give_back(self) -> None:
        """Nobody has to wait for it any more."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(_RENEW_SECONDS)
        with contextlib.suppress(MirrorProblem):
            found = self._read()
            if self.lost is None and found is not None and found.id == self._mine.id:
                self._write(ended=True)

    def _wait_for(self, found: _Owner) -> None:
        end = time.monotonic() + SILENT_SECONDS
        while time.monotonic() < end:
            time.sleep(_LOOK_SECONDS)
            now = self._read()
            if now is None or now.ended:
                return
            if (now.id, now.time) != (found.id, found.time):
                raise self._locked(now)

    def _renew(self) -> None:
        while not self._over.wait(_RENEW_SECONDS):
            with contextlib.suppress(MirrorProblem):  # the next time
                found = self._read()
                if found is not None and found.id != self._mine.id:
                    self.lost = self._locked(found)
                    return
                self._write()

    def _write(self, ended: bool = False) -> None:
        values = asdict(replace(self._mine, time=time.time(), ended=ended))
        self.remote.put_bytes(json.dumps(values, indent=1).encode(), CLAIM)

    def _read(self) -> _Owner | None:
        try:
            values = parse_json(self.remote.read(CLAIM))
            kinds = {"pid": int, "time": float, "ended": bool}
            return _Owner(**{one.name: kinds.get(one.name, str)(values[one.name]) for one in fields(_Owner)})
        except (NotInMirror, ValueError, KeyError, TypeError):
            return None

    def _is_gone(self, found: _Owner) -> bool:
        """Whether it need not be waited for."""
        return found.ended or found.home == self._mine.home or abs(time.time() - found.time) > _OLD_SECONDS

    def _locked(self, found: _Owner) -> Locked:
        return Locked(
            f"{self.remote.uri}: another sweep is writing there",
            expected="a mirror for each sweep, written by one machine at a time",
            found=f"process {found.pid} on {found.host}, output {found.output}",
            todo="wait for it or stop it, or name another mirror",
        )
