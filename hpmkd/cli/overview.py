"""A folder that holds several sweeps, such as those of a programme: their names, and how far each is."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.text import Text

from hpmkd.audit.owner import alive
from hpmkd.audit.status import BAD, Status, continues, read_status
from hpmkd.audit.sweep_dir import sweeps_in
from hpmkd.cli.watching import Part, View
from hpmkd.config.programme import modes_in
from hpmkd.data.source.listing import count as number_of
from hpmkd.errors import HpmkdError
from hpmkd.numeric import json_ready
from hpmkd.store.output_dir import OutputDir
from hpmkd.text_table import TextTable

_HEADINGS = ("sweep", "done", "running", "to do", "failed", "state")


Overview = Mapping[str, Status | HpmkdError]


def overview_of(root: Path) -> View[Overview]:
    """Name -> the state of each sweep in `root`, or why it cannot be read."""
    return View(
        lambda: _read(root),
        lambda found: _parts(root, found),
        lambda found: _values(root, found),
        goes_on=lambda found: _programme_works(root) or any(works(one) for one in _known(found).values()),
    )


def works(found: Status) -> bool:
    """Whether a sweep is running, as far as is known here."""
    return found.sweep in ("running", "elsewhere")


def is_bad(found: Status | Overview) -> bool:
    """Whether a model failed, is stale or damaged, or a sweep cannot be read."""
    if isinstance(found, Status):
        return any(model.state in BAD for model in found.models)
    return any(isinstance(one, HpmkdError) or is_bad(one) for one in found.values())


def _read(root: Path) -> Overview:
    found: dict[str, Status | HpmkdError] = {}
    for path in sweeps_in(root):
        try:
            found[path.name] = read_status(path)
        except HpmkdError as error:
            found[path.name] = error
    return found


def _known(found: Overview) -> dict[str, Status]:
    return {name: one for name, one in found.items() if isinstance(one, Status)}


def _errors(found: Overview) -> dict[str, str]:
    return {name: str(one) for name, one in found.items() if isinstance(one, HpmkdError)}


def _programme_works(root: Path) -> bool:
    """Between two of its sweeps none of them is running."""
    return bool(modes_in(root)) and alive(OutputDir(root))[0] in ("running", "elsewhere")


def _values(root: Path, found: Overview) -> dict[str, Any]:
    sweeps = {name: {**asdict(one), "counts": one.counts()} for name, one in _known(found).items()}
    return dict(json_ready({"root": str(root), "sweeps": sweeps, "errors": _errors(found)}))


def _parts(root: Path, found: Overview) -> list[Part]:
    """A row per sweep, what cannot be read, and the commands that go on."""
    table = TextTable("", _HEADINGS, [_row(name, one) for name, one in found.items()], words=["state"])
    made: list[Part] = [Text(f"{root}: {number_of(len(found), 'sweep')}"), table]
    made += [Text(error, style="red") for error in _errors(found).values()]
    command = _continues(root, _known(found))
    made += [Text(f"continue with: {command}")] if command else []
    one = root / next(iter(found))
    return [*made, Text(f"more about one of them: hpmkd status {shlex.quote(str(one))}")]


def _continues(root: Path, known: Mapping[str, Status]) -> str | None:
    """What continues all sweeps of a programme, where some are not done and none is running."""
    names = modes_in(root)
    mine = [known[name] for name in names if name in known]
    at_work = _programme_works(root) or any(map(works, mine))
    left = len(mine) < len(names) or any(one.command for one in mine)
    return continues(root) if names and left and not at_work else None


def _row(name: str, one: Status | HpmkdError) -> list[str | Text]:
    if isinstance(one, HpmkdError):
        return [name, "", "", "", "", Text("unreadable", style="red")]
    states = [model.state for model in one.models]
    done, running, bad = states.count("done"), states.count("running"), sum(state in BAD for state in states)
    left = len(states) - done - running - bad
    whole = done == len(states) > 0 and not any(step.is_open for step in one.after)
    state: str = "done" if whole and not works(one) else one.sweep
    if not states and state == "stopped":
        return [name, "", "", "", "", "not started"]
    cells = [f"{done}/{len(states)}", *(str(count or "") for count in (running, left))]
    return [name, *cells, Text(str(bad or ""), style="red"), state]
