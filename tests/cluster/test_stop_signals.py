"""Signals and faults at any moment, in this process; the processes of a sweep are in test_kill.py."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from hpmkd.cluster import stop_signals as module
from hpmkd.cluster.stop_signals import SIGNALS, Interrupted, StopSignals

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.usefixtures("hangup_as_usual")


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_stops_at_once_where_nobody_ends_the_work(number: signal.Signals) -> None:
    handlers = [signal.getsignal(one) for one in SIGNALS]
    with StopSignals() as stop:
        signal.raise_signal(number)
        pytest.fail("it went on")
    assert stop.caught == number
    assert handlers == [signal.getsignal(one) for one in SIGNALS]


@pytest.mark.parametrize("number", SIGNALS)
def test_gently_the_first_is_noted_and_the_second_stops_at_once(number: signal.Signals) -> None:
    hurried = threading.Event()
    with StopSignals() as stop:
        stop.graceful, stop.force_stop = True, hurried.set
        signal.raise_signal(number)
        assert stop.caught == number
        assert not hurried.is_set()
        signal.raise_signal(signal.SIGINT)
        pytest.fail("the second signal did not stop it")
    assert hurried.wait(5)
    assert stop.caught == number, "the first one counts"


def test_who_ends_the_work_may_not_take_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GRACEFUL_SECONDS", 0.2)
    hurried = threading.Event()
    start = time.monotonic()
    with StopSignals() as stop:
        stop.graceful, stop.force_stop = True, hurried.set
        signal.raise_signal(signal.SIGTERM)
        time.sleep(30)
    assert time.monotonic() - start < 10
    assert stop.caught == signal.SIGTERM
    assert hurried.wait(5)


def test_a_fault_from_a_thread_is_raised_here_and_no_stop() -> None:
    class Mine(Interrupted):
        pass

    with pytest.raises(Mine, match="lost"), StopSignals() as stop:  # noqa: PT012
        threading.Thread(target=stop.interrupt, args=(Mine("lost"), lambda: pytest.fail("it was not stuck"))).start()
        time.sleep(30)
    assert stop.caught is None


def test_a_fault_that_foreign_code_makes_a_plain_interrupt_of_is_itself_again() -> None:
    """Ray does so where it waits in C++."""
    with pytest.raises(Interrupted, match="lost"), StopSignals() as stop, stop.faults():  # noqa: PT012
        threading.Thread(target=stop.interrupt, args=(Interrupted("lost"), lambda: pytest.fail("not stuck"))).start()
        try:
            time.sleep(30)
        except KeyboardInterrupt:
            raise KeyboardInterrupt from None
    with StopSignals() as stop, stop.faults():
        raise KeyboardInterrupt
    assert stop.caught == signal.SIGINT


def test_a_main_thread_that_does_not_answer_is_given_up() -> None:
    """Code that never lets Python's handlers run, such as C++ that waits."""
    stuck = threading.Event()
    with StopSignals() as stop:
        stop.handle = lambda number, frame: None  # type: ignore[method-assign]
        stop.arm()
        thread = threading.Thread(target=stop.interrupt, args=(Interrupted(), stuck.set, 0.6))
        thread.start()
        thread.join(10)
    assert stuck.is_set()


def test_a_thread_that_comes_too_late_sends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The handlers are those of before, and SIGTERM would end the process."""
    sent: list[int] = []
    with StopSignals() as stop:
        pass
    monkeypatch.setattr(signal, "pthread_kill", lambda thread, number: sent.append(number))
    stop._wake()
    assert sent == []


def test_handlers_that_others_set_meanwhile_do_not_stay() -> None:
    """`ray.init` makes SIGTERM an immediate exit with code 15."""
    with StopSignals() as stop:
        signal.signal(signal.SIGTERM, lambda number, frame: pytest.fail("Ray's handler ran"))
        stop.arm()
        signal.raise_signal(signal.SIGTERM)
    assert stop.caught == signal.SIGTERM


def test_nohup_is_meant() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopSignals() as stop:
            signal.raise_signal(signal.SIGHUP)
        assert stop.caught is None
    finally:
        signal.signal(signal.SIGHUP, before)


def test_other_errors_pass() -> None:
    with pytest.raises(ValueError, match="mine"), StopSignals():
        raise ValueError("mine")


STUCK = """
import signal, sys, threading, time
from hpmkd.cluster.stop_signals import StopSignals
with StopSignals(owns_process=True) as stop:
    stop.graceful = True
    stop.exit_message = lambda number: f"stopped by {number}"
    print("ready", flush=True)
    try:
        time.sleep(60)
    finally:
        signal.pthread_sigmask(signal.SIG_BLOCK, {2, 15})
        time.sleep(60)  # an end that hangs
"""


def test_the_second_one_ends_even_a_process_that_hangs() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STUCK], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        start = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=20)
        assert time.monotonic() - start < 2.5
    assert process.returncode == 130
    assert error == "stopped by 2\n"


ALARM = """
import signal, sys, time
from hpmkd.cluster.stop_signals import StopSignals
with StopSignals(owns_process=True) as stop:
    signal.alarm(1)  # as Ray's handler does, before it gives the signal to ours
    try:
        signal.raise_signal(signal.SIGTERM)
    finally:
        time.sleep(1.5)  # an end that takes its time
sys.exit(128 + stop.caught)
"""


def test_an_end_may_take_longer_than_the_alarm_that_rays_handler_sets() -> None:
    done = subprocess.run([sys.executable, "-c", ALARM], cwd=ROOT, check=False, timeout=60)
    assert done.returncode == 143
