"""Work in a Python process of its own, which may import what its parent must not, and ends with its parent."""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

_LOOK_SECONDS = 0.5
_END_SECONDS = 3.0  # from SIGTERM to SIGKILL
# This very hpmkd; everything else from where Python has it, and only then from where `search_path` says.
START = """
import sys, typing
sys.path.insert(0, sys.argv[1])
import hpmkd
del sys.path[0]
sys.path += [path for path in sys.argv[{first}:] if path not in sys.path]
"""
_WORK = (
    START.format(first=5)
    + """
from hpmkd.child_process import work
work(sys.argv[2], int(sys.argv[3]), sys.argv[4])
"""
)


def run(module: str, folder: Path, seconds: float) -> int | None:
    """Has the `main(folder)` of a module done in a process of its own, and ends whatever that has started.

    Args:
        module: its name.
        folder: where it finds its questions and leaves its answers; all that it prints is in `printed.txt` there.
        seconds: after which it is ended.

    Returns:
        Its exit code; None: it was ended.
    """
    command = [sys.executable, "-P", "-c", _WORK, str(Path(__file__).parents[1]), module, str(os.getpid()), str(folder)]
    with (folder / "printed.txt").open("wb") as printed:
        # In a session of its own, so that it can be ended with all that it has started; and not by a pipe, which a
        # process that it has left behind would hold open.
        child = subprocess.Popen(
            [*command, *search_path()], stdin=subprocess.DEVNULL, stdout=printed, stderr=printed, start_new_session=True
        )
        try:
            return child.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        finally:
            _end(child)


def search_path() -> list[str]:
    """Where this process looks for modules, without its working folder: a `random.py` there must not stand in for the
    real one, nor a `cuda.py`, which torch imports where there is one. PYTHONPATH, which a child inherits, may name it.
    """
    return [one for one in sys.path if Path(one or ".").resolve() != Path.cwd()]


def _end(child: subprocess.Popen[bytes]) -> None:
    """And its group, of which some may be left where it has ended by itself."""
    for number, patience in ((signal.SIGTERM, _END_SECONDS), (signal.SIGKILL, None)):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(patience)


def work(module: str, parent: int, folder: str) -> None:
    """The other process."""
    end_with(parent)
    code = 0
    try:
        importlib.import_module(module).main(Path(folder))
    except SystemExit as error:
        print(f"SystemExit: {error.code}", file=sys.stderr)
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:
        traceback.print_exc()
        code = 1
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)  # not as usual: a thread that somebody's module has started would be waited for


def end_with(parent: int) -> None:
    """Ends this process once its parent has: one killed outright cannot.

    By looking, as any POSIX system can; a signal of Linux at the parent's death comes with that of a mere thread of it.
    """

    def look() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_SECONDS)
        os._exit(1)

    threading.Thread(target=look, daemon=True).start()


def last_line(folder: Path) -> str:
    """Of what `run` has printed."""
    lines: Sequence[str] = (folder / "printed.txt").read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "nothing was printed"
