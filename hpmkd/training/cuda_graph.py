"""Steps as CUDA graphs: a step's kernels are recorded once and started as one, so that a GPU need not wait for Python.

A small network's step is some hundred kernels of microseconds each; started one by one they take as long as Python
takes to start them. What changes from step to step lies in memory that the recorded kernels read: which images in which
views, mixup's weight, the progress, the learning rate.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from hpmkd.training.captures import captures
from hpmkd.training.device import lacks_memory
from hpmkd.training.step import Step

_WARM = 3  # steps before a recording: lazy kernels are loaded, the optimiser has its state


class Tape(Protocol):
    """What can be recorded once and played again and again."""

    def warm(self, work: Callable[[], None]) -> None:
        """Does the work, in the way that a recording needs before it."""

    def record(self, work: Callable[[], None]) -> None:
        """Records the work without doing it. RuntimeError where it cannot be recorded."""

    def play(self) -> None:
        """Does what was recorded, with what lies in its memory now."""


class CudaTape:
    """A CUDA graph; all of a process share what `captures` says of them."""

    def __init__(self) -> None:
        self._graph = torch.cuda.CUDAGraph()
        self._captures = captures(torch.cuda.current_device())

    def warm(self, work: Callable[[], None]) -> None:
        """See `Tape`. On a stream of its own, as torch's notes on CUDA graphs ask for."""
        side = self._captures.stream
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            work()
        torch.cuda.current_stream().wait_stream(side)

    def record(self, work: Callable[[], None]) -> None:
        """See `Tape`; other threads of the process may go on using the GPU."""
        self._captures.capture(self._graph, work)

    def play(self) -> None:
        """See `Tape`."""
        self._graph.replay()


@dataclass
class _Recording:
    """A tape with the memory that it reads, and how often its step was done before it is recorded."""

    tape: Tape
    index: Tensor
    view: Tensor
    weight: Tensor
    progress: Tensor
    taught: bool
    warm: int = 0
    ready: bool = False


class GraphedStep(Step):
    """A `Step` that is recorded for each size of a batch, with and without teachers, and played from then on.

    Where a step cannot be recorded, this and all further ones are done one by one; `fallback` says why.
    """

    def __init__(self, *given: Any, tape: Callable[[], Tape] = CudaTape, **named: Any) -> None:
        super().__init__(*given, **named)
        self._tape, self._recordings = tape, dict[tuple[int, bool], _Recording]()
        self.fallback = ""

    @property
    def description(self) -> str:
        """See `Step`."""
        return f"one by one: {self.fallback}" if self.fallback else "recorded as a CUDA graph"

    def begin(self) -> None:
        """An epoch begins. The sums stay where they are: recorded kernels add to them."""
        for total in self.sums.values():
            total.zero_()

    def __call__(self, index: Tensor, view: Tensor, weight: float, progress: float) -> None:
        """See `Step`."""
        taught = self.distiller.taught(progress)
        if self.fallback:
            self.run(index, view, weight, progress, taught=taught)
            return
        recording = self._recording(index, view, taught)
        recording.index.copy_(index)
        recording.view.copy_(view)
        recording.weight.fill_(weight)
        recording.progress.fill_(progress)
        self._work(recording)

    def repeat(self, work: Callable[[], None], times: int) -> None:
        """See `Step`; recorded, too."""
        tape = self._tape()
        for number in range(times):
            if self.fallback:
                work()
            elif number < _WARM:
                tape.warm(work)
            else:
                self._play_again(tape, work, first=number == _WARM)

    def _play_again(self, tape: Tape, work: Callable[[], None], first: bool) -> None:
        if first and not self._recorded(tape, work):
            work()
            return
        tape.play()

    def _recorded(self, tape: Tape, work: Callable[[], None]) -> bool:
        """Records the work; False, with `fallback` said, where that cannot be done."""
        try:
            tape.record(work)
        except RuntimeError as error:
            if lacks_memory(error):
                raise  # the next attempt has a larger share; steps one by one would need as much
            self.fallback = next(iter(str(error).splitlines()), type(error).__name__)
            warnings.warn(f"steps are not recorded as a CUDA graph: {self.fallback}", stacklevel=2)
            return False
        return True

    def _recording(self, index: Tensor, view: Tensor, taught: bool) -> _Recording:
        key = (len(index), taught)
        if key not in self._recordings:
            weight, progress = (torch.zeros((), device=self.device) for _ in range(2))
            self._recordings[key] = _Recording(
                self._tape(), index.clone(), view=view.clone(), weight=weight, progress=progress, taught=taught
            )
        return self._recordings[key]

    def _work(self, recording: _Recording) -> None:
        def work() -> None:
            self.run(recording.index, recording.view, recording.weight, recording.progress, taught=recording.taught)

        if recording.warm < _WARM:
            recording.warm += 1
            recording.tape.warm(work)
            return
        self._play_again(recording.tape, work, first=not recording.ready)
        recording.ready = True
