"""A folder that holds several sweeps, such as those of a programme: their names, and how far each is."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.text import Text

from hpmkd.audit.status import BAD, Status, read_status
from hpmkd.audit.sweep_dir import sweeps_in
from hpmkd.config.programme import modes_in
from hpmkd.data.source.listing import count as number_of
from hpmkd.errors import EXIT_OK, EXIT_SOME_FAILED, HpmkdError
from hpmkd.numeric import json_ready
from hpmkd.text_table import TextTable

_HEADINGS = ("sweep", "done", "running", "to do", "failed", "state")


def read_overview(root: Path) -> dict[str, Status | HpmkdError]:
    """Name -> the state of each sweep in `root`, or why it cannot be read."""
    found: dict[str, Status | HpmkdError] = {}
    for path in sweeps_in(root):
        try:
            found[path.name] = read_status(path)
        except HpmkdError as error:
            found[path.name] = error
    return found


def show_overview(root: Path, found: Mapping[str, Status | HpmkdError], as_json: bool) -> int:
    """Prints a row per sweep; returns the exit code."""
    errors = {name: error for name, error in found.items() if isinstance(error, HpmkdError)}
    known = {name: one for name, one in found.items() if isinstance(one, Status)}
    if as_json:
        sweeps = {name: {**asdict(one), "counts": one.counts()} for name, one in known.items()}
        told = {"root": str(root), "sweeps": sweeps, "errors": {name: str(one) for name, one in errors.items()}}
        print(json.dumps(json_ready(told), indent=1))
    else:
        console = Console(highlight=False)
        console.print(Text(f"{root}: {number_of(len(found), 'sweep')}"), soft_wrap=True)
        console.print(TextTable("", _HEADINGS, [_row(name, one) for name, one in found.items()], words=["state"]))
        for error in errors.values():
            console.print(Text(str(error), style="red"), soft_wrap=True)
        command = _continues(root, known)
        if command:
            console.print(Text(f"continue with: {command}"), soft_wrap=True)
        console.print(
            Text(f"more about one of them: hpmkd status {shlex.quote(str(root / next(iter(found))))}"), soft_wrap=True
        )
    bad = any(model.state in BAD for one in known.values() for model in one.models)
    return EXIT_SOME_FAILED if bad or errors else EXIT_OK


def _continues(root: Path, known: Mapping[str, Status]) -> str | None:
    """What continues all sweeps of a programme, where some are not done and none is running."""
    names = modes_in(root)
    mine = [known[name] for name in names if name in known]
    at_work = any(one.sweep in ("running", "elsewhere") for one in mine)
    left = len(mine) < len(names) or any(one.command for one in mine)
    return f"hpmkd run --restore {shlex.quote(str(root))}" if names and left and not at_work else None


def _row(name: str, one: Status | HpmkdError) -> list[str | Text]:
    if isinstance(one, HpmkdError):
        return [name, "", "", "", "", Text("unreadable", style="red")]
    states = [model.state for model in one.models]
    done, running, bad = states.count("done"), states.count("running"), sum(state in BAD for state in states)
    left = len(states) - done - running - bad
    whole = done == len(states) > 0 and not any(step.is_open for step in one.after)
    state: str = "done" if whole and one.sweep not in ("running", "elsewhere") else one.sweep
    if not states and state == "stopped":
        return [name, "", "", "", "", "not started"]
    cells = [f"{done}/{len(states)}", *(str(count or "") for count in (running, left))]
    return [name, *cells, Text(str(bad or ""), style="red"), state]
