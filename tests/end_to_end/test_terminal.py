"""The live view on a real terminal, in a process of its own."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

from support.live import without_colours

ROOT = Path(__file__).resolve().parents[2]

RESIZED = """
import fcntl, struct, termios
from support.live import tracker
from hpmkd.log import console_lines, progress
from hpmkd.monitor.live import watching
with console_lines(True), watching(tracker(), 3, plain=False) as show:
    for columns in (200, 60, 120):
        fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 25, columns, 0, 0))
        import hpmkd.monitor.live as live
        live._EVERY_SECONDS = 0
        show()
        progress.info(f"now {columns} wide")
"""


def test_a_real_terminal_that_changes_its_width() -> None:
    master, slave = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "PYTHONPATH": os.pathsep.join(sys.path)}
    for name in ("NO_COLOR", "COLUMNS", "LINES"):
        environment.pop(name, None)
    done = subprocess.Popen([sys.executable, "-c", RESIZED], stdout=slave, cwd=ROOT, env=environment)
    os.close(slave)
    painted = b""
    while True:
        try:
            painted += os.read(master, 65536)
        except OSError:
            break
    assert done.wait(60) == 0
    os.close(master)
    frames = without_colours(painted.decode()).replace("\r", "\n").split("now ")
    wide, narrow = ([line for line in frame.splitlines() if line.strip()] for frame in frames[:2])
    assert max(map(len, wide[-3:])) > 60, "200 columns: nothing is folded"
    assert max(map(len, narrow[-4:])) <= 60, "what was painted last before the second line"
    assert "noMetaTemp-M2 run 3/3 D0" in wide[-2]
    assert "noMetaTemp run 3/3 D0" not in narrow[-3]
    assert narrow[-2].strip().endswith("run 3/3 D0"), "a name is folded, not cut; where, older versions of rich decide"


LEAVES = """
import sys, threading
from support.live import tracker
from hpmkd.monitor.live import watching
from hpmkd.cluster.stop_signals import hard_exit
with watching(tracker(), 3, plain=False):
    console = sys.stdout._FileProxy__console
    with console._lock:  # as where the signal has come in the middle of painting
        threading.Thread(target=hard_exit, args=(130, "stopped, the last words")).start()
        threading.Event().wait(60)
"""


def test_a_process_that_leaves_at_once_says_so_below_the_view() -> None:
    master, slave = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "PYTHONPATH": os.pathsep.join(sys.path)}
    environment.pop("NO_COLOR", None)
    process = subprocess.Popen([sys.executable, "-c", LEAVES], stdout=slave, stderr=slave, cwd=ROOT, env=environment)
    os.close(slave)
    assert process.wait(50) == 130
    painted = os.read(master, 65536).decode()
    os.close(master)
    *_, last, said = without_colours(painted).splitlines()
    assert (last.split()[-2:], said) == (["0.25", "GPU"], "stopped, the last words")
