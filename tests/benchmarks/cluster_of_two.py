"""A Ray cluster of two hosts in namespaces, and the one who keeps it up: what is killed is started again."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator

import psutil
from support.hosts import Host, Hosts

_PORT = 6379
_WORKER = "ImplicitFunc"  # what Ray calls a process that trains


class Cluster:
    """Of hosts `a` and `b`, of one core each; either may be the head.

    Args:
        world: what the hosts are joined by.
    """

    def __init__(self, world: Hosts) -> None:
        self.world = world
        self.all = [world.add(name) for name in ("a", "b")]
        self.head: Host | None = None

    def mend(self) -> None:
        """Every host runs, and Ray on each: one cluster, whose head may be another than before."""
        self.all = [host if self._lives(host) else self.world.add(host.name) for host in self.all]
        if self.head not in self.all or not self._runs(self.head, "gcs_server") or not self._runs(self.head, "raylet"):
            self.head, other = self.all
            for host in self.all:
                self._stop(host)
            self._start(self.head, "--head", f"--port={_PORT}", "--include-dashboard=false")
            self._join(other)
        self._join_all()

    def mend_others(self, driver: Host) -> None:
        """While the sweep runs: as `mend`, but for its own host and for the head, whose death is the cluster's."""
        if self.head is None or not self._lives(self.head) or not self._runs(self.head, "raylet"):
            return
        self.all = [
            self.world.add(host.name) if host is not driver and not self._lives(host) else host for host in self.all
        ]
        self._join_all(but=driver)

    def cut(self, host: Host) -> bool:
        """Its power; whether it had any."""
        lived = self._lives(host)
        if lived:
            host.kill()
        return lived

    def kill(self, host: Host, name: str) -> bool:
        """A process there, by a part of its name or of its command; whether there was one."""
        if not self._lives(host):
            return False
        found = [one for one in self._processes(host) if name in _called(one)]
        for process in found:
            with contextlib.suppress(psutil.Error):
                process.send_signal(signal.SIGKILL)
        return bool(found)

    def workers(self) -> list[str]:
        """What trains, on any host."""
        return [_called(one) for host in self.all for one in self._processes(host) if _WORKER in _called(one)]

    def _join_all(self, but: Host | None = None) -> None:
        for host in self.all:
            if host not in (but, self.head) and self._lives(host) and not self._runs(host, "raylet"):
                self._stop(host)
                self._join(host)

    def _join(self, host: Host) -> None:
        assert self.head is not None
        self._start(host, f"--address={self.head.address}:{_PORT}")

    def _start(self, host: Host, *words: str) -> None:
        host.ray("start", *words, f"--node-ip-address={host.address}", "--num-cpus=1", "--disable-usage-stats")

    def _stop(self, host: Host) -> None:
        host.ray("stop", "--force")

    def _lives(self, host: Host) -> bool:
        return host.process.poll() is None

    def _runs(self, host: Host, name: str) -> bool:
        return any(name in _called(one) for one in self._processes(host))

    def _processes(self, host: Host) -> Iterator[psutil.Process]:
        """Those in the host's namespace of processes."""
        with contextlib.suppress(OSError):
            wanted = os.readlink(f"/proc/{host.first}/ns/pid")
            for process in psutil.process_iter():
                with contextlib.suppress(OSError):
                    if os.readlink(f"/proc/{process.pid}/ns/pid") == wanted:
                        yield process


def _called(process: psutil.Process) -> str:
    """The name of a process, and what it was called with: a short script's name is there, that of a worker is both."""
    try:
        words = process.cmdline()
        return " ".join([process.name(), *(os.path.basename(word) for word in words[:2])])
    except psutil.Error:
        return ""
