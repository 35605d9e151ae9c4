"""`show`: prints what one model file contains."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from hpmkd.audit.model_card import card
from hpmkd.cli.parser import Arguments
from hpmkd.config.paths import user_path
from hpmkd.errors import EXIT_ENVIRONMENT, EXIT_OK, EXIT_SOME_FAILED, UsageError
from hpmkd.numeric import fixed, whole
from hpmkd.store.named_file import refuse_sidecar
from hpmkd.text_table import printable

_EXAMPLES = """  hpmkd show results/quick/models/student_Digits_AT_run1.pt
  hpmkd show results/quick/models/student_Digits_AT_run1.pt --json | jq .recipe
  hpmkd show results/quick/quarantine/teacher_Digits.1.pt"""
_DESCRIPTION = """Prints what a model file contains: accuracy, size, parameters, metadata, recipe, versions, and its
parents, whose weights are compared with the files in the same folder. Writes nothing. Exit code 0: the file is intact
and its parents are unchanged; 1: something is wrong, which is printed; 3: the file cannot be read from the disk."""
_LONG = ("recipe", "versions", "metadata", "parents", "notes", "sidecar")


def build_parser(prog: str) -> Arguments:
    """The flags of the command."""
    parser = Arguments(prog, _DESCRIPTION, _EXAMPLES)
    parser.add_argument("file", metavar="FILE", help="a model file, or a search_*.json")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def show(argv: Sequence[str], prog: str) -> int:
    """Runs the command; returns the exit code."""
    given = build_parser(prog).parse_args(list(argv))
    path = user_path(given.file, "FILE")
    if path.is_dir():
        raise UsageError(
            f"{path}: a folder", expected="a file from models/", todo=f"hpmkd status {path}, or hpmkd verify {path}"
        )
    refuse_sidecar(path)
    try:
        about = card(path)
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file", expected="a model file", todo="see hpmkd verify DIR") from None
    if given.json:
        print(json.dumps(about, indent=1))
    else:
        _print(about)
    codes = {"good": EXIT_OK, "unreadable": EXIT_ENVIRONMENT}
    return codes.get(about["state"], EXIT_SOME_FAILED)


def _print(about: Mapping[str, Any]) -> None:
    console = Console(highlight=False)
    style = "green" if about["state"] == "good" else "red"
    console.print(Text.assemble(f"{about['file']}: ", (about["state"], style)), soft_wrap=True)
    if about["problem"]:
        console.print(f"  {about['problem']}", soft_wrap=True, markup=False)
    for note in about["notes"]:
        console.print(f"  note: {note}", soft_wrap=True, markup=False)
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    for name, text in _rows(about):
        table.add_row(Text(printable(name)), Text(printable(text)))
    console.print(table)


def _rows(about: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in about.items():
        if name not in (*_LONG, "file", "state", "problem"):
            yield name, _text(value)
    for parent in about.get("parents", []):
        yield "parent", f"{parent['key']}, weights {str(parent['weights_sha256'])[:12]}, now: {parent['now']}"
    for section in ("metadata", "versions", "recipe", "sidecar"):
        if about.get(section):
            yield f"{section}:", ""
            for name, value in about[section].items():
                if value == {}:  # such as `kernels`, the choice of a GPU's
                    continue
                yield from (
                    _normalisation(value) if name == "normalisation" else [(f"  {name}", _detail(section, value))]
                )


def _normalisation(value: Any) -> Iterator[tuple[str, str]]:
    """How the network's images are normalised: `mean` and `std` of each channel, of pixels in [0, 1]."""
    for name in ("mean", "std"):
        numbers = ", ".join(f"{number:.6g}" for number in value[name])
        yield f"  {name}", f"{numbers} (by channel, of pixels in [0, 1])"


def _detail(section: str, value: Any) -> str:
    """A recipe is shown with all its digits: another number is another model. Of mean and deviation six are enough."""
    if isinstance(value, float) and section == "metadata":
        return f"{value:.6g}"
    return value if isinstance(value, str) else json.dumps(value)


def _text(value: Any) -> str:
    if value is None or isinstance(value, float):
        return fixed(value, 2)
    return whole(value) if isinstance(value, int) else str(value)
