"""`report`: writes a page about a sweep, and its figures and tables as files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from hpmkd.cli.parser import Arguments
from hpmkd.errors import EXIT_OK

_EXAMPLES = """  hpmkd report results/quick      then open results/quick/report.html in a browser"""
_DESCRIPTION = """Writes report.html (one file, no network needed), report.md, figures/ (png, svg, pdf), tables/
(csv, tex) and results.parquet into DIR, from its verified model files. For an unfinished sweep it lists what is
missing."""


def build_parser(prog: str) -> Arguments:
    """The flags of the command."""
    parser = Arguments(prog, _DESCRIPTION, _EXAMPLES)
    parser.add_argument("dir", metavar="DIR", help="the output folder of a sweep")
    parser.add_argument("--json", action="store_true", help="print the names of what was written as JSON")
    return parser


def report(argv: Sequence[str], prog: str) -> int:
    """Runs the command; returns the exit code."""
    given = build_parser(prog).parse_args(list(argv))
    # matplotlib and scipy take a second: --help and wrong flags need not wait for them.
    from hpmkd.analysis.report import write_report

    page = write_report(Path(given.dir))
    if given.json:
        found = [*page.parent.glob("report.*"), *page.parent.glob("figures/*.*"), *page.parent.glob("tables/*.*")]
        names = sorted(str(path.relative_to(page.parent)) for path in found)
        print(json.dumps({"root": str(page.parent), "files": names}, indent=1))
    else:
        print(page)
    return EXIT_OK
