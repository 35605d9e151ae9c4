"""`run`: from flags to verified model files."""

from __future__ import annotations

from collections.abc import Sequence

from hpmkd.cli.parser import parse
from hpmkd.programme.api import execute


def run(argv: Sequence[str], prog: str, owns_process: bool = False) -> int:
    """Runs a sweep from command-line words; returns the exit code. `owns_process`: see `StopSignals`."""
    return execute(parse(argv, prog), owns_process)
