"""`mirror`: copies an output folder to a mirror, or a mirror to a folder."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hpmkd.audit.sweep_dir import no_sweep, open_sweep
from hpmkd.cli.parser import Arguments
from hpmkd.config.mirror import below, checked_uri, is_uri, need_apart
from hpmkd.config.paths import user_path
from hpmkd.config.programme import FILE as PROGRAMME
from hpmkd.config.programme import modes_in, read_programme
from hpmkd.data.source.listing import count, named
from hpmkd.errors import EXIT_OK, EXIT_SOME_FAILED, UsageError
from hpmkd.log import log
from hpmkd.store.output_dir import OutputDir

if TYPE_CHECKING:
    from hpmkd.mirror.session import Mirror

_EXAMPLES = """  hpmkd mirror results/full s3://bucket/full          complete a copy, or make one
  hpmkd mirror results/full s3://bucket/full --check  read every file there again, and compare hashes
  hpmkd mirror s3://bucket/full results/full          fetch what is missing here
  hpmkd mirror results/full /mnt/backup/full"""
_DESCRIPTION = """Copies what an output folder has to a mirror (a folder, s3://, gs://, abfs://, hdfs://, sftp:// or
another URI that fsspec knows), each file read back and compared by its hash; or, with the URI first, from a mirror to a
folder, where files that are there stay as they are. A sweep with --mirror does both by itself: this completes what a
failing network has left. Of two folders the first is the output. Exit code 0: both sides have the same; 1: --check
found a difference; 3: the mirror cannot be reached, read or written; 11: a sweep is writing there."""
_SECONDS = 600.0


def build_parser(prog: str) -> Arguments:
    """The flags of the command."""
    parser = Arguments(prog, _DESCRIPTION, _EXAMPLES)
    parser.add_argument(
        "source", metavar="FROM", help="the output folder of a sweep, or of a programme; or a mirror's URI"
    )
    parser.add_argument("target", metavar="TO", help="a mirror's URI, or a folder")
    parser.add_argument("--check", action="store_true", help="afterwards read every file there, and compare hashes")
    return parser


def mirror(argv: Sequence[str], prog: str) -> int:
    """Runs the command; returns the exit code."""
    given = build_parser(prog).parse_args(list(argv))
    if is_uri(given.source):
        if is_uri(given.target):
            raise UsageError(
                "command line: two URIs",
                expected="one folder of this machine",
                todo="fetch to a folder, then copy that",
            )
        return _fetch(checked_uri(given.source, "FROM"), user_path(given.target, "TO").absolute(), given.check)
    return _copy(user_path(given.source, "FROM").absolute(), checked_uri(given.target, "TO"), given.check)


def _copy(root: Path, uri: str, check: bool) -> int:
    names = modes_in(root)
    if not names:
        output = OutputDir(root)
        if not (output.config_file.is_file() or output.models.is_dir()):
            raise no_sweep(root)
        return _one(output, uri, fetch=False, check=check)
    from hpmkd.mirror.remote import Remote

    Remote(uri).put(root / PROGRAMME, PROGRAMME)
    started = [name for name in names if (root / name).is_dir()]
    return max(
        (_one(OutputDir(root / name), below(uri, name), fetch=False, check=check) for name in started), default=0
    )


def _fetch(uri: str, root: Path, check: bool) -> int:
    from hpmkd.mirror.download import fetch_plan
    from hpmkd.mirror.remote import Remote

    output = OutputDir(root)
    fetch_plan(Remote(uri), output, PROGRAMME)
    if (root / PROGRAMME).is_file():
        names = read_programme(root / PROGRAMME).names
        for name in names:
            fetch_plan(Remote(below(uri, name)), OutputDir(root / name), PROGRAMME)
        started = [name for name in names if (root / name).is_dir()]
        return max(
            (_one(OutputDir(root / name), below(uri, name), fetch=True, check=check) for name in started), default=0
        )
    if not output.config_file.is_file():
        raise UsageError(
            f"{uri}: no sweep there", expected=f"sweep.yaml, or {PROGRAMME}", todo="name the mirror of a sweep"
        )
    return _one(output, uri, fetch=True, check=check)


def _all(root: Path, names: Sequence[str], uri: str, *, fetch: bool, check: bool) -> int:
    """Of a programme: its sweeps that were started."""
    started = [name for name in names if (root / name).is_dir()]
    codes = [_one(OutputDir(root / name), below(uri, name), fetch=fetch, check=check) for name in started]
    return max(codes, default=EXIT_OK)


def _one(output: OutputDir, uri: str, *, fetch: bool, check: bool) -> int:
    from hpmkd.mirror.session import Mirror

    need_apart(uri, output.root)
    found = Mirror(output, uri)
    try:
        with contextlib.suppress(OSError):  # no plan: its models can be copied all the same
            jobs = open_sweep(output.root).jobs
            found.need_its_models([job for job in jobs if output.model_file(job).is_file()])
        if fetch:
            number = found.download.everything()
            print(f"{uri} -> {output.root}: {count(number, 'file')} fetched, all others were here")
        else:
            copied: list[str] = []
            found.copy_now(_SECONDS, copied.append)
            print(f"{output.root} -> {uri}: {count(len(copied), 'file')} copied, all others were there")
        return _checked(found, output) if check else EXIT_OK
    finally:
        found.close(0.0)


def _checked(found: Mirror, output: OutputDir) -> int:
    wrong = found.differences()
    if wrong:
        log.error(
            f"{found.uri}: {count(len(wrong), 'file')} not the same as in {output.root}: {named(wrong, 5)}\n"
            f"  what to do: hpmkd verify {shlex.quote(str(output.root))}; the same command copies what is good here"
        )
        return EXIT_SOME_FAILED
    print(f"{found.uri}: every file there is the same as here")
    return EXIT_OK
