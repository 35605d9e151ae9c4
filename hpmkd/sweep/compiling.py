"""Compiles kernels before workers start, each of which would compile the same."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from hpmkd.child_process import last_line, run
from hpmkd.data.source.listing import count
from hpmkd.errors import EnvironmentProblem
from hpmkd.log import log, progress
from hpmkd.plan.job import Job
from hpmkd.plan.kernels import KernelShape, kernel_shapes
from hpmkd.store.output_dir import OutputDir

_PATIENCE = 600.0  # seconds, on a busy machine


def told_of(shapes: Sequence[KernelShape]) -> str:
    """What a run does before its Ray starts, and a dry run announces."""
    many = count(len(shapes), "shape of LeNet5", "shapes of LeNet5")
    return f"{many}, read from the cache, or made now (10 to 30 s) if this machine has none yet"


def compile_kernels(jobs: Iterable[Job], output: OutputDir) -> None:
    """Those of the jobs, in a process of its own, which alone needs the memory; what fails, workers do themselves.

    Raises:
        EnvironmentProblem: this machine cannot run them.
    """
    shapes = kernel_shapes(jobs)
    if not shapes:
        return
    progress.info(f"compiled kernels: {told_of(shapes)}")
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix=output.scratch_prefix) as scratch:
        folder = Path(scratch)
        (folder / "request.json").write_text(json.dumps(shapes))
        code = run("hpmkd.models.compiled.ahead", folder, _PATIENCE)
        try:
            answer = json.loads((folder / "answer.json").read_text())
        except (OSError, ValueError):
            log.warning(f"kernels were not compiled ahead ({code}: {last_line(folder)}); each worker compiles its own")
            return
    if not answer:
        progress.info(f"compiled kernels: ready after {time.monotonic() - start:.1f} s")
    else:
        raise EnvironmentProblem(
            answer["where"], expected=answer["expected"], found=answer["found"], todo=answer["todo"]
        )
