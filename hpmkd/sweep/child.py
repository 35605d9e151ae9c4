"""Asks a process of its own, which may import what this one must not."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hpmkd.errors import UsageError


def answers_of(module: str, questions: Sequence[dict[str, Any]], scratch: Path, where: str) -> list[dict[str, Any]]:
    """What `python -m module` answers to a list of questions.

    Args:
        module: reads the questions from one JSON file, and writes as many answers into another.
        scratch: a folder for both.
        where: the key that the questions are about, for a message.

    Raises:
        UsageError: the process ended without answers.
    """
    request, answer = scratch / "request.json", scratch / "answer.json"
    answer.unlink(missing_ok=True)
    request.write_text(json.dumps(questions))
    done = subprocess.run([sys.executable, "-m", module, str(request), str(answer)], capture_output=True, text=True)
    if done.returncode or not answer.is_file():
        last = (done.stderr.strip().splitlines() or ["nothing was printed"])[-1]
        raise UsageError(
            f"{where}: the process that looks at it has ended",
            expected="modules that can be imported without ending Python",
            found=f"exit code {done.returncode}: {last}",
            todo="put what trains or exits under `if __name__ == '__main__':`",
        )
    answers: list[dict[str, Any]] = json.loads(answer.read_text())
    return answers
