"""Starts the processes that measure, and asks them."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from types import TracebackType
from typing import Any, Protocol

from hpmkd.errors import EnvironmentProblem, Refused
from hpmkd.files import parse_json

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_PATIENCE = 5.0  # seconds, for a process to end by itself


class Timer(Protocol):
    """What is asked; see `worker.Worker`."""

    def ask(self, what: str, **values: Any) -> dict[str, Any]:
        """The answer. Raises Refused, or EnvironmentProblem where there is nobody to answer."""
        ...


class Process:
    """A worker in a process of its own, a context manager.

    Args:
        device, threads: what it measures with.
    """

    def __init__(self, device: str, threads: int) -> None:
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        # A session of its own: Ctrl-C is for whoever asks.
        self.process = subprocess.Popen(
            [sys.executable, "-m", "hpmkd.bench.worker", device, str(threads)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True, start_new_session=True,
            env=environment(dict.fromkeys(_THREADS, str(threads))),
        )  # fmt: skip

    def ask(self, what: str, **values: Any) -> dict[str, Any]:
        """See `Timer`."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        line = ""
        with contextlib.suppress(OSError):
            self.process.stdin.write(json.dumps({"ask": what, **values}) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        if not line:
            raise EnvironmentProblem(
                "a process that measures has died",
                expected="one that answers",
                found=self._last_words() or f"nothing said, exit code {self.process.poll()}",
                todo="see whether there is memory enough; the same command measures again",
            )
        answer: dict[str, Any] = parse_json(line)
        if "error" in answer:
            raise Refused(
                "a network could not be measured", expected=f"an answer to {what!r}", found=answer["error"],
                todo="leave its runtime, device or batch size out",
            )  # fmt: skip
        return answer

    def _last_words(self) -> str:
        self.errors.seek(0)
        lines = self.errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""

    def __enter__(self) -> Process:
        """Is started already."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends it."""
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        try:
            self.process.wait(_PATIENCE if kind is None else 0.2)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.errors.close()


def environment(more: dict[str, str] | None = None) -> dict[str, str]:
    """Of a child that is to find the same modules as this process."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **(more or {})}
