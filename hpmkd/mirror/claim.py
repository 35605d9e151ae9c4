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
from typing import Any

import psutil

from hpmkd.errors import Locked, MirrorProblem, NotInMirror
from hpmkd.files import parse_json
from hpmkd.mirror.remote import Remote

NAME = "mirror.json"
RENEWED_SECONDS = 20.0
SILENT_SECONDS = 75.0  # who has not renewed it for so long is gone
_LOOK_SECONDS = 3.0
# Machines' clocks differ; by more than this a claim is an old one by any of them.
_OLD_SECONDS = 900.0


class Claim:
    """On a mirror, of one output.

    Args:
        remote: the mirror.
        output: path of the output here.
        over: ends the waiting for another's claim early.
    """

    def __init__(self, remote: Remote, output: str, over: threading.Event) -> None:
        self.remote, self.over = remote, over
        self._about = {"id": uuid.uuid4().hex, "host": platform.node(), "pid": os.getpid(), "output": output}
        self._renewed = 0.0

    def take(self, waits: Callable[[str], object]) -> None:
        """Takes the mirror; `waits` is told once if another's claim has to be waited for.

        Raises:
            Locked: it is another's, who renews the claim. MirrorProblem: nothing can be read or written there.
        """
        found = self._read()
        if found is not None and not self._is_gone(found):
            waits(
                f"{self.remote.uri}: the sweep on {found['host']} has written there a moment ago; waiting up to "
                f"{SILENT_SECONDS:g} s to see whether it still runs"
            )
            end = time.monotonic() + SILENT_SECONDS
            while time.monotonic() < end and not self.over.wait(_LOOK_SECONDS):
                now = self._read()
                if now is None or now.get("ended"):
                    break
                if (now["id"], now["time"]) != (found["id"], found["time"]):
                    raise self._locked(now)
        self._write()

    def renew(self) -> None:
        """Where it is time to.

        Raises:
            Locked: another has taken it over, because this one was silent for too long.
        """
        if time.monotonic() - self._renewed < RENEWED_SECONDS:
            return
        found = self._read()
        if found is not None and found["id"] != self._about["id"]:
            raise self._locked(found)
        self._write()

    def give_back(self) -> None:
        """Nobody has to wait for it any more."""
        with contextlib.suppress(MirrorProblem):
            self._write(ended=True)

    def _write(self, ended: bool = False) -> None:
        values = {**self._about, "time": time.time(), "ended": ended}
        self.remote.put_bytes(json.dumps(values, indent=1).encode(), NAME)
        self._renewed = time.monotonic()

    def _read(self) -> dict[str, Any] | None:
        try:
            values = parse_json(self.remote.read(NAME))
            return {name: values[name] for name in ("id", "host", "pid", "output", "time", "ended")}
        except (NotInMirror, ValueError, KeyError, TypeError):
            return None

    def _is_gone(self, found: dict[str, Any]) -> bool:
        """Whether it need not be waited for. Of this output on this machine we hold the lock."""
        here = found["host"] == self._about["host"]
        mine = here and (found["output"] == self._about["output"] or not psutil.pid_exists(found["pid"]))
        return bool(found["ended"]) or mine or time.time() - found["time"] > _OLD_SECONDS

    def _locked(self, found: dict[str, Any]) -> Locked:
        return Locked(
            f"{self.remote.uri}: another sweep is writing there",
            expected="a mirror for each sweep, written by one machine at a time",
            found=f"process {found['pid']} on {found['host']}, output {found['output']}",
            todo="wait for it or stop it, or name another mirror",
        )
