"""Ctrl-C and SIGTERM, with a stand-in for Tune's own handler."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from hpmkd.sweep.signals import StopSignals


class FakeTune:
    """Does as `tune.run` does: takes SIGINT over, and puts back what it found at the first one."""

    def __init__(self, stop: StopSignals) -> None:
        self.interrupted = False
        stop.arm()
        self.before = signal.signal(signal.SIGINT, self.handle)
        stop.on_step_begin(0, [])
        stop.on_step_begin(1, [])

    def handle(self, number: int, frame: Any) -> None:
        self.interrupted = True
        signal.signal(signal.SIGINT, self.before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_first_signal_lets_tune_stop_and_second_stops_at_once(number: signal.Signals) -> None:
    said: list[str] = []
    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    reached = False
    with StopSignals(said.append) as stop:
        tune = FakeTune(stop)
        assert not tune.interrupted
        signal.raise_signal(number)
        assert tune.interrupted
        assert stop.caught == number
        reached = True
        signal.raise_signal(number)
        pytest.fail("the second signal did not stop it")
    assert reached
    assert stop.caught == number
    assert len(said) == 1
    assert handlers == (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_before_tune_runs_a_signal_stops_at_once(number: signal.Signals) -> None:
    with StopSignals(lambda text: None) as stop:
        signal.raise_signal(number)
        pytest.fail("it went on")
    assert stop.caught == number


def test_the_handler_that_ray_sets_at_its_start_does_not_stay() -> None:
    """`ray.init` makes SIGTERM an immediate exit with code 15."""
    with StopSignals(lambda text: None) as stop:
        signal.signal(signal.SIGTERM, lambda number, frame: pytest.fail("Ray's handler ran"))
        tune = FakeTune(stop)
        signal.raise_signal(signal.SIGTERM)
        assert tune.interrupted
    assert stop.caught == signal.SIGTERM


def test_the_second_round_is_watched_like_the_first() -> None:
    with StopSignals(lambda text: None) as stop:
        FakeTune(stop)
        second = FakeTune(stop)
        signal.raise_signal(signal.SIGINT)
        assert second.interrupted
        signal.raise_signal(signal.SIGINT)
        pytest.fail("the second signal did not stop it")
    assert stop.caught == signal.SIGINT


def test_other_errors_pass() -> None:
    with pytest.raises(ValueError, match="mine"), StopSignals(lambda text: None):
        raise ValueError("mine")
