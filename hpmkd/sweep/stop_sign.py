"""Tells nodes that do not see the output that the sweep is being stopped: there the file that says so appears, too."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from hpmkd.store.output_dir import OutputDir

_LOOK_SECONDS, _ANSWER_SECONDS = 1.0, 5.0


class _Sign:
    """An actor, on the driver's node."""

    def __init__(self) -> None:
        self.up = False

    def show(self, up: bool) -> None:
        self.up = up

    def seen(self) -> bool:
        return self.up


class StopSign:
    """The driver's side; needs a Ray that runs, whose end is its end.

    Args:
        home: see `Exchange`.
    """

    def __init__(self, home: str) -> None:
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self._actor = ray.remote(_Sign).options(name=_name(home), num_cpus=0, scheduling_strategy=here).remote()

    def show(self, up: bool) -> None:
        """Puts it up, or takes it down."""
        with contextlib.suppress(ray.exceptions.RayError):
            self._actor.show.remote(up)  # type: ignore[attr-defined]


def _name(home: str) -> str:
    return f"hpmkd-stop-{home}"


@contextlib.contextmanager
def following_sign(output: OutputDir, home: str) -> Iterator[None]:
    """In a worker: while the body lasts, this node's own stop file is there as long as the sign is up."""

    def follow() -> None:
        while not over.wait(_LOOK_SECONDS):
            with contextlib.suppress(ray.exceptions.RayError, ValueError, OSError):  # the driver is gone
                sign = ray.get_actor(_name(home))
                if ray.get(sign.seen.remote(), timeout=_ANSWER_SECONDS):
                    output.stop_file.touch()
                else:
                    output.stop_file.unlink(missing_ok=True)

    output.stop_file.unlink(missing_ok=True)  # of a worker that was killed
    over = threading.Event()
    threading.Thread(target=follow, daemon=True, name="hpmkd-stop-sign").start()
    try:
        yield
    finally:
        over.set()
