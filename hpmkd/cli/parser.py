"""The flags of `run`, parsed into a request. Imports neither torch nor ray, so `--help` is quick."""

from __future__ import annotations

import argparse
import difflib
import json
from collections.abc import Sequence
from typing import Any, NoReturn

import jsonargparse

from hpmkd.config.keys import RENAMED_KEYS, default_of, leaves, type_name
from hpmkd.config.load import parse_value
from hpmkd.config.request import OwnFlag, Request
from hpmkd.errors import UsageError
from hpmkd.log import log
from hpmkd.version import __version__

# Short flags of the contract -> config key.
_ALIASES = {
    "--runs": ("runs", "INT", "students per baseline and data set"),
    "--train-images": ("data.train_images", "N", "train on N images only"),
    "--teacher-epochs": ("fit.teacher_epochs", "INT", "epochs of teachers"),
    "--student-epochs": ("fit.student_epochs", "INT", "epochs of students"),
    "--data-dir": ("data.dir", "DIR", "folder of the data sets"),
    "--gpus-per-trial": ("resources.gpus_per_trial", "SHARE", "share of a GPU per trial, at most 1, such as 0.2"),
    "--cpus-per-trial": ("resources.cpus_per_trial", "CORES", "CPU cores per trial"),
    "--max-concurrent": ("resources.max_concurrent", "INT", "trials side by side"),
    "--mirror": ("record.mirror", "URI", "keep a copy of the output there: a folder, s3://bucket/run7, gs://, sftp://"),
    "--address": ("resources.address", "ADDRESS", "address of a running Ray cluster"),
}
_ALIAS_OF = {key: flag for flag, (key, *_) in _ALIASES.items()}
_LISTS = {"datasets": ("--datasets", "--dataset"), "baselines": ("--baselines", "--baseline")}


class _Parser(jsonargparse.ArgumentParser):
    """Errors as ours: what is wrong, what was meant, exit code 2."""

    def format_help(self, *given: Any, **named: Any) -> str:
        """Without the brackets of a value that `--print_config` does not take."""
        # Newer versions of the base class take a formatter, older ones nothing.
        return super().format_help(*given, **named).replace("--print_config []", "--print_config   ")

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        raise UsageError(f"command line: {message}", todo=f"see {self.prog} --help")


def build_parser(prog: str) -> jsonargparse.ArgumentParser:
    """The parser of `run`: the contract's flags, and one flag per config key."""
    parser = _Parser(
        prog=prog,
        usage=f"{prog} [--mode NAME] [flags]",
        formatter_class=argparse.HelpFormatter,
        description="Train every combination of data set, baseline and run, and continue after any interruption.",
        default_env=False,
    )
    _add_contract(parser)
    _add_config_keys(parser)
    return parser


def _add_contract(parser: jsonargparse.ArgumentParser) -> None:
    """The flags with names of their own."""
    add = parser.add_argument
    add("--mode", metavar="NAME", help="quick (default), full, another file of tune_configs/, or a path to one")
    for key, flags in _LISTS.items():
        add(*flags, dest=key, nargs="+", metavar="NAME", help=dict(leaves())[key].description)
    for flag, (key, metavar, text) in _ALIASES.items():
        add(flag, dest=f"alias_{key.replace('.', '__')}", metavar=metavar, type=str, help=f"{text} (--{key})")
    add("-o", "--output", metavar="DIR", help="output folder; default: results/<mode>")
    add(
        "--restore", "--resume", dest="restore", nargs="?", const="", metavar="DIR",
        help="continue the sweep in DIR (default: --output, else that of --mode, else the newest under results/), or "
        "that of a mirror (its URI)",
    )  # fmt: skip
    add(
        "-n", "--dry-run", dest="dry_run", action="store_true", help="list what would be trained and why; train nothing"
    )
    add("--force", action="store_true", help="move models trained with other settings to archive/ and train them again")
    add("--fail-fast", dest="fail_fast", action="store_true", help="stop at the first model that fails; try none again")
    add(
        "--profile",
        action="store_true",
        help="record where the time goes, in profile.json and the report (--record.profile)",
    )
    # jsonargparse turns this one flag into "--print_config=" before it parses.
    add("--print_config", nargs="?", const="", metavar="", help="print the resolved config and exit")
    add("-v", "--verbose", action="store_true", help="also show Ray's own output")
    add("-q", "--quiet", action="store_true", help="print errors and notices only")
    add("--version", action="version", version=f"hpmkd {__version__}")


