"""Which kinds of GPUs the machine or the cluster has, and where one of each can be measured.

Ray names one kind per node, by its first GPU (`accelerator_type:...`), and hands its GPUs out by number: it cannot be
asked for one of two kinds in the same machine. So CUDA is asked on each node, and whoever needs a certain kind there
holds all of its GPUs, and takes one of them.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psutil
import ray
from ray.util.placement_group import placement_group, remove_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from hpmkd.cluster.mps_control import VISIBLE, visible_kinds
from hpmkd.cluster.nodes import Node, answered, living_nodes
from hpmkd.errors import EnvironmentProblem
from hpmkd.plan.gpu_share import GpuKind

FREE_SECONDS = 60  # until the GPUs of a node must be free; others may work there


class Busy(Exception):
    """The GPUs of a node are in use by others."""


@dataclass(frozen=True)
class Place:
    """Where a kind can be measured.

    Args:
        kind: of the GPU.
        node: None where every GPU there is is one of this kind.
        gpus: how many are to be held there, so that one of the kind is among them.
    """

    kind: GpuKind
    node: Node | None = None
    gpus: int = 1

    @contextlib.contextmanager
    def held(self) -> Iterator[dict[str, Any]]:
        """Inside, a task with these options runs there; none but it has the GPUs.

        Raises:
            Busy: they are not free.
        """
        if self.node is None:
            yield {"num_cpus": 1, "num_gpus": 1}
            return
        # What Ray calls the node itself; a thousandth of it, because others may do the same.
        group = placement_group([{"CPU": 1, "GPU": self.gpus, f"node:{self.node.address}": 0.001}])
        try:
            if not group.wait(FREE_SECONDS):
                raise Busy(f"the GPUs of node {self.node.address} are in use by others")
            where = PlacementGroupSchedulingStrategy(group)
            yield {"num_cpus": 1, "num_gpus": self.gpus, "scheduling_strategy": where}
        finally:
            remove_placement_group(group)


def places(private: bool) -> list[Place]:
    """One for each kind, in an order that does not change; needs a started Ray.

    Args:
        private: the sweep has started it, so this process sees what it hands out.
    """
    nodes = living_nodes()
    resources = {str(one["NodeID"]): one["Resources"] for one in ray.nodes()}
    nodes = [node for node in nodes if resources[node.id].get("GPU", 0) >= 1]
    seen = [visible_kinds(os.environ)] if private and len(nodes) == 1 else _seen_on(nodes)
    kinds: list[tuple[Node, list[GpuKind]]] = []
    for node, found in zip(nodes, seen, strict=True):
        has = resources[node.id]
        kinds.append((node, found[: int(has["GPU"])] or [_of_ray(has)]))  # fewer than there are: Ray takes the first
    return _one_each(kinds, {node.id: int(resources[node.id]["GPU"]) for node in nodes})


def _one_each(kinds: Sequence[tuple[Node, Sequence[GpuKind]]], gpus: dict[str, int]) -> list[Place]:
    found: dict[GpuKind, Place] = {}
    # A node of one kind first: there a single GPU is enough.
    for node, here in sorted(kinds, key=lambda pair: len(set(pair[1]))):
        for kind in here:
            found.setdefault(kind, Place(kind, node, gpus[node.id] if len(set(here)) > 1 else 1))
    if len(found) == 1:
        return [Place(kind) for kind in found]
    return [found[kind] for kind in sorted(found)]


def _seen_on(nodes: Sequence[Node]) -> list[list[GpuKind]]:
    asked = [(node, node.call(visible_to_ray)) for node in nodes]
    seen: list[list[GpuKind]] = []
    for node, answer in asked:
        found: list[GpuKind] = []
        with contextlib.suppress(EnvironmentProblem):
            found = answered(node, answer)
        seen.append(found)
    return seen


def visible_to_ray() -> list[GpuKind]:
    """In a worker that has no GPU itself: those that its node's Ray hands out.

    Its own CUDA_VISIBLE_DEVICES may hide them; that of the process which started it does not.
    """
    env = dict(os.environ)
    env.pop(VISIBLE, None)
    with contextlib.suppress(psutil.Error, OSError):
        given = psutil.Process(os.getppid()).environ().get(VISIBLE)
        env |= {VISIBLE: given} if given is not None else {}
    return visible_kinds(env)


def _of_ray(resources: dict[str, float]) -> GpuKind:
    """Where CUDA does not tell: what Ray calls it."""
    names = sorted(name.partition(":")[2] for name in resources if name.startswith("accelerator_type:"))
    return GpuKind(names[0] if names else "GPU")


def choose(kind: GpuKind) -> None:
    """In a worker that holds several GPUs, before it uses any: it sees one of this kind alone from here on.

    Raises:
        LookupError: there is none.
    """
    names = os.environ.get(VISIBLE, "").split(",")
    if len(names) > 1:
        here = visible_kinds(os.environ)
        if kind not in here:
            raise LookupError(f"no {kind.description} among the GPUs of this node any more")
        os.environ[VISIBLE] = names[here.index(kind)]
