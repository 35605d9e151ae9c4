"""`mirror`: copies an output folder to a mirror, or a mirror to a folder."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hpmkd.audit.sweep_dir import no_sweep, open_sweep
from hpmkd.cli.parser import Arguments
from hpmkd.config.mirror import CLAIM, below, checked_uri, is_uri, need_apart
from hpmkd.config.paths import user_path
from hpmkd.config.programme import FILE as PROGRAMME
from hpmkd.config.programme import modes_in
from hpmkd.data.source.listing import count, named
from hpmkd.errors import EXIT_OK, EXIT_SOME_FAILED, UsageError
from hpmkd.log import log
from hpmkd.programme.mirrored_plans import copy_list, fetch_plans
from hpmkd.store.lock import locked
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
    claims = [path for path in (root / CLAIM, *(root / name / CLAIM for name in names)) if path.is_file()]
    if claims:
        raise UsageError(
            f"FROM: {root} is a mirror", expected="an output folder, or a mirror by its URI", found=str(claims[0]),
            todo=f"to fetch what it has: hpmkd mirror {root.as_uri()} DIR",
        )  # fmt: skip
    if not names:
        output = OutputDir(root)
        if not output.config_file.is_file():
            raise no_sweep(root)
        return _one(output, uri, fetch=False, check=check)
    need_apart(uri, root, "TO")
    copy_list(uri, root / PROGRAMME)
    return _all(root, names, uri, fetch=False, check=check)


def _fetch(uri: str, root: Path, check: bool) -> int:
    output = OutputDir(root)
    need_apart(uri, root, "FROM")
    fetch_plans(uri, output)
    if (root / PROGRAMME).is_file():
        return _all(root, modes_in(root), uri, fetch=True, check=check)
    if not output.config_file.is_file():
        raise UsageError(
            f"{uri}: no sweep there", expected=f"sweep.yaml, or {PROGRAMME}", todo="name the mirror of a sweep"
        )
    return _one(output, uri, fetch=True, check=check)


def _all(root: Path, names: Sequence[str], uri: str, *, fetch: bool, check: bool) -> int:
    """Of a programme: its sweeps that were started."""
    started = [OutputDir(root / name) for name in names if OutputDir(root / name).config_file.is_file()]
    return max((_one(one, below(uri, one.root.name), fetch=fetch, check=check) for one in started), default=EXIT_OK)


def _one(output: OutputDir, uri: str, *, fetch: bool, check: bool) -> int:
    from hpmkd.mirror.session import Mirror

    need_apart(uri, output.root, "FROM" if fetch else "TO")
    with locked(output):
        found = Mirror(output, uri)
        return _between(found, output, fetch=fetch, check=check)


def _between(found: Mirror, output: OutputDir, *, fetch: bool, check: bool) -> int:
    uri = found.uri
    try:
        if output.datasets_file.exists():  # else it has no models yet
            jobs = open_sweep(output.root).jobs
            found.need_its_models([job for job in jobs if output.model_file(job).is_file()])
        if fetch:
            number, damaged = found.download.everything()
            print(f"{uri} -> {output.root}: {count(number, 'file')} fetched, all others were here")
            if damaged:
                log.error(
                    f"{uri}: {count(len(damaged), 'file')} damaged there, and not fetched: {named(damaged, 5)}\n"
                    "  what to do: copy them there again from an output that has them, or continue the sweep"
                )
                return EXIT_SOME_FAILED
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
