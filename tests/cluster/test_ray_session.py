"""Ray's start and end, with a Ray that is not there."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.builders import config

from hpmkd.cluster import lifeline, ray_session
from hpmkd.cluster.stop_signals import StopSignals
from hpmkd.errors import EnvironmentProblem
from hpmkd.store.output_dir import OutputDir


@pytest.fixture
def stop() -> Iterator[StopSignals]:
    with StopSignals() as signals:
        yield signals


@pytest.fixture(autouse=True)
def _no_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_session.ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray_session.ray, "shutdown", lambda: None)


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://localhost:10001", "localhost", "nowhere.invalid:6379"])
def test_a_cluster_that_is_not_there(
    address: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stop: StopSignals
) -> None:
    """Said within seconds; Ray's own start would try for minutes."""
    monkeypatch.setattr(ray_session.ray, "init", lambda *given, **more: pytest.fail("Ray was asked"))
    given = config(resources__address=address)
    running = ray_session.running_ray(given, OutputDir(tmp_path), stop, verbose=False)
    with pytest.raises(EnvironmentProblem, match=address), running:
        pytest.fail("it started")


def test_a_start_that_fails_is_tried_once_more(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stop: StopSignals
) -> None:
    calls = []

    def init(**given: Any) -> None:
        calls.append(given)
        if len(calls) == 1:
            raise RuntimeError("the raylet died")

    monkeypatch.setattr(ray_session.ray, "init", init)
    with ray_session.running_ray(config(), OutputDir(tmp_path), stop, verbose=False):
        assert OutputDir(tmp_path).ray_file.exists()
    assert len(calls) == 2
    assert not OutputDir(tmp_path).ray_file.exists()


def test_a_start_that_fails_twice_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stop: StopSignals) -> None:
    def init(**given: Any) -> None:
        raise RuntimeError("No space left on device\nand more")

    monkeypatch.setattr(ray_session.ray, "init", init)
    running = ray_session.running_ray(config(), OutputDir(tmp_path), stop, verbose=False)
    with pytest.raises(EnvironmentProblem, match=r"No space left on device .*free in /dev/shm") as caught, running:
        pytest.fail("it started")
    assert caught.value.exit_code == 3


def test_a_start_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stop: StopSignals) -> None:
    monkeypatch.setattr(ray_session, "START_SECONDS", 0.2)
    monkeypatch.setattr(ray_session.ray, "init", lambda **given: time.sleep(60))
    begun = time.monotonic()
    running = ray_session.running_ray(config(), OutputDir(tmp_path), stop, verbose=False)
    with pytest.raises(EnvironmentProblem, match=r"TooSlow: no answer within 0\.2 seconds"), running:
        pytest.fail("it started")
    assert time.monotonic() - begun < 15


def test_a_signal_in_the_middle_of_the_start_stops_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(ray_session.ray, "init", lambda **given: signal.raise_signal(signal.SIGTERM))
    with StopSignals() as stop, ray_session.running_ray(config(), OutputDir(tmp_path), stop, verbose=False):
        pytest.fail("it started")
    assert stop.caught == signal.SIGTERM
    assert not OutputDir(tmp_path).ray_file.exists()


@pytest.mark.parametrize("slow", [False, True])
def test_the_handler_that_ray_sets_in_the_middle_of_its_start_decides_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, slow: bool
) -> None:
    """It makes SIGTERM an exit with code 15: of a user's signal, and of the one that ends a start that hangs."""

    def init(**given: Any) -> None:
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(number))
        if not slow:
            signal.raise_signal(signal.SIGTERM)
        time.sleep(60)

    monkeypatch.setattr(ray_session, "START_SECONDS", 0.2 if slow else 60)
    monkeypatch.setattr(ray_session.ray, "init", init)
    with contextlib.suppress(EnvironmentProblem), StopSignals() as stop:
        with ray_session.running_ray(config(), OutputDir(tmp_path), stop, verbose=False):
            pytest.fail("it started")
        pytest.fail("it went on")
    assert stop.caught == (None if slow else signal.SIGTERM)


def test_a_raylet_that_dies_ends_the_body_and_all_its_processes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stop: StopSignals
) -> None:
    shutil.copy(shutil.which("sleep") or "", tmp_path / "raylet")
    started: list[subprocess.Popen[bytes]] = []

    def init(**given: Any) -> None:
        started.append(subprocess.Popen([str(tmp_path / "raylet"), "60"]))
        started.append(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]))

    monkeypatch.setattr(ray_session.ray, "init", init)
    running = ray_session.running_ray(config(), OutputDir(tmp_path), stop, verbose=False)
    with pytest.raises(lifeline.RayLost, match=r"Ray's raylet \(process \d+\) died"), running:  # noqa: PT012
        started[0].kill()
        time.sleep(60)
    assert [process.wait(5) for process in started] == [-9, -9]
    assert stop.caught is None


def test_sighup_is_kept_from_ray(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stop: StopSignals) -> None:
    """A closed terminal must not end the raylet before the trials have saved."""
    blocked = []
    monkeypatch.setattr(
        ray_session.ray, "init", lambda **given: blocked.append(signal.pthread_sigmask(signal.SIG_BLOCK, []))
    )
    with ray_session.running_ray(config(), OutputDir(tmp_path), stop, verbose=False):
        assert signal.SIGHUP in blocked[0]
        assert signal.SIGHUP not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


@pytest.mark.parametrize(
    ("caught", "code", "words"),
    [(None, 3, "Ray died"), (signal.SIGTERM, 143, "continue with: x"), (signal.SIGINT, 130, "x")],
)
def test_a_process_that_is_stuck_in_ray_says_why_it_leaves(
    caught: int | None, code: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal to a whole group of processes ends Ray's, too: that is a stop, and no fault of the machine."""
    left: list[tuple[int, str]] = []
    monkeypatch.setattr(lifeline, "hard_exit", lambda *given: left.append(given))
    stop = StopSignals()
    stop.caught, stop.exit_message = caught, lambda number: "continue with: x"
    lifeline.leave(stop, "error: Ray died")
    assert left[0][0] == code
    assert words in left[0][1]
