"""Looks at every node of a cluster before the first trial: it must see the output, and have the same software.

What is found here would otherwise show hours later: as models that fail on one node alone, or, worse, as models that
were trained by another version of the code.
"""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray import cloudpickle

from hpmkd.cluster import sight
from hpmkd.cluster.nodes import Node, answers, several
from hpmkd.errors import EnvironmentProblem
from hpmkd.files import TEMP_PREFIX
from hpmkd.log import progress
from hpmkd.store.output_dir import OutputDir

# By so much clocks may differ: locks and epoch checkpoints are ordered by time, and what is younger counts.
CLOCK_SECONDS = 10.0
_SEEN_SECONDS = 15.0  # until a file that a node has written is seen here, through a network file system's caches
_MARK = f"{TEMP_PREFIX}node-"


@dataclass(frozen=True)
class Reach:
    """How a node may do without seeing the output.

    Args:
        place: through which it works then.
        ask: called there: why it cannot; empty: it can.
    """

    place: str
    ask: Callable[[], str]


def need_nodes(nodes: Sequence[Node], output: OutputDir, reach: Reach | None = None) -> list[Node]:
    """Before anything is trained; those that do not see the output, and can do without.

    Args:
        nodes: who is asked.
        output: the sweep's folder.
        reach: how one may do without; None: it may not.

    Raises:
        EnvironmentProblem: a node does not see the output, cannot write there, has other software or another time, or
            does not answer; says which and what differs.
    """
    cloudpickle.register_pickle_by_value(sight)
    far = {}
    with _marks(output, nodes) as marks:
        arguments = (str(output.root), output.config_file.name)
        here = sight.look(*arguments, marks[""])
        sent = time.time()
        asked = {node: node.call(sight.look, *arguments, marks[node.id], marks[""]) for node in nodes}
        for node, found in answers(asked):
            if reach is not None and not found["sees"]:
                far[node] = found
                problem = _other_software(node, found, here, wait=time.time() - sent)
            else:
                problem = _problem(node, found, here, output.root, wait=time.time() - sent)
            if problem is None and node not in far and not (found["sees"] and _is_seen(output.root / marks[node.id])):
                problem = _unshared(node, found, output.root, "what it writes there is not seen here")
            if problem is not None:
                raise problem
    if reach is not None and far:
        progress.info(
            f"{several(list(far))} without {output.root}: all that is needed and made goes through {reach.place}"
        )
        for node, why in answers({node: node.call(reach.ask) for node in far}):
            if why:
                raise _unreached(node, far[node], output.root, why)
    return list(far)


@contextlib.contextmanager
def _marks(output: OutputDir, nodes: Sequence[Node]) -> Iterator[dict[str, str]]:
    """Names of files, by node, that are gone in the end; '': this process's own."""
    names = {key: f"{_MARK}{uuid.uuid4().hex}" for key in ("", *(node.id for node in nodes))}
    try:
        yield names
    finally:
        for name in names.values():
            with contextlib.suppress(OSError):
                (output.root / name).unlink()


def _problem(
    node: Node, found: Mapping[str, Any], here: Mapping[str, Any], root: Path, wait: float
) -> EnvironmentProblem | None:
    """What is wrong with a node, by what it said and what this machine says; `wait`: how old its time is at most."""
    if found["plan"] != here["plan"]:
        told = found["plan"] if " " in found["plan"] else "another sweep.yaml than here"
        return _unshared(node, found, root, told)
    if found["mark"] is not None:
        return _unshared(node, found, root, f"it cannot write there: {found['mark']}")
    return _other_software(node, found, here, wait)


def _other_software(
    node: Node, found: Mapping[str, Any], here: Mapping[str, Any], wait: float
) -> EnvironmentProblem | None:
    """Or another time."""
    if found["hpmkd"] is None:
        return EnvironmentProblem(
            f"{_name(node, found)}: hpmkd is not there",
            expected=f"the same as here, in {here['hpmkd'][0]}",
            found=f"none that Python {found['python']} of that node's Ray finds",
            todo="install it there, or keep the clone in a folder that every node sees under the same path",
        )
    if found["hpmkd"][1] != here["hpmkd"][1]:
        wanted, other = (f"{where} ({code})" for where, code in (here["hpmkd"], found["hpmkd"]))
        return _other(node, found, "hpmkd", wanted=wanted, other=other)
    for name in ("python", *sight.PACKAGES):
        if found[name] != here[name]:
            return _other(node, found, name, wanted=str(here[name]), other=str(found[name]))
    apart = found["time"] - here["time"]
    if not -CLOCK_SECONDS <= apart <= wait + CLOCK_SECONDS:
        return EnvironmentProblem(
            f"{_name(node, found)}: its clock is {abs(apart):.0f} s {'behind' if apart < 0 else 'ahead'}",
            expected=f"clocks within {CLOCK_SECONDS:g} s of each other: of two saved epochs the younger one counts",
            todo="have both set by the same time server (chrony, ntpd, systemd-timesyncd)",
        )
    return None


def _name(node: Node, found: Mapping[str, Any]) -> str:
    return f"node {node.address} ({found['host']})"


def _unshared(node: Node, found: Mapping[str, Any], root: Path, told: str) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"{_name(node, found)}: does not share {root}",
        expected="the sweep's output folder, which every node reads and writes under the same path",
        found=told,
        todo="mount it there, name an --output that all nodes share or a --mirror that all of them reach, or take the "
        "node out (ray stop on it)",
    )


def _unreached(node: Node, found: Mapping[str, Any], root: Path, why: str) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"{_name(node, found)}: does not see {root}, and cannot do without",
        expected="that folder, or the sweep's mirror and a folder of that path, both of which it can write to",
        found=why,
        todo="mount the folder there, or give the node what it takes to write to the mirror (network, credentials) and "
        f"to {root}, or take it out (ray stop on it)",
    )


def _other(node: Node, found: Mapping[str, Any], what: str, *, wanted: str, other: str) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"{_name(node, found)}: another {what}",
        expected=f"{wanted}, as here: models would depend on where they are trained",
        found=other,
        todo="install the same there",
    )


def _is_seen(path: Path) -> bool:
    """Whether what a node has written is there, with what it wrote."""
    end = time.monotonic() + _SEEN_SECONDS
    while True:
        with contextlib.suppress(OSError):
            if path.read_text() == path.name:
                return True
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
