"""Entry point of the command line: sub-commands, error messages, exit codes."""

from __future__ import annotations

import difflib
import os
import pkgutil
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

from hpmkd.errors import EXIT_OK, EXIT_SOME_FAILED, EXIT_USAGE, HpmkdError
from hpmkd.log import any_text, console_lines, log
from hpmkd.version import __version__


class Command(NamedTuple):
    """A sub-command: `module:function`, imported when it is called, and what it does."""

    path: str
    does: str


# A function takes the words after the command and the program's name, and returns the exit code.
COMMANDS = {
    "run": Command("hpmkd.cli.run:run", "train a sweep, or continue one (the same as python run_sweep.py)"),
    "data": Command("hpmkd.cli.data:data", "show what is in a data set, as a sweep would read it"),
    "models": Command("hpmkd.cli.models:models", "list the networks, their parameters and multiply-adds"),
    "show": Command("hpmkd.cli.show:show", "print what a model file contains and whether it is intact"),
    "verify": Command("hpmkd.cli.verify:verify", "check every file of an output folder; changes nothing"),
    "status": Command("hpmkd.cli.status:status", "show how far a sweep is; reads its files only"),
    "report": Command("hpmkd.cli.report:report", "write a report about a sweep, with figures and tables"),
    "measure": Command("hpmkd.cli.measure:measure", "compute calibration, agreement and more of a sweep's models"),
    "bench": Command("hpmkd.cli.bench:bench", "measure latencies of models, and a sweep's speed-up with more workers"),
    "slurm": Command("hpmkd.cli.slurm:slurm", "write a SLURM batch script that runs a sweep to its end"),
    "mirror": Command("hpmkd.cli.mirror:mirror", "copy an output to its mirror, or back; check a copy"),
    "export": Command("hpmkd.cli.export:export", "convert a model to safetensors, torch.export (.pt2) or onnx"),
    "completion": Command(
        "hpmkd.cli.completion:completion", "print the script that completes commands and flags in a shell"
    ),
}


def usage() -> str:
    """The list of sub-commands."""
    rows = [f"  {name:<12}{command.does}" for name, command in COMMANDS.items()]
    last = "hpmkd COMMAND --help explains a command, for example hpmkd run --help"
    return "\n".join(["usage: hpmkd COMMAND [flags]", "", *rows, "", last]) + "\n"


def call(name: str, argv: Sequence[str], prog: str, **more: Any) -> int:
    """A sub-command with errors turned into messages and exit codes."""
    with any_text(), console_lines(show_progress=False):  # `run` has it shown
        try:
            return int(pkgutil.resolve_name(COMMANDS[name].path)(argv, prog, **more))
        except HpmkdError as error:
            log.error(f"error: {error}")
            return error.exit_code
        except KeyboardInterrupt:
            log.warning("stopped by Ctrl-C" + "; the same command continues" * (name == "run"))
            return 130
        except (BrokenPipeError, SystemExit) as error:
            # rich makes an exit with code 1 of it; `--help` and its like exit, too.
            if isinstance(error, SystemExit) and not isinstance(error.__context__, BrokenPipeError):
                raise
            # Whoever read the output wanted no more of it (`| head`); Python's flush at its exit would fail again.
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - it stays open
            return EXIT_OK
        except Exception as error:
            if {"-v", "--verbose"} & set(argv):
                raise
            words = str(error).splitlines() or ["no message"]
            log.error(
                f"error: unexpected {type(error).__name__}: {words[0]}\n  what to do: the same command with -v "
                "shows where it comes from; please report it"
            )
            return EXIT_SOME_FAILED


def run_command(argv: Sequence[str], prog: str, owns_process: bool = False) -> int:
    """`run`, which `run_sweep.py` is too. `owns_process`: this process does nothing else."""
    return call("run", argv, prog, owns_process=owns_process)


def main(argv: Sequence[str] | None = None) -> int:
    """The console script `hpmkd`."""
    words = list(sys.argv[1:] if argv is None else argv)
    first = words[0] if words else ""
    if first == "run":
        return run_command(words[1:], "hpmkd run", owns_process=argv is None)
    if first in COMMANDS:
        return call(first, words[1:], f"hpmkd {first}")
    if first == "--version":
        print(f"hpmkd {__version__}")
        return 0
    asked = first in ("--help", "-h")
    if first and not asked:
        close = difflib.get_close_matches(first, COMMANDS, 1)
        print(f"error: unknown command {first!r}" + (f"; did you mean {close[0]}?" if close else ""), file=sys.stderr)
    print(usage(), end="", file=sys.stdout if asked else sys.stderr)
    return 0 if asked else EXIT_USAGE
