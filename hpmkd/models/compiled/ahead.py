"""Compiles kernels before anybody needs them, in a process of its own: see `child_process.run`."""

from __future__ import annotations

import json
from pathlib import Path

from hpmkd.errors import EnvironmentProblem
from hpmkd.models.compiled.lenet_function import kernels
from hpmkd.models.compiled.processor import need_kernels
from hpmkd.models.compiled.shapes import Shape


def main(folder: Path) -> None:
    """Of the shapes in `request.json`, so that they are on the disk; what the machine lacks is in `answer.json`."""
    answer: dict[str, str | None] = {}
    try:
        setting = need_kernels()
        for values in json.loads((folder / "request.json").read_text()):
            kernels(Shape(*values), setting)
    except EnvironmentProblem as error:
        answer = {"where": error.where, "expected": error.expected, "found": error.found, "todo": error.todo}
    (folder / "answer.json").write_text(json.dumps(answer))
