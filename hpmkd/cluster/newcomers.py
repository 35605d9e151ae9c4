"""What happens when nodes leave a cluster or join it while a sweep runs.

Ray gives a new node work at once. Where it does not see the output, each trial fails there within seconds, and the next
one is given to it: it would swallow them all. With other software it would train other models. So a node that joins is
looked at as all were before the first trial, and one that lacks something is kept from work: its cores are reserved.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

import ray
from ray.util.placement_group import PlacementGroup, placement_group, remove_placement_group

from hpmkd.cluster.need_nodes import Reach, need_nodes
from hpmkd.cluster.nodes import LEFT_OUT, Node, living_nodes
from hpmkd.errors import EnvironmentProblem
from hpmkd.log import log, progress
from hpmkd.store.output_dir import OutputDir

_LOOK_SECONDS = 2.0  # between two looks at who is there
_AGAIN_SECONDS = 30.0  # until one that lacked something is looked at again
_END_SECONDS = 3.0  # the end of a sweep does not wait longer for a node that does not answer


@contextlib.contextmanager
def watched_nodes(output: OutputDir, reach: Reach | None = None) -> Iterator[None]:
    """While the body lasts it is said, in a line each, which nodes leave the cluster and which join it.

    `reach`: see `need_nodes`.
    """

    def watch() -> None:
        while not over.wait(_LOOK_SECONDS):
            with contextlib.suppress(ray.exceptions.RayError, RuntimeError, OSError):  # the head is gone: Ray ends us
                watcher.look(living_nodes())

    over = threading.Event()
    watcher = _Watcher(output, living_nodes(), over, reach=reach)
    thread = threading.Thread(target=watch, daemon=True, name="hpmkd-nodes")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(_END_SECONDS)
        with contextlib.suppress(ray.exceptions.RayError, RuntimeError, OSError):
            watcher.let_go()


class _Watcher:
    def __init__(self, output: OutputDir, known: list[Node], over: threading.Event, reach: Reach | None = None) -> None:
        self.output, self.known, self.over, self.reach = output, known, over, reach
        self._kept: dict[Node, list[PlacementGroup]] = {}  # from work, by what reserves their cores
        self._next = 0.0  # when they are looked at again

    def look(self, now: list[Node]) -> None:
        """At who is there now."""
        for node in self.known:
            if node not in now:
                progress.info(f"node {node.address} left the cluster; what it was training goes on elsewhere")
                self._kept.pop(node, None)
                LEFT_OUT.discard(node.id)
        before, self.known = self.known, now
        for node in now:
            if node not in before:
                self._joined(node)
        if self._kept and time.monotonic() >= self._next:
            self._look_again()

    def let_go(self) -> None:
        """Of all nodes, which other programs may use."""
        for node in list(self._kept):
            self._free(node)

    def _joined(self, node: Node) -> None:
        problem = self._problem(node)
        if self.over.is_set():  # its Ray is left by now, and any call would start another one
            return
        if problem is None:
            progress.info(f"node {node.address} joined the cluster")
            return
        self._keep_from_work(node)
        log.warning(f"node {node.address} joined the cluster; nothing is trained there until it is right: {problem}")

    def _look_again(self) -> None:
        self._next = time.monotonic() + _AGAIN_SECONDS
        for node in list(self._kept):
            if self._problem(node) is None and not self.over.is_set():
                self._free(node)
                progress.info(f"node {node.address} is right now, and trains")

    def _problem(self, node: Node) -> EnvironmentProblem | None:
        try:
            need_nodes([node], self.output, self.reach)
        except EnvironmentProblem as problem:
            return problem
        return None

    def _keep_from_work(self, node: Node) -> None:
        """One by one, so that a core that is in use now is reserved as soon as it is free."""
        cores = next((int(one["Resources"].get("CPU", 0)) for one in ray.nodes() if one["NodeID"] == node.id), 0)
        LEFT_OUT.add(node.id)
        place = {"CPU": 1, f"node:{node.address}": 0.001}
        self._kept[node] = [placement_group([place]) for _ in range(cores)]
        self._next = time.monotonic() + _AGAIN_SECONDS

    def _free(self, node: Node) -> None:
        LEFT_OUT.discard(node.id)
        for group in self._kept.pop(node):
            remove_placement_group(group)
