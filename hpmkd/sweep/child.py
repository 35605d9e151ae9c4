"""Asks a process of its own, which may import what this one must not."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hpmkd.child_process import last_line, run
from hpmkd.errors import UsageError

PATIENCE = 600.0  # seconds; a download of weights, or a first import on a slow network disk, takes minutes


def answers_of(
    module: str, questions: Sequence[dict[str, Any]], scratch: Path, where: str, about: str = ""
) -> list[dict[str, Any]]:
    """What a module answers to a list of questions.

    Args:
        module: its `main(folder)` reads `request.json` there, and writes as many answers into `answer.json`.
        scratch: a folder for both.
        where: the key that the questions are about, for a message.
        about: what they are about, likewise.

    Raises:
        UsageError: the process ended without answers.
    """
    answer = scratch / "answer.json"
    answer.unlink(missing_ok=True)
    (scratch / "request.json").write_text(json.dumps(questions))
    code = run(module, scratch, PATIENCE)
    if code is None:
        raise UsageError(
            f"{where}: no answer of the process that looks at it, within {PATIENCE:g} s",
            expected="modules that are imported, and networks that answer to two images, within that time",
            found=f"the last line that it printed: {last_line(scratch)}",
            todo="import it in Python yourself to see what it waits for",
        )
    if code or not answer.is_file():
        raise UsageError(
            f"{where}: the process that looks at {about or 'it'} has ended",
            expected="modules that can be imported, and code that can be run, without ending Python",
            found=f"exit code {code}: {last_line(scratch)}",
            todo="put what trains or exits under `if __name__ == '__main__':`",
        )
    answers: list[dict[str, Any]] = json.loads(answer.read_text())
    return answers
