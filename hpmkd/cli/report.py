"""`report`: writes a page about a sweep, and its figures and tables as files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from hpmkd.audit.sweep_dir import need_sweep
from hpmkd.cli.parser import Arguments
from hpmkd.config.paths import user_path
from hpmkd.config.programme import modes_in
from hpmkd.errors import EXIT_OK
from hpmkd.log import step_lines, steps

_EXAMPLES = """  hpmkd report results/quick      then open results/quick/report.html in a browser
  hpmkd report results/quick --watch          follow a sweep in a browser; Ctrl-C ends it"""
_DESCRIPTION = """Writes report.html (one file, no network needed), report.md, figures/ (png, svg, pdf), tables/
(csv, tex) and results.parquet into DIR, from its verified model files. For an unfinished sweep it lists what is
missing. With --watch it writes nothing: it serves the page to browsers of this machine, with what is in training and
the time left, and the page follows the sweep by itself."""


def build_parser(prog: str) -> Arguments:
    """The flags of the command."""
    parser = Arguments(prog, _DESCRIPTION, _EXAMPLES)
    parser.add_argument("dir", metavar="DIR", help="the output folder of a sweep, or of a programme")
    parser.add_argument("--json", action="store_true", help="print what was written, or the page's address, as JSON")
    parser.add_argument("-q", "--quiet", action="store_true", help="do not say what is being done")
    parser.add_argument("--watch", action="store_true", help="serve the page, made anew as the sweep goes on")
    parser.add_argument("--port", metavar="N", type=int, help="--watch: the port [a free one]")
    return parser


def report(argv: Sequence[str], prog: str) -> int:
    """Runs the command; returns the exit code."""
    parser = build_parser(prog)
    given = parser.parse_args(list(argv))
    if given.port is not None and not given.watch:
        parser.error("--port: only with --watch")
    if given.port is not None and not 0 <= given.port <= 65535:
        parser.error("--port: expected a number from 0 (any free port) to 65535")
    root = user_path(given.dir, "DIR")
    names = modes_in(root)
    if not names:
        need_sweep(root)  # before anything that takes seconds
    if given.watch:
        return _watch(root, given.port or 0, given.json)
    with step_lines(not given.quiet):
        steps.info(f"reporting on {given.dir}: reading its models")
        # matplotlib and scipy take a second: --help and wrong flags need not wait for them.
        from hpmkd.analysis.report import write_report
        from hpmkd.programme.index import write_index

        page = write_index(root) if names else write_report(root)
    if given.json:
        roots = [page.parent, *(page.parent / name for name in modes_in(page.parent))]
        patterns = ("report.*", "figures/*.*", "tables/*.*")
        found = [path for root in roots for pattern in patterns for path in root.glob(pattern)]
        names = sorted(str(path.relative_to(page.parent)) for path in found)
        print(json.dumps({"root": str(page.parent), "files": names}, indent=1))
    else:
        print(page)
    return EXIT_OK


def _watch(root: Path, port: int, as_json: bool) -> int:
    """Serves the page until Ctrl-C."""
    from hpmkd.analysis.report.server import open_server

    with open_server(root, port) as server:
        print(json.dumps({"url": server.url}) if as_json else f"{server.url}  (Ctrl-C ends it)", flush=True)
        server.serve_forever()
    return EXIT_OK
