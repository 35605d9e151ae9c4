"""Processes that measure, and say what they found as JSON, one row a line; and the file that keeps the rows."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

Row = dict[str, Any]
Say = Callable[[Row], None]
_GRACE = 5.0  # seconds that a process has to end by itself, after its last row or SIGTERM


class Rows:
    """Prints rows, and keeps them in a JSON document that is written anew after each: what was measured is not lost."""

    def __init__(self, file: Path | None, command: Sequence[str]) -> None:
        self.file, self.start = file, time.monotonic()
        self.document: Row = {"command": list(command), "finished": False, "seconds": 0.0, "rows": []}

    def __call__(self, row: Row) -> None:
        self.document["rows"].append(row)
        self.write()
        print(json.dumps(row), flush=True)

    def write(self, finished: bool = False) -> None:
        """Puts the document in place of the last one."""
        self.document |= {"finished": finished, "seconds": round(time.monotonic() - self.start, 1)}
        if self.file is not None:
            new = self.file.with_suffix(".new")
            new.write_text(json.dumps(self.document, indent=1) + "\n")
            new.replace(self.file)


class Ended(Exception):
    """A worker has ended; `about` has its exit code and what it said last."""

    def __init__(self, worker: Worker) -> None:
        self.about = worker.about()
        super().__init__(str(self.about))


class Worker:
    """A process, with a group of its own, whose standard output is rows."""

    def __init__(self, command: Sequence[str], env: dict[str, str] | None = None) -> None:
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115
        pipe, self._rest = subprocess.PIPE, b""
        self.process = subprocess.Popen(
            command,
            stdin=pipe,
            stdout=pipe,
            stderr=self.errors,
            start_new_session=True,
            env={**os.environ, **(env or {})},
        )

    def fileno(self) -> int:
        """For `select`."""
        assert self.process.stdout is not None
        return self.process.stdout.fileno()

    def read(self) -> None:
        """Takes in what is there. Raises `Ended` where nothing will come any more."""
        data = os.read(self.fileno(), 2**16)
        if not data:
            raise Ended(self)
        self._rest += data

    def row(self) -> Row | None:
        """The next row of what was read; lines that are no rows go where errors go."""
        while b"\n" in self._rest:
            line, _, self._rest = self._rest.partition(b"\n")
            try:
                row = json.loads(line)
            except ValueError:
                row = None
            if isinstance(row, dict):
                return row
            print(line.decode(errors="replace"), file=sys.stderr)
        return None

    def tell(self, text: str) -> None:
        """A line for its standard input; one that has died is found out when it is asked for a row."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(text.encode() + b"\n")
            self.process.stdin.flush()

    def about(self) -> Row:
        """Its exit code, and the last line of its errors."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(_GRACE)
        self.errors.seek(0)
        lines = [line for line in self.errors.read().decode(errors="replace").splitlines() if line.strip()]
        return {"exit_code": self.process.returncode, "last_line": lines[-1].strip() if lines else ""}

    def stop(self) -> None:
        """Ends it and all that it has started."""
        for number, patience in ((signal.SIGTERM, _GRACE), (signal.SIGKILL, None)):
            with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
                if self.process.poll() is None or number == signal.SIGKILL:
                    os.killpg(self.process.pid, number)
                self.process.wait(patience)
        for file in (self.process.stdin, self.process.stdout, self.errors):
            with contextlib.suppress(OSError):
                file.close()  # type: ignore[union-attr]


def one_row_each(workers: Sequence[Worker], until: float) -> list[Row]:
    """The next row of every worker.

    Raises:
        Ended: as soon as one of them ends without.
        TimeoutError: at `until`, of `time.monotonic()`.
    """
    rows = {worker: row for worker in workers if (row := worker.row()) is not None}
    while len(rows) < len(workers):
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        ready, _, _ = select.select([worker for worker in workers if worker not in rows], [], [], left)
        for worker in ready:
            worker.read()
            if (row := worker.row()) is not None:
                rows[worker] = row
    return [rows[worker] for worker in workers]


def allot(wanted: Sequence[tuple[float, float]], left: float) -> float | None:
    """Seconds for the first of several pieces of work, which are done one after the other in the order of their worth.

    Few are to be done whole rather than all in part: one that does not fit gets nothing, and so the others can end.

    Args:
        wanted: of each the fewest seconds in which it can end, and its weight.
        left: seconds for all of them.

    Returns:
        Its fewest and its part, by weight, of what is left over by it and the later ones that fit; None where it does
        not fit itself.
    """
    fitting, spare = list[tuple[float, float]](), left
    for least, weight in wanted:
        if least <= spare:
            fitting.append((least, weight))
            spare -= least
        elif not fitting:
            return None
    least, weight = fitting[0]
    return least + spare * weight / sum(weight for _, weight in fitting)


def relay(command: Sequence[str], about: Row, seconds: float, say: Say) -> None:
    """Says a worker's rows as they come, and in a last row if it fails or takes more than `seconds`."""
    worker, until = Worker(command), time.monotonic() + seconds
    try:
        while True:
            say(one_row_each([worker], until)[0])
    except Ended as end:
        if end.about["exit_code"] != 0:
            say({**about, "error": "its process failed", **end.about})
    except TimeoutError:
        say({**about, "error": f"stopped after {seconds:.0f} s"})
    finally:
        worker.stop()
