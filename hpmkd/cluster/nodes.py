"""The nodes of a cluster, and what is asked of them one by one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from hpmkd.data.source.listing import count
from hpmkd.errors import EnvironmentProblem

ANSWER_SECONDS = 90.0  # the first process of a Ray worker on a busy node takes a while
_DEATH_SECONDS = 30.0  # until the head says that a node is dead which has not answered for some seconds


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


def answers(asked: Mapping[Node, ray.ObjectRef[Any]]) -> Iterator[tuple[Node, Any]]:
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


def on_each(nodes: Sequence[Node], function: Callable[..., dict[str, str | None] | None], *arguments: Any) -> None:
    """Calls a function on each node, at once; it returns None, or the parts of an error.

    Raises:
        EnvironmentProblem: what one of them returned, with the node's address; or it did not answer.
    """
    asked = {node: node.call(function, *arguments) for node in nodes}
    for node, problem in answers(asked):
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
