"""The captures of CUDA graphs in a process: one side stream and one memory pool for all of them, and what is to be done
where one fails."""

from __future__ import annotations

import contextlib
import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

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
        self.pool: Any = None  # torch's handle; its type has no public name
        self.failed = ""  # why a capture failed; then there are no more of them in this process
        self._graphs: weakref.WeakSet[torch.cuda.CUDAGraph] = weakref.WeakSet()
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
        errors: list[BaseException] = []
        with self._one_at_a_time, _no_garbage_collection():
            if not self._graphs or self.pool is None:
                # Without graphs a pool is on its way out; torch does not take one back of which a tensor still lives.
                self.pool = torch.cuda.graph_pool_handle()
            self._try(graph, work, errors)
            if not errors:
                self._graphs.add(graph)
                return
            self._clear(before)
        first = errors[0]
        if isinstance(first, RuntimeError) and not lacks_memory(first):
            self.failed = next(iter(str(first).splitlines()), type(first).__name__)
        first.__context__ = None
        errors.clear()
        try:
            raise first
        finally:
            del first  # it holds this frame, which would hold it: all tensors of the failed step would live on

    def _try(self, graph: torch.cuda.CUDAGraph, work: Callable[[], None], errors: list[BaseException]) -> None:
        """Captures the work; where that fails, `errors` has the body's, if there was one, before the capture's."""
        try:
            with torch.cuda.graph(graph, pool=self.pool, stream=self.stream, capture_error_mode="thread_local"):
                try:
                    work()
                except BaseException as error:
                    errors.append(error)
                    raise
        except BaseException as error:
            errors.append(error)

    def _clear(self, before: torch.cuda.Stream) -> None:
        """Takes thread and allocator out of the capture, which older torch leaves them in where its end fails."""
        torch.cuda.set_stream(before)
        with contextlib.suppress(RuntimeError):
            end = next(found for name in _END if (found := getattr(torch._C, name, None)))
            end(self.device, self.pool)
            # Only where that was still to be done: a pool that torch has released itself must not be released twice.
            torch._C._cuda_releasePool(self.device, self.pool)
        self.pool = None  # what lies in it may still be held by the work that failed


@contextlib.contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """A graph that dies in the middle of a capture would break it."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


_OF_DEVICE: dict[int, Captures] = {}


def captures(device: int) -> Captures:
    """Those of this process on a GPU."""
    if device not in _OF_DEVICE:
        _OF_DEVICE[device] = Captures(device)
    return _OF_DEVICE[device]


def failure() -> str:
    """Why a capture failed in this process; empty where none did, or none was tried."""
    return next((one.failed for one in _OF_DEVICE.values() if one.failed), "")
