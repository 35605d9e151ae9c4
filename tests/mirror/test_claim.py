"""One machine writes to a mirror; one that is gone is taken over."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from hpmkd.errors import Locked
from hpmkd.mirror import claim
from hpmkd.mirror.claim import NAME, Claim
from hpmkd.mirror.remote import Remote


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claim, "SILENT_SECONDS", 1.0)
    monkeypatch.setattr(claim, "_LOOK_SECONDS", 0.1)


def make(remote: Remote, host: str = "", output: str = "/out") -> Claim:
    made = Claim(remote, output, threading.Event())
    if host:
        made._about["host"] = host
    return made


def taken(one: Claim) -> list[str]:
    waited: list[str] = []
    one.take(waited.append)
    return waited


def change(remote: Remote, **values: Any) -> None:
    remote.put_bytes(json.dumps({**json.loads(remote.read(NAME)), **values}).encode(), NAME)


def test_a_living_one_is_left_alone(tmp_path: Path) -> None:
    remote = Remote(str(tmp_path))
    first, second = make(remote, "far"), make(remote)
    assert taken(first) == []
    threading.Timer(0.4, first._write).start()
    with pytest.raises(Locked, match="another sweep is writing there") as caught:
        taken(second)
    assert "on far" in str(caught.value)


def test_a_silent_one_is_waited_for_once_and_taken_over(tmp_path: Path) -> None:
    remote = Remote(str(tmp_path))
    lost, second = make(remote, "far"), make(remote)
    taken(lost)
    start = time.monotonic()
    (said,) = taken(second)
    assert "far" in said
    assert time.monotonic() - start >= 1.0
    claim_of = json.loads(remote.read(NAME))["id"]
    assert claim_of == second._about["id"]
    lost._renewed = -1e9
    with pytest.raises(Locked):
        lost.renew()
    second._renewed = -1e9
    second.renew()


@pytest.mark.parametrize("how", ["ended", "old", "torn", "same output", "dead process"])
def test_nobody_to_wait_for(tmp_path: Path, how: str) -> None:
    remote = Remote(str(tmp_path))
    before = make(remote, "" if how in ("same output", "dead process") else "far")
    taken(before)
    if how == "ended":
        before.give_back()
    elif how == "old":
        change(remote, time=time.time() - 1000)
    elif how == "torn":
        remote.put_bytes(b'{"id":', NAME)
    elif how == "dead process":
        change(remote, output="/other", pid=2**22 + 1)
    assert taken(make(remote)) == []
