"""Nodes of a cluster that do not see the output, as the driver has to do with them: all goes through the mirror."""

from __future__ import annotations

import contextlib
import uuid
from typing import TYPE_CHECKING

from hpmkd.audit.sweep_dir import Sweep
from hpmkd.cluster.need_nodes import Reach
from hpmkd.errors import MirrorProblem
from hpmkd.files import commit_bytes
from hpmkd.log import log
from hpmkd.plan.job import Job
from hpmkd.sweep.stop_sign import StopSign

if TYPE_CHECKING:
    from hpmkd.mirror.branch import Exchange
    from hpmkd.mirror.session import Mirror


class FarNodes:
    """There may be such nodes on a cluster, if the sweep has a mirror; else nothing here does anything.

    A context manager: while it lasts, nodes that see the output know it by a file.

    Args:
        sweep: whose nodes.
        mirror: its mirror.
    """

    def __init__(self, sweep: Sweep, mirror: Mirror | None) -> None:
        self.sweep, self.mirror = sweep, mirror if sweep.config.resources.address else None
        self.exchange: Exchange | None = None
        self._sign: StopSign | None = None
        self._owed: dict[str, Job] = {}

    def __enter__(self) -> FarNodes:
        """Notes where the output is, and what its plan is."""
        if self.mirror is not None:
            from hpmkd.mirror.branch import exchange_of

            self.exchange = exchange_of(self.sweep.output, self.mirror.uri, uuid.uuid4().hex)
            commit_bytes(self.sweep.output.home_file, self.exchange.home.encode())
        return self

    def __exit__(self, *error: object) -> None:
        """Takes the file away."""
        with contextlib.suppress(OSError):
            self.sweep.output.home_file.unlink(missing_ok=True)

    @property
    def reach(self) -> Reach | None:
        """What such a node is asked, see `need_nodes`."""
        if self.exchange is None:
            return None
        from hpmkd.mirror.branch import unreachable

        root, exchange = str(self.sweep.output.root), self.exchange
        return Reach(exchange.uri, lambda: unreachable(root, exchange))  # Ray takes functions alone

    def begin(self) -> None:
        """On a Ray that runs."""
        self._sign = StopSign(self.exchange.home) if self.exchange is not None else None

    def tell(self, stopping: bool) -> None:
        """That the sweep is being stopped, or is not."""
        if self._sign is not None:
            self._sign.show(stopping)

    def fetch(self, job: Job) -> bool:
        """The file that such a node may have made; whether it is here now."""
        if self.mirror is None:
            return False
        try:
            self._owed.pop(job.key, None)
            found = self.mirror.download.made_elsewhere(job)
            if found.state == "damaged":
                log.warning(
                    f"{self.mirror.uri}: {job.file_name} is damaged there ({found.reason}); it is trained again"
                )
            return found.good
        except MirrorProblem as problem:
            log.warning(f"{job.file_name} cannot be fetched now: {problem.found}; it is tried again")
            self._owed[job.key] = job
            return False

    def fetch_owed(self) -> None:
        """Once more what could not be fetched."""
        for job in list(self._owed.values()):
            self.fetch(job)