def _add_config_keys(parser: jsonargparse.ArgumentParser) -> None:
    """A flag for each key of the config."""
    group = parser.add_argument_group("every config key is also a flag; [default, if neither file nor flag sets it]")
    for key, config_field in leaves():
        if key in _LISTS or key == "runs":
            continue
        kind = type_name(config_field.annotation).replace(" ", "_")
        # Values stand as they are written; placeholders, such as INT, in capitals.
        is_placeholder = "|" not in kind or set(kind.split("|")) <= {"int", "float", "str", "bool", "null"}
        kind = kind.upper() if is_placeholder else kind
        text = f"{config_field.description} [{json.dumps(default_of(key))}]"
        dest = f"key_{key.replace('.', '__')}"
        group.add_argument(f"--{key}", dest=dest, metavar=kind, type=str, help=text)


def _known_flags(parser: jsonargparse.ArgumentParser) -> list[str]:
    return [flag for action in parser._actions for flag in action.option_strings]


def _own_flags(parser: jsonargparse.ArgumentParser, argv: Sequence[str]) -> tuple[list[str], dict[str, OwnFlag]]:
    """The words without flags of sections that only a user's method can have, and these.

    Raises:
        UsageError: an unknown flag that is none of them.
    """
    known, sections = _known_flags(parser), {key.partition(".")[0] for key, _ in leaves()}
    rest: list[str] = []
    own: dict[str, OwnFlag] = {}
    words = iter(argv)
    for word in words:
        flag, equals, text = word.partition("=")
        if not word.startswith("--") or len(word) == 2 or flag in known:
            rest.append(word)
            continue
        error = _unknown_flag(parser.prog, flag, known)
        key = flag.removeprefix("--")
        section, _, name = key.partition(".")
        if section in sections or not name.isidentifier() or not section.isalnum():
            raise error
        value = text if equals else next(words, None)
        if value is None:
            raise error
        hint = f"{error.todo} (settings of a method of your own are flags where --baselines names it)"
        own[key] = OwnFlag(f"command line, {flag}", value, UsageError(error.where, todo=hint))
    return rest, own


def _unknown_flag(prog: str, flag: str, known: Sequence[str]) -> UsageError:
    renamed = RENAMED_KEYS.get(flag.removeprefix("--"))
    if renamed:
        return UsageError(f"command line: unknown flag {flag}", todo=f"it is called --{renamed} since 0.2")
    close = difflib.get_close_matches(flag, known, 3)
    return UsageError(
        f"command line: unknown flag {flag}",
        todo=f"did you mean {' or '.join(close)}?" if close else f"see {prog} --help",
    )


def _say_repeated(parser: jsonargparse.ArgumentParser, argv: Sequence[str]) -> None:
    """Of a flag with a value that is given twice the last counts, as everywhere; what is dropped is said."""
    actions = {flag: action for action in parser._actions for flag in action.option_strings if action.nargs != 0}
    given = [flag for word in argv if (flag := word.partition("=")[0]) in actions]
    for flag in dict.fromkeys(given):
        same = [one for one in given if actions[one] is actions[flag]]
        if len(same) > 1 and flag == same[0]:
            one = f"{flag} A B" if actions[flag].nargs == "+" else f"{flag} once"
            log.warning(f"command line: {same[-1]} is given {len(same)} times, and the last one counts; write {one}")


def parse(argv: Sequence[str], prog: str) -> Request:
    """Parses the arguments of `run`.

    Raises:
        UsageError: an unknown flag (with the nearest known ones), a missing value, flags that exclude each other.
        SystemExit: after --help and --version.
    """
    parser = build_parser(prog)
    words, own = _own_flags(parser, argv)
    _say_repeated(parser, words)
    values = parser.parse_args(words).as_flat()
    found, known = vars(values), dict(leaves())
    request = Request(**{name: found[name] for name in ("mode", "output", "restore")})
    for name in ("dry_run", "force", "fail_fast", "verbose", "quiet"):
        setattr(request, name, bool(found[name]))
    request.own = own
    request.places |= {key: flag.name for key, flag in own.items()}
    request.command = f"python {prog}" if prog.endswith(".py") else prog
    request.print_config = found["print_config"] is not None
    if found["profile"]:
        request.overrides["record.profile"] = True
    for name, value in found.items():
        if value is None:
            continue
        if name in _LISTS:
            request.overrides[name] = list(value)
        elif name.startswith(("alias_", "key_")):
            key = name.partition("_")[2].replace("__", ".")
            if name.startswith("alias_"):
                request.places[key] = f"command line, {_ALIAS_OF[key]}"
            request.overrides[key] = parse_value(value, known[key], f"command line, --{key}")
    return request


class Arguments(argparse.ArgumentParser):
    """argparse with our errors, and help that ends with examples, one per line."""

    def __init__(self, prog: str, description: str, examples: str) -> None:
        super().__init__(
            prog=prog,
            description=description,
            epilog=f"examples:\n{examples}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        self.add_argument("-v", "--verbose", action="store_true", help="show the traceback of an unexpected error")

    def error(self, message: str) -> NoReturn:
        """A wrong flag ends with exit code 2, as everywhere."""
        raise UsageError(f"command line: {message}", todo=f"see {self.prog} --help")
