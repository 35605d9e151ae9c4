"""Captures that fail, with stand-ins for CUDA's streams and torch's C++ side: what must be undone is undone there."""

from __future__ import annotations

import contextlib
import gc
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch

from hpmkd.training import captures as module
from hpmkd.training.captures import Captures, captures, failure
from hpmkd.training.cuda_graph import CudaTape


class Gpu:
    """The state of thread and allocator as torch and CUDA keep it."""

    def __init__(self) -> None:
        self.stream = "default"
        self.pools = 0
        self.capturing: list[tuple[int, int]] = []
        self.released: list[tuple[int, int]] = []
        self.streams = 0
        self.used: list[tuple[Any, Any]] = []

    def new_stream(self, *given: Any) -> str:
        self.streams += 1
        return f"side {self.streams}"

    def new_pool(self) -> tuple[int, int]:
        self.pools += 1
        return (0, self.pools)

    def end(self, device: int, pool: tuple[int, int]) -> None:
        if pool not in self.capturing:
            raise RuntimeError("not currently recording to this pool")
        self.capturing.remove(pool)

    def release(self, device: int, pool: tuple[int, int]) -> None:
        self.released.append(pool)


class Recorded:
    """As much of a CUDA graph as others look at: that it lives."""


class Graph:
    """`torch.cuda.graph`: whatever its body raises, the end of an invalid capture raises an error of its own, before
    the stream is given back and the allocator is told."""

    def __init__(self, gpu: Gpu, graph: Any, pool: Any, stream: Any, capture_error_mode: str) -> None:
        self.gpu, self.pool, self.stream = gpu, pool, stream
        assert capture_error_mode == "thread_local"
        gpu.used.append((pool, stream))

    def __enter__(self) -> None:
        self.gpu.stream = self.stream
        self.gpu.capturing.append(self.pool)

    def __exit__(self, kind: type[BaseException] | None, *error: Any) -> None:
        if kind is not None:
            raise RuntimeError("CUDA error: operation failed due to a previous error during capture")
        self.gpu.capturing.remove(self.pool)
        self.gpu.stream = "default"


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Gpu:
    gpu = Gpu()
    monkeypatch.setattr(module, "_OF_DEVICE", {})
    stand_ins: dict[str, Callable[..., Any]] = {
        "Stream": gpu.new_stream,
        "graph_pool_handle": gpu.new_pool,
        "current_stream": lambda *given: gpu.stream,
        "current_device": lambda: 0,
        "set_stream": lambda stream: setattr(gpu, "stream", stream),
        "graph": lambda *given, **named: Graph(gpu, *given, **named),
        "CUDAGraph": Recorded,
    }
    for name, stand_in in stand_ins.items():
        monkeypatch.setattr(torch.cuda, name, stand_in)
    monkeypatch.setattr(torch._C, "_cuda_endAllocateToPool", gpu.end, raising=False)
    monkeypatch.setattr(torch._C, "_cuda_releasePool", gpu.release, raising=False)
    return gpu


def refused() -> None:
    raise RuntimeError("operation not permitted when stream is capturing\nmore")


def lacking() -> None:
    raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 MiB")


def test_all_tapes_of_a_process_share_a_stream_and_a_pool(gpu: Gpu) -> None:
    tapes: list[CudaTape] = []

    def record() -> None:
        tapes.append(CudaTape())
        tapes[-1].record(lambda: None)

    for _ in range(12):
        thread = threading.Thread(target=record)
        thread.start()
        thread.join()
    assert len(gpu.used) == 12
    assert len(set(gpu.used)) == 1
    assert (gpu.streams, gpu.pools) == (1, 1)


def test_the_cause_is_said_and_thread_and_allocator_leave_the_capture(gpu: Gpu) -> None:
    one = Captures(0)
    with pytest.raises(RuntimeError, match="operation not permitted when stream is capturing") as caught:
        one.capture(Recorded(), refused)  # type: ignore[arg-type]
    assert caught.value.__context__ is None
    assert (gpu.stream, gpu.capturing, gpu.released) == ("default", [], [(0, 1)])
    assert one.pool is None, "what lies in the failed one may still be held"


