"""One machine writes to a mirror; one that is gone is taken over."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from hpmkd.config.mirror import CLAIM as NAME
from hpmkd.errors import Locked
from hpmkd.mirror import claim
from hpmkd.mirror.claim import Claim
from hpmkd.mirror.remote import Remote


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claim, "SILENT_SECONDS", 1.0)
    monkeypatch.setattr(claim, "_LOOK_SECONDS", 0.1)
    monkeypatch.setattr(claim, "_SETTLE_SECONDS", 0.2)
    monkeypatch.setattr(claim, "_RENEW_SECONDS", 0.3)


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[[str], Claim]]:
    """A claim by an output of that name; all end with the test."""
    made: list[Claim] = []

    def begin(home: str) -> Claim:
        made.append(Claim(Remote(str(tmp_path)), f"/out/{home}", home))
        return made[-1]

    yield begin
    for one in made:
        one._over.set()


def kill(one: Claim) -> None:
    """As its machine is lost."""
    one._over.set()
    one._thread.join()


def taken(one: Claim) -> list[str]:
    waited: list[str] = []
    one.take(waited.append)
    return waited


def change(remote: Remote, **values: Any) -> None:
    remote.put_bytes(json.dumps({**json.loads(remote.read(NAME)), **values}).encode(), NAME)


def test_a_living_one_is_left_alone(make) -> None:
    first, second = make("one"), make("two")
    assert taken(first) == []
    with pytest.raises(Locked, match="another sweep is writing there") as caught:
        taken(second)
    assert "output /out/one" in str(caught.value)
    assert first.lost is None


def test_a_silent_one_is_waited_for_and_taken_over(make, tmp_path: Path) -> None:
    lost, second = make("one"), make("two")
    taken(lost)
    kill(lost)
    start = time.monotonic()
    (said,) = taken(second)
    assert "has written there a moment ago" in said
    assert time.monotonic() - start >= 1.0
    assert (second.mirror, second.lost) == (lost.mirror, None)
    assert json.loads(Remote(str(tmp_path)).read(NAME))["id"] == second._mine.id


def test_who_was_taken_over_finds_out_and_takes_nothing_back(make, tmp_path: Path) -> None:
    first, second = make("one"), make("two")
    taken(first)
    second._write()
    deadline = time.monotonic() + 10
    while first.lost is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    first.give_back()
    found = json.loads(Remote(str(tmp_path)).read(NAME))
    assert (found["id"], found["ended"]) == (second._mine.id, False)


def test_of_several_at_the_same_moment_one_has_it(make) -> None:
    """Each has seen an empty mirror."""
    claims = [make(str(number)) for number in range(4)]
    with ThreadPoolExecutor(4) as pool:
        ends = [pool.submit(taken, one) for one in claims]
        failed = [isinstance(one.exception(), Locked) for one in ends]
    assert failed.count(False) == 1


@pytest.mark.parametrize("how", ["ended", "old", "torn", "same output"])
def test_nobody_to_wait_for(make, tmp_path: Path, how: str) -> None:
    remote = Remote(str(tmp_path))
    before = make("one")
    taken(before)
    if how == "ended":
        before.give_back()
    else:
        kill(before)
    if how == "old":
        change(remote, time=time.time() - 100_000)
    elif how == "torn":
        remote.put_bytes(b'{"id":', NAME)
    assert taken(make("one" if how == "same output" else "two")) == []


@pytest.mark.parametrize("values", [{"time": None}, {"time": "x"}, {"pid": "x"}, {"mirror": 7}, {"ended": []}])
def test_an_edited_one(make, tmp_path: Path, values: dict[str, Any]) -> None:
    remote = Remote(str(tmp_path))
    before = make("one")
    taken(before)
    kill(before)
    change(remote, **values)
    taken(make("two"))


def test_a_mirror_that_was_made_anew_is_another_one(make, tmp_path: Path) -> None:
    first, second, third = make("one"), make("one"), make("one")
    taken(first)
    first.give_back()
    taken(second)
    assert second.mirror == first.mirror
    second.give_back()
    (tmp_path / NAME).unlink()
    taken(third)
    assert third.mirror != first.mirror
