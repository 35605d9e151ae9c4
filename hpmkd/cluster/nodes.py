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

import ray
from ray import cloudpickle
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from hpmkd.cluster import sight
from hpmkd.data.source.listing import count
from hpmkd.errors import EnvironmentProblem
from hpmkd.files import TEMP_PREFIX
from hpmkd.store.output_dir import OutputDir

ANSWER_SECONDS = 90.0  # the first process of a Ray worker on a busy node takes a while
# By so much clocks may differ: locks and epoch checkpoints are ordered by time, and what is younger counts.
CLOCK_SECONDS = 10.0
_SEEN_SECONDS = 15.0  # until a file that a node has written is seen here, through a network file system's caches
_DEATH_SECONDS = 30.0  # until the head says that a node is dead which has not answered for some seconds
_MARK = f"{TEMP_PREFIX}node-"


@dataclass(frozen=True)
class Node:
    """Of the cluster."""

    id: str
    address: str

    def call(self, function: Callable[..., Any], *arguments: Any) -> ray.ObjectRef[Any]:
        """Calls a function there, whatever else runs there."""
        there = NodeAffinitySchedulingStrategy(self.id, soft=False)
        task = ray.remote(function).options(num_cpus=0, scheduling_strategy=there, max_retries=0)
        asked: ray.ObjectRef[Any] = task.remote(*arguments)
        return asked


def living_nodes() -> list[Node]:
    """Those of the cluster that is joined, this machine's first."""
    here = ray.get_runtime_context().get_node_id()
    found = [Node(str(one["NodeID"]), str(one["NodeManagerAddress"])) for one in ray.nodes() if one["Alive"]]
    return sorted(found, key=lambda node: (node.id != here, node.address))


def need_nodes(nodes: Sequence[Node], output: OutputDir) -> None:
    """Before anything is trained.

    Raises:
        EnvironmentProblem: a node does not see the output, cannot write there, has other software or another time, or
            does not answer; says which and what differs.
    """
    cloudpickle.register_pickle_by_value(sight)
    with _marks(output, nodes) as marks:
        arguments = (str(output.root), output.config_file.name)
        here = sight.look(*arguments, marks[""])
        sent = time.time()
        asked = {node: node.call(sight.look, *arguments, marks[node.id]) for node in nodes}
        for node, found in _answers(asked):
            problem = _problem(node, found, here, output.root, wait=time.time() - sent)
            if problem is None and not _is_seen(output.root / marks[node.id]):
                problem = _unshared(node, found, output.root, "what it writes there is not seen here")
            if problem is not None:
                raise problem


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


def answered(node: Node, answer: ray.ObjectRef[Any]) -> Any:
    """What a call on a node has returned.

    Raises:
        EnvironmentProblem: nothing, in time.
    """
    try:
        return ray.get(answer, timeout=ANSWER_SECONDS)
    except ray.exceptions.GetTimeoutError as error:
        raise _silent(node, f"no answer within {ANSWER_SECONDS:g} seconds") from error
    except ray.exceptions.RayError as error:
        raise _silent(node, (str(error).strip().splitlines() or [""])[-1] or type(error).__name__) from error


def _answers(asked: Mapping[Node, ray.ObjectRef[Any]]) -> Iterator[tuple[Node, Any]]:
    """What each has returned, but for those that have died since: the others do without them.

    Raises:
        EnvironmentProblem: one that lives returned nothing, in time.
    """
    for node, answer in asked.items():
        try:
            found = answered(node, answer)
        except EnvironmentProblem as problem:
            if _has_died(node, problem.__cause__):
                continue
            raise
        yield node, found


def _has_died(node: Node, error: BaseException | None) -> bool:
    """Whether it is gone. The head may notice later than who called something on it."""
    died = isinstance(error, ray.exceptions.NodeDiedError | ray.exceptions.TaskUnschedulableError)
    end = time.monotonic() + (_DEATH_SECONDS if died else 0.0)
    while node in living_nodes():
        if time.monotonic() >= end:
            return False
        time.sleep(0.5)
    return True


def _silent(node: Node, found: str) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"node {node.address}: does not do what it is asked",
        expected="a node of the cluster that runs tasks",
        found=found,
        todo="look at ray status, and take the node out of the cluster (ray stop on it) or start Ray there again",
    )


def _problem(
    node: Node, found: Mapping[str, Any], here: Mapping[str, Any], root: Path, wait: float
) -> EnvironmentProblem | None:
    """What is wrong with a node, by what it said and what this machine says; `wait`: how old its time is at most."""
    if found["plan"] != here["plan"]:
        told = found["plan"] if " " in found["plan"] else "another sweep.yaml than here"
        return _unshared(node, found, root, told)
    if found["mark"] is not None:
        return _unshared(node, found, root, f"it cannot write there: {found['mark']}")
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
        todo="mount it there, name an --output that all nodes share, or take the node out (ray stop on it)",
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


def on_each(nodes: Sequence[Node], function: Callable[..., dict[str, str | None] | None], *arguments: Any) -> None:
    """Calls a function on each node, at once; it returns None, or the parts of an error.

    Raises:
        EnvironmentProblem: what one of them returned, with the node's address; or it did not answer.
    """
    asked = {node: node.call(function, *arguments) for node in nodes}
    for node, problem in _answers(asked):
        if problem is not None:
            raise EnvironmentProblem(
                f"node {node.address}: {problem['where']}",
                expected=problem["expected"],
                found=problem["found"],
                todo=problem["todo"],
            )


LEFT_OUT: set[str] = set()  # numbers of nodes that are kept from work, see `newcomers`


def usable() -> dict[str, float]:
    """Resources of the nodes that may be given work, by name; needs a started Ray."""
    have = dict(ray.cluster_resources())
    for one in ray.nodes() if LEFT_OUT else []:
        if one["Alive"] and one["NodeID"] in LEFT_OUT:
            for name, number in one["Resources"].items():
                have[name] = have.get(name, 0.0) - number
    return have


def several(nodes: Sequence[Node]) -> str:
    """`3 nodes (10.0.0.1, ...)`"""
    return f"{count(len(nodes), 'node')} ({', '.join(node.address for node in nodes)})"
