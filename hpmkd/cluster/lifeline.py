"""Watches the Ray that a sweep hangs on, and limits how long it is waited for.

Ray itself ends the whole process, the driver, without a word: 15 s after a raylet's death, 60 s after a GCS's.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil
import ray

from hpmkd.cluster.ray_output import logs_folder
from hpmkd.cluster.ray_processes import RayProcesses, lives
from hpmkd.cluster.stop_signals import Interrupted, StopSignals, hard_exit
from hpmkd.errors import EXIT_ENVIRONMENT

_LOOK_SECONDS = 0.5
# Of a head on another host, which a moment's network trouble may hide.
_HEAD_LOOKS, _HEAD_CONNECT_SECONDS = 6, 2.0

Lost = Callable[[], str]  # what of Ray is gone; empty: nothing is


class TooSlow(Interrupted):
    """Ray's start, or its end, has taken too long."""


class RayLost(Interrupted):
    """The raylet or the GCS died under a running sweep."""


def leave(stop: StopSignals, message: str) -> None:
    """Ends the process, whose main thread is stuck in Ray.

    Where the sweep is being stopped, that is why: a scheduler, or `timeout`, sends its signal to all processes of a
    job, to Ray's too.
    """
    if stop.caught is None:
        hard_exit(EXIT_ENVIRONMENT, message)
    else:
        hard_exit(128 + stop.caught, stop.exit_message(stop.caught))


@contextmanager
def limit(seconds: float, stop: StopSignals, fault: type[Interrupted]) -> Iterator[None]:
    """Raises `fault` in the body after `seconds`; if the body is stuck in foreign code, the process exits."""

    def stuck() -> None:
        stop.force_stop()
        leave(stop, f"error: Ray did not answer within {seconds:g} seconds; the same command continues")

    def run_out() -> None:
        if not over.wait(seconds):
            stop.interrupt(fault(), stuck)

    over = threading.Event()
    watch = threading.Thread(target=run_out, daemon=True)
    watch.start()
    try:
        with stop.faults():
            yield
    finally:
        over.set()
        watch.join()  # a fault on its way is raised here, not later


@contextmanager
def watched(lost: Lost, stop: StopSignals) -> Iterator[None]:
    """Raises RayLost in the body as soon as something vital is gone."""

    def stuck() -> None:
        stop.force_stop()
        leave(stop, "error: Ray died and ended the sweep; the same command continues")

    def watch() -> None:
        while not over.wait(_LOOK_SECONDS):
            what = lost()
            if what and not over.is_set():
                stop.interrupt(RayLost(what), stuck)
                return

    over = threading.Event()
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        with stop.faults():
            yield
    finally:
        over.set()
        watcher.join()


def private(ours: RayProcesses) -> Lost:
    """Of a Ray of the sweep's own: its raylet or its GCS."""
    vital, logs = ours.vital(), logs_folder()
    where = f" (its logs: {logs})" if logs is not None else ""
    return lambda: next(
        (f"Ray's {name} (process {one.pid}) died{where}" for one, name in vital.items() if not lives(one)), ""
    )


def joined() -> Lost:
    """Of a cluster: this machine's raylet, or the head, which nobody reaches any more."""
    raylet, head = _own_raylet(), ray.get_runtime_context().gcs_address
    silent = 0

    def lost() -> str:
        nonlocal silent
        if raylet is not None and not lives(raylet):
            return f"Ray's raylet on this machine (process {raylet.pid}) died"
        silent = 0 if _answers(head) else silent + 1
        return f"the head of the Ray cluster, {head}, does not answer" if silent == _HEAD_LOOKS else ""

    return lost


def _own_raylet() -> psutil.Process | None:
    """The process; None where it cannot be seen, as in another container."""
    here = ray.get_runtime_context().get_node_id()
    place = next((str(one["RayletSocketName"]) for one in ray.nodes() if one["NodeID"] == here), "")
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.name() == "raylet" and f"--raylet_socket_name={place}" in process.cmdline():
                return process
    return None


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    with contextlib.suppress(OSError, ValueError):
        socket.create_connection((host.strip("[]"), int(port)), timeout=_HEAD_CONNECT_SECONDS).close()
        return True
    return False
