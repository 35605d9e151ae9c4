"""Entry point: sub-commands, logging of errors, exit codes."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from hpmkd.errors import EXIT_USAGE, HpmkdError
from hpmkd.version import __version__

_COMMANDS = """usage: hpmkd COMMAND [flags]

  run     train a sweep, or continue one (the same as python run_sweep.py); see hpmkd run --help
"""


def run_command(argv: Sequence[str], prog: str, alone: bool = False) -> int:
    """`run` with errors turned into messages and exit codes. `alone`: this process does nothing else."""
    from hpmkd.cli.run import run

    try:
        return run(argv, prog, alone)
    except HpmkdError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("stopped by Ctrl-C; the same command continues", file=sys.stderr)
        return 130


def main(argv: Sequence[str] | None = None) -> int:
    """The console script `hpmkd`."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["run"]:
        return run_command(words[1:], "hpmkd run", alone=argv is None)
    if words[:1] == ["--version"]:
        print(f"hpmkd {__version__}")
        return 0
    print(_COMMANDS, end="", file=sys.stdout if words[:1] in (["--help"], ["-h"]) else sys.stderr)
    return 0 if words[:1] in (["--help"], ["-h"]) else EXIT_USAGE