def test_after_a_failure_nothing_more_is_captured_in_this_process(gpu: Gpu) -> None:
    assert failure() == ""
    with pytest.raises(RuntimeError, match="not permitted"):
        CudaTape().record(refused)
    assert failure() == "operation not permitted when stream is capturing"
    with pytest.raises(RuntimeError, match=r"^operation not permitted when stream is capturing$"):
        CudaTape().record(lambda: pytest.fail("it was captured"))


def test_a_lack_of_memory_forbids_nothing(gpu: Gpu) -> None:
    """The next trial may be smaller."""
    with pytest.raises(torch.cuda.OutOfMemoryError, match="20 MiB"):
        CudaTape().record(lacking)
    assert (gpu.stream, gpu.capturing, failure()) == ("default", [], "")
    CudaTape().record(lambda: None)


def test_an_end_that_fails_alone_is_a_failure_too(gpu: Gpu, monkeypatch: pytest.MonkeyPatch) -> None:
    """The body raised nothing, as where a library synchronised without an error."""

    def end(self: Graph, *error: Any) -> None:
        raise RuntimeError("CUDA error: capture was invalidated")

    monkeypatch.setattr(Graph, "__exit__", end)
    with pytest.raises(RuntimeError, match="was invalidated"):
        CudaTape().record(lambda: None)
    assert (gpu.stream, gpu.capturing) == ("default", [])
    assert failure() == "CUDA error: capture was invalidated"


def test_where_torch_has_cleared_up_itself_nothing_is_released_twice(gpu: Gpu, monkeypatch: pytest.MonkeyPatch) -> None:
    def end(self: Graph, *error: Any) -> None:
        self.gpu.capturing.remove(self.pool)
        self.gpu.stream = "default"

    monkeypatch.setattr(Graph, "__exit__", end)
    with pytest.raises(RuntimeError, match="not permitted"):
        CudaTape().record(refused)
    assert gpu.released == []


def test_an_interrupt_is_passed_on(gpu: Gpu) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        captures(0).capture(Recorded(), interrupted)  # type: ignore[arg-type]
    assert (gpu.stream, gpu.capturing, failure()) == ("default", [], "")


def test_what_the_failed_work_held_is_free_at_once(gpu: Gpu) -> None:
    """Tensors of a whole step lay in the frames of its error, until somebody collected garbage."""
    held: list[weakref.ref[Any]] = []

    def work() -> None:
        step = Recorded()
        held.append(weakref.ref(step))
        raise RuntimeError("not permitted")

    gc.disable()
    try:
        with contextlib.suppress(RuntimeError):
            Captures(0).capture(Recorded(), work)  # type: ignore[arg-type]
        assert held[0]() is None
    finally:
        gc.enable()


def test_no_garbage_is_collected_in_a_capture(gpu: Gpu) -> None:
    """A graph that dies then would break it."""
    seen: list[bool] = []
    one = Captures(0)
    for before in (True, False):
        (gc.enable if before else gc.disable)()
        try:
            one.capture(Recorded(), lambda: seen.append(gc.isenabled()))  # type: ignore[arg-type]
            assert gc.isenabled() == before
        finally:
            gc.enable()
    assert seen == [False, False]


def test_without_a_living_graph_the_pool_is_a_new_one(gpu: Gpu) -> None:
    """Torch does not take back a pool whose graphs are gone while a tensor in it lives."""
    one = Captures(0)
    first, second = Recorded(), Recorded()
    one.capture(first, lambda: None)  # type: ignore[arg-type]
    one.capture(second, lambda: None)  # type: ignore[arg-type]
    del first
    one.capture(Recorded(), lambda: None)  # type: ignore[arg-type]
    del second
    one.capture(Recorded(), lambda: None)  # type: ignore[arg-type]
    pools = [pool for pool, _ in gpu.used]
    assert pools[0] == pools[1] == pools[2] != pools[3]
