"""What is said, and to whom it no longer can be."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hpmkd.log import show, tell, warn

ROOT = Path(__file__).resolve().parents[1]
TALK = """
import sys
from rich.table import Table
from hpmkd.log import show, tell, warn
sys.stdin.readline()
for number in range(3):
    tell("progress")
    warn("a fault")
table = Table("column")
table.add_row("value")
show([table])
sys.exit(7)
"""


def test_lines_and_tables(capsys: pytest.CaptureFixture[str]) -> None:
    from rich.table import Table

    table = Table("column")
    table.add_row("value")
    tell("progress")
    warn("a fault")
    show([table])
    captured = capsys.readouterr()
    assert captured.out.startswith("progress\n")
    assert "value" in captured.out
    assert captured.err == "a fault\n"


def test_a_reader_that_is_gone_ends_nothing() -> None:
    """`run_sweep.py | head`, or a terminal that was closed."""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", TALK], stdin=pipe, stdout=pipe, stderr=pipe, cwd=ROOT) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        process.stderr.close()
        process.stdin.write(b"\n")
        process.stdin.close()
        assert process.wait(60) == 7
