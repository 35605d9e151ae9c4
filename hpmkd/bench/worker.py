"""The process that measures: it loads networks into a runtime and answers questions, a JSON object per line.

One process per runtime, with its number of threads set before torch is loaded. It ends when its standard input does, so
also when whoever asks is killed.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpmkd.files import parse_json

if TYPE_CHECKING:
    from hpmkd.bench.runtimes import Program

TURN_CALLS, TURN_SECONDS = 2, 0.005  # before a turn: caches of another network, spinning threads of another process
Clock = Callable[[], int]


class Worker:
    """Answers questions.

    Args:
        device, threads: what the networks get.
        clock: nanoseconds.
    """

    def __init__(self, device: str, threads: int, clock: Clock = time.perf_counter_ns) -> None:
        self.device, self.threads, self.clock = device, threads, clock
        self.programs: dict[str, Program] = {}
        self.inputs: dict[tuple[object, ...], Any] = {}

    def load(self, name: str, runtime: str, path: str, shape: Sequence[int]) -> dict[str, Any]:
        """Loads a network under a name; `shape` is that of an image."""
        from hpmkd.bench.runtimes import load

        self.programs[name] = load(runtime, Path(path), tuple(shape), device=self.device, threads=self.threads)
        gc.collect()
        gc.freeze()
        return {"version": self.programs[name].version}

    def warm(self, name: str, batch: int, calls: int, seconds: float) -> dict[str, Any]:
        """Calls it until it has been called so often and for so long."""
        self._warm(self._call(name, batch), calls, seconds)
        return {}

    def time(self, name: str, batch: int, count: int, seconds: float | None) -> dict[str, Any]:
        """Latencies in nanoseconds: `count`, or fewer where `seconds` are over, but at least one."""
        call = self._call(name, batch)
        self._warm(call, TURN_CALLS, TURN_SECONDS)
        gc.disable()  # Python's collector is no part of the network
        try:
            return {"nanoseconds": timed(call, count, seconds, self.clock)}
        finally:
            gc.enable()

    def memory(self, name: str, batch: int) -> dict[str, Any]:
        """Bytes that a call needs beside weights and input, at its peak; null where the system cannot tell."""
        from hpmkd.bench.memory import peak

        return {"bytes": peak(self.programs[name], batch, self.device)}

    def forget(self, name: str) -> dict[str, Any]:
        """Lets a network go."""
        del self.programs[name]
        return {}

    def _warm(self, call: Callable[[], object], calls: int, seconds: float) -> None:
        end = self.clock() + int(seconds * 1e9)
        for _ in range(calls):
            call()
        while self.clock() < end:
            call()

    def _call(self, name: str, batch: int) -> Callable[[], object]:
        program = self.programs[name]
        key = (program.version, batch, *program.shape)  # runtimes take arrays of other kinds
        if key not in self.inputs:
            self.inputs[key] = program.images(batch)
        images = self.inputs[key]
        return lambda: program.call(images)


def timed(call: Callable[[], object], count: int, seconds: float | None, clock: Clock) -> list[int]:
    """How long each call takes, in nanoseconds; `seconds` None: as long as `count` calls take."""
    found: list[int] = []
    end = None if seconds is None else clock() + int(seconds * 1e9)
    while len(found) < count:
        start = clock()
        call()
        now = clock()
        found.append(now - start)
        if end is not None and now >= end:
            break
    return found


def serve(worker: Worker) -> None:
    """Answers each line of standard input, until it ends."""
    # Libraries print what they like to descriptor 1; answers have a descriptor of their own.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        question = parse_json(line)
        try:
            answer = getattr(worker, question.pop("ask"))(**question)
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    serve(Worker(sys.argv[1], int(sys.argv[2])))
