"""`completion`: prints the script with which a shell completes commands and flags."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Sequence

from hpmkd.cli.parser import Arguments
from hpmkd.errors import EXIT_OK

SHELLS = ("bash", "zsh", "fish")
_EXAMPLES = """  eval "$(hpmkd completion bash)"      in ~/.bashrc
  hpmkd completion zsh > ~/.zfunc/_hpmkd      with ~/.zfunc in fpath
  hpmkd completion fish > ~/.config/fish/completions/hpmkd.fish"""
_DESCRIPTION = "Prints a script with which a shell completes the commands of hpmkd, their flags, and file names."


def build_parser(prog: str) -> Arguments:
    """The flags of the command."""
    parser = Arguments(prog, _DESCRIPTION, _EXAMPLES)
    parser.add_argument("shell", choices=SHELLS, help="the shell")
    return parser


def completion(argv: Sequence[str], prog: str) -> int:
    """Runs the command; returns the exit code."""
    given = build_parser(prog).parse_args(list(argv))
    import shtab

    print(shtab.complete(whole_parser(), shell=given.shell))
    return EXIT_OK


def whole_parser() -> argparse.ArgumentParser:
    """All commands as one parser. Of one whose module has no `build_parser(prog)` only the name is known."""
    import shtab

    from hpmkd.cli.main import COMMANDS

    root = argparse.ArgumentParser(prog="hpmkd")
    commands = root.add_subparsers()
    kinds = {"DIR": shtab.DIRECTORY, "FILE": shtab.FILE, "PATH": shtab.FILE}
    for name, command in COMMANDS.items():
        module = "hpmkd.cli.parser" if name == "run" else command.path.partition(":")[0]
        build = getattr(importlib.import_module(module), "build_parser", None)
        known = [] if build is None else [build(f"hpmkd {name}")]
        made = commands.add_parser(name, help=command.does, parents=known, add_help=build is None)
        for action in made._actions:
            if action.metavar in kinds:
                action.complete = kinds[action.metavar]  # type: ignore[attr-defined]
    return root
