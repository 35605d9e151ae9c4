"""Rounds of Tune until every planned model file verifies, or no round makes progress."""

from __future__ import annotations

import logging
import os
import pickle
from collections.abc import Callable
from typing import Any

import ray
from ray.tune.error import TuneError

from hpmkd.audit import Finding, inspect
from hpmkd.sweep import searcher
from hpmkd.sweep.callbacks import EventLines, TensorBoard
from hpmkd.sweep.context import Sweep
from hpmkd.sweep.resources import Share, running_ray, share
from hpmkd.sweep.rounds import finish_round, restorable, run_round
from hpmkd.sweep.signals import StopSignals


def train_missing(
    sweep: Sweep, findings: dict[str, Finding], say: Callable[[str], None], stop: StopSignals, verbose: bool
) -> dict[str, str]:
    """Trains every job that `findings` does not call done; changes `findings` to what is there afterwards.

    Returns:
        The jobs that have no model file, each with the reason.
    """
    logging.getLogger("ray").setLevel(logging.INFO if verbose else logging.CRITICAL)
    with running_ray(sweep.config, verbose):
        return _rounds(sweep, findings, say, stop)


def _rounds(
    sweep: Sweep, findings: dict[str, Finding], say: Callable[[str], None], stop: StopSignals
) -> dict[str, str]:
    part = share(sweep.config)
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(part.concurrent)
    lines = EventLines(sweep.by_key, sweep.config.runs, say)
    restore = restorable(sweep)
    try:
        while (before := _missing(findings)) and stop.caught is None:
            searcher.ACTIVE = _board(sweep, findings, part)
            callbacks: list[Any] = [stop, searcher.TellBoard(), lines]
            if sweep.config.record.tensorboard:
                callbacks.append(TensorBoard(sweep.output))
            stop.arm()
            try:
                run_round(sweep, len(before), part, callbacks, restore)
            except Exception as error:
                # What a restored state can raise is unknown; the fresh round after it needs none of that state.
                # EOFError: on a full disk Tune writes records of failures that it cannot read.
                expected = TuneError | ray.exceptions.RayError | OSError | EOFError | pickle.UnpicklingError
                if restore is None and not isinstance(error, expected):
                    raise
                say(f"Tune stopped this round: {error}")
            for key in before:
                findings[key] = inspect(sweep.by_key[key], sweep.output)
            if stop.caught is None:
                finish_round(sweep)
                if restore is None and len(_missing(findings)) == len(before):
                    break
                restore = None
    finally:
        searcher.ACTIVE = None
    return {key: lines.failed.get(key, _why(sweep, findings, key)) for key in _missing(findings)}


def _board(sweep: Sweep, findings: dict[str, Finding], part: Share) -> searcher.Board:
    done = {key for key, finding in findings.items() if finding.state == "done"}
    return searcher.Board(sweep.jobs, done, lambda job: inspect(job, sweep.output).state == "done", part.concurrent)


def _why(sweep: Sweep, findings: dict[str, Finding], key: str) -> str:
    waits = [parent.key for parent in sweep.by_key[key].teachers if findings[parent.key].state != "done"]
    return f"waits for {', '.join(waits)}" if waits else "its trial left no model file"


def _missing(findings: dict[str, Finding]) -> list[str]:
    return [key for key, finding in findings.items() if finding.state != "done"]
