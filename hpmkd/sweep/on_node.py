"""Whether the node that a worker runs on is as the sweep needs it: it may have joined the cluster a moment ago."""

from __future__ import annotations

import contextlib
import functools
import platform
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ray import tune
from ray.train._internal.storage import _VALIDATE_STORAGE_MARKER_FILENAME as MARKER

from hpmkd.cluster import sight
from hpmkd.config.sweep import SweepConfig
from hpmkd.errors import EnvironmentProblem
from hpmkd.store.output_dir import OutputDir
from hpmkd.sweep.stop_sign import following_sign

if TYPE_CHECKING:
    from hpmkd.mirror.branch import Branch, Exchange

# The driver keeps work away from a node on which it has found something wanting, if it is given the time to.
_WAIT_SECONDS = 10.0

Software = Mapping[str, str | None]


@dataclass(frozen=True)
class Needs:
    """What a worker has to know of its sweep's cluster; nothing where Ray is private.

    Args:
        software: that the node must have; None: it can have no other.
        exchange: how it works where the output is not seen; None: it does not.
    """

    software: Software | None = None
    exchange: Exchange | None = None


NOTHING = Needs()


def needs_of(config: SweepConfig, exchange: Exchange | None) -> Needs:
    """Of workers of a sweep that is driven from this process."""
    return Needs(_software() if config.resources.address else None, exchange)


@contextlib.contextmanager
def ready_node(output: OutputDir, needs: Needs) -> Iterator[Branch | None]:
    """Around what a worker does; the branch of the output on this node, where one may be needed.

    Raises:
        EnvironmentProblem: it does not see the output, or has other software. MirrorProblem: or cannot do without.
    """
    problem = _other_software(needs.software)
    branch = None
    if problem is None and needs.exchange is not None:
        from hpmkd.mirror.branch import Branch

        branch = Branch(output, needs.exchange)
        branch.begin()
    problem = problem or (_unshared(output) if needs.software is not None else None)
    if problem is not None:
        time.sleep(_WAIT_SECONDS)
        raise problem
    if branch is None or not branch.is_needed:
        yield branch
        return
    _let_tune_save(output)
    with following_sign(output, branch.exchange.home):
        yield branch


def _let_tune_save(output: OutputDir) -> None:
    """Tune saves a trial's checkpoints only where it finds its own mark, in the experiment's folder."""
    name = tune.get_context().get_experiment_name() if tune.get_context() is not None else None
    if name:
        folder = output.tune / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / MARKER).touch()


def _unshared(output: OutputDir) -> EnvironmentProblem | None:
    if output.config_file.is_file():
        return None
    return EnvironmentProblem(
        f"node {platform.node()}: does not share {output.root}", expected="the sweep's output folder",
        found="nothing there", todo="mount it there; the model is trained elsewhere",
    )  # fmt: skip


def _other_software(software: Software | None) -> EnvironmentProblem | None:
    if software is None:
        return None
    here = _software()
    other = {name: found for name, found in here.items() if found != software.get(name)}
    if not other:
        return None
    name, found = next(iter(other.items()))
    return EnvironmentProblem(
        f"node {platform.node()}: another {name}", expected=f"{software.get(name)}, as the sweep has it",
        found=str(found), todo="install the same there; the model is trained elsewhere",
    )  # fmt: skip


@functools.cache
def _software() -> dict[str, str | None]:
    code = sight.installed()
    return {"hpmkd": code[1] if code else None, **sight.versions()}
