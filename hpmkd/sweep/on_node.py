"""Whether the node that a worker runs on is as the sweep needs it: it may have joined the cluster a moment ago."""

from __future__ import annotations

import functools
import platform
import time
from collections.abc import Mapping

from hpmkd.cluster import sight
from hpmkd.config.sweep import SweepConfig
from hpmkd.errors import EnvironmentProblem
from hpmkd.store.output_dir import OutputDir

# The driver keeps work away from a node on which it has found something wanting, if it is given the time to.
_WAIT_SECONDS = 10.0

Software = Mapping[str, str | None]


def needed_software(config: SweepConfig) -> Software | None:
    """Of this process, for `need_node`; None of a private Ray, whose workers can have no other."""
    return _software() if config.resources.address else None


def need_node(output: OutputDir, software: Software | None) -> None:
    """Of a worker, before it trains.

    Raises:
        EnvironmentProblem: it does not see the output, or has other software.
    """
    problem = _problem(output, software)
    if problem is not None:
        time.sleep(_WAIT_SECONDS)
        raise problem


def _problem(output: OutputDir, software: Software | None) -> EnvironmentProblem | None:
    if software is None:
        return None
    where = f"node {platform.node()}"
    if not output.config_file.is_file():
        return EnvironmentProblem(
            f"{where}: does not share {output.root}", expected="the sweep's output folder", found="nothing there",
            todo="mount it there; the model is trained elsewhere",
        )  # fmt: skip
    here = _software()
    other = {name: found for name, found in here.items() if found != software.get(name)}
    if not other:
        return None
    name, found = next(iter(other.items()))
    return EnvironmentProblem(
        f"{where}: another {name}", expected=f"{software.get(name)}, as the sweep has it", found=str(found),
        todo="install the same there; the model is trained elsewhere",
    )  # fmt: skip


@functools.cache
def _software() -> dict[str, str | None]:
    code = sight.installed()
    return {"hpmkd": code[1] if code else None, **sight.versions()}
