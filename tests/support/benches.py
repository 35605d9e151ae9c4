"""Latencies and speed-ups that are made up."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from hpmkd.bench.latency import CONTROL, Block, Settings, Turn, settings_json, turns_of, with_block
from hpmkd.store.latency_file import Latencies, Subject
from hpmkd.store.speedup_file import Speedups, TimedRun

SETTINGS = Settings(batch_sizes=(1, 8))


def latencies(
    seconds: Callable[[str, str, int], float], names: Sequence[str] = ("big", "middle", "small"),
    runtimes: Sequence[str] = ("eager", "onnx"), noise: float = 0.01, planted: float = 1.0, complete: bool = True,
) -> Latencies:  # fmt: skip
    """Networks of falling size; `seconds` by network, runtime and batch size; `planted`: times the control's."""
    draw = np.random.default_rng(0)
    subjects = [
        Subject(
            name, f"{name}.pt", "ab", roles=("student",), architecture="x", parameters=9 ** (len(names) - at),
            multiply_adds=4 ** (len(names) - at), bytes_of=dict.fromkeys(runtimes, 2**20 * (at + 1)),
        )
        for at, name in enumerate(names)
    ]  # fmt: skip
    block = Block("cpu", 1)
    for turn in turns_of([(name, runtime) for name in names for runtime in runtimes], names[-1], SETTINGS.batch_sizes):
        factor = planted if turn.name.endswith(CONTROL) else 1.0
        level = factor * seconds(turn.name.removesuffix(CONTROL), turn.runtime, turn.batch)
        block.rounds[turn] = [level * draw.normal(1, noise, size=50) for _ in range(20)]
        block.memory[Turn(turn.name, turn.runtime, turn.batch)] = 2**20 * turn.batch
    start = Latencies(settings_json(SETTINGS), {"hardware": "Some CPU"}, tuple(subjects), complete=complete)
    return with_block(start, block, SETTINGS, [])


def speedups(seconds: Callable[[int, int], float], workers: Sequence[int] = (1, 2, 4), path: float = 20.0) -> Speedups:
    """Three repeats; `seconds` by workers and repeat."""
    runs = [
        TimedRun(count, repeat, seconds=seconds(count, repeat), training=90.0, path=path if count == 1 else 3 * path)
        for repeat in (1, 2, 3) for count in workers
    ]  # fmt: skip
    return Speedups(
        "plan", {"hardware": "Some CPU"}, 1, workers=tuple(workers), repeats=3, models=7, runs=tuple(runs),
        weights={"a": "b"},
    )  # fmt: skip
