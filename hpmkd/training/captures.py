"""The captures of CUDA graphs in a process: one side stream and one memory pool for all of them, and what is to be done
where one fails."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

import torch

from hpmkd.training.device import lacks_memory

# Torch's names for the end of an allocation to a pool: today's, and that of the oldest version that we run with.
_END = ("_cuda_endAllocateToPool", "_cuda_endAllocateCurrentStreamToPool")


class Captures:
    """What all CUDA graphs of a process share on one GPU.

    Each side stream has blocks of memory and a cuBLAS workspace of its own, which a worker that trains one model after
    the other would pile up; so there is one, and one pool. Graphs may share a pool, because what a step leaves there is
    not read by the next one, and the graphs of a process are played on one stream, that is one after the other.

    Args:
        device: the number of the GPU.
    """

    def __init__(self, device: int) -> None:
        self.device = device
        self.stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self.pool = torch.cuda.graph_pool_handle()
        self.failed = ""  # why a capture failed; then there are no more of them in this process
        self._one_at_a_time = threading.Lock()

    def capture(self, graph: torch.cuda.CUDAGraph, work: Callable[[], None]) -> None:
        """Records `work` in `graph`, without doing it.

        Raises:
            RuntimeError: it cannot be captured, or an earlier one could not. It is the error of the operator that was
                refused, not torch's about the capture, which comes after it.
        """
        if self.failed:
            raise RuntimeError(self.failed)
        before = torch.cuda.current_stream(self.device)
        cause: BaseException | None = None
        with self._one_at_a_time:
            try:
                with torch.cuda.graph(graph, pool=self.pool, stream=self.stream, capture_error_mode="thread_local"):
                    try:
                        work()
                    except BaseException as error:
                        cause = error
                        raise
            except BaseException as error:
                self._clear(before)
                first = cause or error
                if isinstance(first, RuntimeError) and not lacks_memory(first):
                    self.failed = next(iter(str(first).splitlines()), type(first).__name__)
                raise first from None

    def _clear(self, before: torch.cuda.Stream) -> None:
        """Takes thread and allocator out of the capture, which torch leaves them in where its end fails."""
        torch.cuda.set_stream(before)
        with contextlib.suppress(RuntimeError):
            end = next(found for name in _END if (found := getattr(torch._C, name, None)))
            end(self.device, self.pool)
            # Only here: where the allocator had left the capture, torch has taken this graph off the pool, too.
            torch._C._cuda_releasePool(self.device, self.pool)
        # What lies in the pool may still be held by the work that failed.
        self.pool = torch.cuda.graph_pool_handle()


_OF_DEVICE: dict[int, Captures] = {}


def captures(device: int) -> Captures:
    """Those of this process on a GPU."""
    if device not in _OF_DEVICE:
        _OF_DEVICE[device] = Captures(device)
    return _OF_DEVICE[device]


def failure() -> str:
    """Why a capture failed in this process; empty where none did, or none was tried."""
    return next((one.failed for one in _OF_DEVICE.values() if one.failed), "")
