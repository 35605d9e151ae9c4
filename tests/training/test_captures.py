"""Captures that fail, with stand-ins for CUDA's streams and torch's C++ side: what must be undone is undone there."""

from __future__ import annotations

import threading
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
        "CUDAGraph": object,
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
    for _ in range(12):
        thread = threading.Thread(target=lambda: CudaTape().record(lambda: None))
        thread.start()
        thread.join()
    assert len(gpu.used) == 12
    assert len(set(gpu.used)) == 1
    assert (gpu.streams, gpu.pools) == (1, 1)


def test_the_cause_is_said_and_thread_and_allocator_leave_the_capture(gpu: Gpu) -> None:
    one = Captures(0)
    pool = one.pool
    with pytest.raises(RuntimeError, match="operation not permitted when stream is capturing") as caught:
        one.capture(object(), refused)  # type: ignore[arg-type]
    assert caught.value.__suppress_context__
    assert (gpu.stream, gpu.capturing, gpu.released) == ("default", [], [pool])
    assert one.pool != pool, "what lies in the failed one may still be held"


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
        captures(0).capture(object(), interrupted)  # type: ignore[arg-type]
    assert (gpu.stream, gpu.capturing, failure()) == ("default", [], "")
