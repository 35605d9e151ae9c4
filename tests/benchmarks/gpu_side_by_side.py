"""Images per second of 1, 2, 4, 8, 16 trials on one GPU, each in a process of its own, in turns and with MPS."""

from __future__ import annotations

import argparse
import contextlib
import shutil
import time
from collections.abc import Callable

from gpu_machine import mps, mps_servers
from gpu_workers import Ended, Row, Say, Worker, allot, one_row_each

from hpmkd.cluster.mps_control import CONTROL, MpsRefused

_PATIENCE = 90.0  # seconds until all trials are ready: with 16 each has a core and reads the same libraries
_LEAST = 8.0  # seconds below which a row is not begun, without a GPU


def least(options: argparse.Namespace, trials: int) -> float:
    """Fewest seconds for a row of so many trials.

    On an H100 machine with 16 cores one was ready after 7.3 s, 8 after 10.6 s and 16 not within 12 s; then each trains
    for two epochs, which take 0.3 s of the GPU.
    """
    if options.device != "cuda":
        return _LEAST
    return 12 + 0.75 * trials + max(float(options.timed_seconds), trials / 3)


def fewest(options: argparse.Namespace) -> float:
    """Fewest seconds for the part: a row of the first number of trials, without and with MPS."""
    return least(options, options.trials[0]) * (2 if shutil.which(CONTROL) else 1)


def run(options: argparse.Namespace, seconds: float, say: Say, command: Callable[..., list[str]]) -> None:
    """One row for each number of trials; first without MPS, then with it."""
    start = time.monotonic()
    part = 0.5 if shutil.which(CONTROL) else 1.0
    _rows(options, start + seconds * part, say, command, {})
    try:
        with mps() as env:
            _rows(options, start + seconds, say, command, env)
    except MpsRefused as reason:
        say({"part": "side_by_side", "mps": True, "skipped": str(reason)})


def _rows(
    options: argparse.Namespace, until: float, say: Say, command: Callable[..., list[str]], env: dict[str, str]
) -> None:
    first = None
    for number, count in enumerate(options.trials):
        row: Row = {"part": "side_by_side", "mps": bool(env), "trials": count}
        left = until - time.monotonic()
        wanted = [least(options, other) for other in options.trials[number:]]
        seconds = allot([(one, one) for one in wanted], left)
        if seconds is None:
            say({**row, "skipped": f"{left:.0f} s left for it, of {wanted[0]:.0f}"})
            continue
        workers = [Worker(command("trial", options, seconds, share=1 / count), env) for _ in range(count)]
        try:
            row |= _measure(workers, min(seconds, _PATIENCE), seconds)
            row |= {"mps_servers": mps_servers(env)} if env else {}
            first = first or row["images_s"]
            row["ratio_to_first"] = round(row["images_s"] / first, 2)
        except Ended as end:
            row |= {"error": "a trial died", **end.about}
        except TimeoutError:
            row |= {"error": f"not done within {seconds:.0f} s"}
        finally:
            with contextlib.ExitStack() as stack:
                for worker in workers:
                    stack.callback(worker.stop)
        say(row)


def _measure(workers: list[Worker], patience: float, seconds: float) -> Row:
    """Starts all trials at once, when all are ready. Raises `Ended` as soon as one dies, or TimeoutError."""
    start = time.monotonic()
    one_row_each(workers, start + patience)
    ready = time.monotonic() - start
    for worker in workers:
        worker.tell("go")
    rates = [row["images_s"] for row in one_row_each(workers, start + seconds)]
    row = {"images_s": round(sum(rates)), "slowest_images_s": round(min(rates)), "fastest_images_s": round(max(rates))}
    return {**row, "ready_s": round(ready, 1)}
