"""Compiles kernels before workers start, each of which would compile the same."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable
from pathlib import Path

from hpmkd.child_process import last_line, run
from hpmkd.data.source.listing import count
from hpmkd.errors import EnvironmentProblem
from hpmkd.log import log, progress
from hpmkd.plan.job import Job
from hpmkd.plan.kernels import kernel_shapes
from hpmkd.store.output_dir import OutputDir

_PATIENCE = 600.0  # seconds, on a busy machine


def compile_kernels(jobs: Iterable[Job], output: OutputDir) -> None:
    """Those of the jobs, in a process of its own, which alone needs the memory; what fails, workers do themselves.

    Raises:
        EnvironmentProblem: this machine cannot run them.
    """
    shapes = kernel_shapes(jobs)
    if not shapes:
        return
    many = count(len(shapes), "shape of LeNet5", "shapes of LeNet5")
    progress.info(f"compiling kernels for {many}, unless this machine has them already")
    with tempfile.TemporaryDirectory(prefix=output.scratch_prefix) as scratch:
        folder = Path(scratch)
        (folder / "request.json").write_text(json.dumps(shapes))
        code = run("hpmkd.models.compiled.ahead", folder, _PATIENCE)
        try:
            answer = json.loads((folder / "answer.json").read_text())
        except (OSError, ValueError):
            log.warning(f"kernels were not compiled ahead ({code}: {last_line(folder)}); each worker compiles its own")
            return
    if answer:
        raise EnvironmentProblem(
            answer["where"], expected=answer["expected"], found=answer["found"], todo=answer["todo"]
        )
