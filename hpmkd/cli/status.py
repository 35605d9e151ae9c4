"""`status`: how far a sweep is, and the command that continues it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.text import Text

from hpmkd.audit.forecast import seconds_left
from hpmkd.audit.owner import SWEEP
from hpmkd.audit.status import BAD, ModelStatus, Status, ago, read_status, row_name
from hpmkd.audit.sweep_dir import sweeps_in
from hpmkd.cli.overview import is_bad, overview_of, works
from hpmkd.cli.parser import Arguments
from hpmkd.cli.watching import View, show, watch
from hpmkd.config.paths import user_path
from hpmkd.data.source.listing import count as number_of
from hpmkd.data.source.listing import named
from hpmkd.errors import EXIT_OK, EXIT_SOME_FAILED
from hpmkd.numeric import clock, json_ready
from hpmkd.text_table import TextTable

_EXAMPLES = """  hpmkd status results/quick
  hpmkd status results                    which sweeps there are, and how far
  hpmkd status results/quick --watch
  hpmkd status results/paper --watch      all sweeps of a programme
  hpmkd status results/quick --json | jq '.models[] | select(.state == "failed")'"""
_DESCRIPTION = """Shows how far a sweep is. Reads its files only, so it works during a sweep and on another machine. A
model counts as done if its sidecar matches the plan and its size; hpmkd verify checks every byte. Of a folder that
holds several sweeps it lists them. Exit code 0: no model failed, is stale or damaged; 1: some are, and they are
listed."""
_COLUMNS = {
    "done": ("done",),
    "running": ("running",),
    "waiting": ("waiting",),
    "to do": ("ready", "interrupted", "lost", "unchecked", "damaged"),
    "failed": ("failed",),
    "stale": ("stale",),
}


def build_parser(prog: str) -> Arguments:
    """The flags of the command."""
    parser = Arguments(prog, _DESCRIPTION, _EXAMPLES)
    parser.add_argument("dir", metavar="DIR", help="the output folder of a sweep, or a folder that holds several")
    parser.add_argument("--json", action="store_true", help="print JSON; with --watch, one line per change")
    parser.add_argument("--watch", action="store_true", help="update until no sweep is running, or Ctrl-C")
    parser.add_argument(
        "--every", metavar="SECONDS", type=float, default=2.0, help="--watch: seconds between updates [2]"
    )
    return parser


def status(argv: Sequence[str], prog: str) -> int:
    """Runs the command; returns the exit code."""
    parser = build_parser(prog)
    given = parser.parse_args(list(argv))
    if not given.every > 0:
        parser.error("--every: expected more than 0 seconds")
    root = user_path(given.dir, "DIR")
    view: View[Any] = overview_of(root) if sweeps_in(root) else _view(root)
    found = watch(view, given.every, given.json) if given.watch else show(view, given.json)
    return EXIT_SOME_FAILED if is_bad(found) else EXIT_OK


def _view(root: Path) -> View[Status]:
    return View(lambda: read_status(root), parts, as_json, goes_on=works)


def as_json(found: Status) -> dict[str, object]:
    """What `--json` prints."""
    return dict(json_ready({**asdict(found), "counts": found.counts()}))


def parts(found: Status) -> list[Text | TextTable]:
    """The state for people: a headline, a table per data set, lines, the command."""
    made: list[Text | TextTable] = [Text(_headline(found))]
    for place in dict.fromkeys(model.place for model in found.models):
        made.append(_table(place, [model for model in found.models if model.place == place]))
    made += [Text(line, style="red" if bad else "") for line, bad in _lines(found)]
    made += [Text(f"after the training: {step}", style="red" if step.problem else "") for step in found.after]
    if found.command and found.sweep in ("stopped", "killed"):
        made.append(Text(f"continue with: {found.command}"))
    return made


def _headline(found: Status) -> str:
    done = sum(model.state == "done" for model in found.models)
    words = (
        f"{done} of {number_of(len(found.models), 'model')} done"
        if found.models
        else "no plan yet: the sweep has not read its data"
    )
    left = seconds_left(found)
    soon = f", about {clock(left)} left" if left is not None else ""
    return f"{found.root}: {words}{soon}; {SWEEP[found.sweep].format(owner=found.owner)}"


def _table(place: str, models: Sequence[ModelStatus]) -> TextTable:
    rows: list[list[str | Text]] = []
    for name in dict.fromkeys(row_name(model) for model in models):
        mine = [model for model in models if row_name(model) == name]
        cells: list[str | Text] = []
        for heading, states in _COLUMNS.items():
            count = sum(model.state in states for model in mine)
            style = "red" if heading in BAD else "green" if count == len(mine) else ""
            text = f"{count}/{len(mine)}" if heading == "done" else str(count or "")
            cells.append(Text(text, style=style if count else ""))
        rows.append([name, *cells])
    return TextTable(place, ("model", *_COLUMNS), rows)


def _lines(found: Status) -> list[tuple[str, bool]]:
    """A line for each model that something is to be said of, and whether it is bad news."""
    lines = []
    waits: dict[tuple[str, ...], int] = {}
    for model in found.models:
        if model.state == "running":
            epoch = f"epoch {model.epoch}/{model.of}" if model.epoch else "in its first epoch"
            heard = f"last report {ago(model.updated or '')} ago"
            lines.append((f"running: {model.key}, {epoch}, for {ago(model.since or '')}, {model.by}, {heard}", False))
        elif model.state == "interrupted":
            lines.append((f"interrupted: {model.key}, continues after epoch {model.epoch}/{model.of}", False))
        elif model.state == "lost":
            again = f"again after epoch {model.epoch}/{model.of}" if model.epoch else "again"
            lines.append((f"lost: {model.key}, {model.reason}; it is trained {again}", False))
        elif model.state == "waiting":
            waits[model.waits_for] = waits.get(model.waits_for, 0) + 1
        elif model.state in (*BAD, "unchecked"):
            lines.append((f"{model.state}: {model.key}, {model.reason}", model.state in BAD))
    many = [
        (f"waiting: {count} model{'s' * (count > 1)} for {', '.join(keys)}", False) for keys, count in waits.items()
    ]
    memory = [model.key for model in found.models if model.in_memory]
    many += [(f"from the shared memory, when they are needed: {named(memory)}", False)] if memory else []
    return lines + many
