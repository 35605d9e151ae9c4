"""How latencies are taken and judged, on a machine and a clock that are made up."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hpmkd.bench.latency import (
    CONTROL,
    ROUNDS,
    Block,
    Settings,
    Turn,
    cells_of,
    controls_of,
    near_one,
    settings_json,
    take_turns,
    turns_of,
    with_block,
)  # fmt: skip
from hpmkd.numeric import Estimate
from hpmkd.store import latency_file
from hpmkd.store.latency_file import Latencies, Subject

SETTINGS = Settings(batch_sizes=(1, 8), runtimes=("eager", "onnx"))
BIG, SMALL = "big", "small"
NAMES = [(name, runtime) for name in (BIG, SMALL) for runtime in SETTINGS.runtimes]
Seconds = Callable[[str, int], float]


class Machine:
    """Answers as a worker does: `seconds` of a network and a batch size, times how slow the machine is by now."""

    def __init__(
        self, seconds: Seconds, drift: Callable[[int], float] = lambda call: 1.0, noise: float = 0.002
    ) -> None:
        self.seconds, self.drift, self.draw, self.noise = seconds, drift, random.Random(0), noise
        self.asked: list[tuple[str, Any]] = []
        self.calls = 0

    def ask(self, what: str, **values: Any) -> dict[str, Any]:
        self.asked.append((what, values))
        if what != "time":
            return {}
        made: list[int] = []
        end = math.inf if values["seconds"] is None else values["seconds"]
        while len(made) < values["count"] and sum(made) / 1e9 < end:
            self.calls += 1
            factor = self.drift(self.calls) * self.draw.gauss(1, 0.002)
            made.append(round(1e9 * factor * self.seconds(values["name"], values["batch"])))
        return {"nanoseconds": made}


def plain(name: str, batch: int) -> float:
    """4 ms and 1 ms per image."""
    return batch * (0.004 if name == BIG else 0.001)


def measured(**machines: Machine) -> tuple[Block, list[Turn]]:
    turns = turns_of(NAMES, SMALL, SETTINGS.batch_sizes)
    return Block("cpu", 1, take_turns(machines, turns, SETTINGS)), turns


def test_everything_takes_turns() -> None:
    machine = Machine(plain)
    block, turns = measured(eager=machine, onnx=machine)
    assert len(turns) == 2 * 2 * (2 + 1)
    asked = [(values["name"], values["batch"]) for what, values in machine.asked if what == "time"]
    rounds = [asked[at : at + len(turns)] for at in range(0, len(asked), len(turns))]
    assert len(rounds) == ROUNDS
    assert all(sorted(one) == sorted((turn.name, turn.batch) for turn in turns) for one in rounds)
    assert len({tuple(one) for one in rounds}) == ROUNDS, "in another order each time"
    first_time = [what for what, _ in machine.asked].index("time")
    assert {what for what, _ in machine.asked[:first_time]} == {"warm"}
    assert first_time == len(turns)
    assert {len(found) for found in block.rounds.values()} == {ROUNDS}


def test_how_many_calls() -> None:
    """1,000 at batch size 1 however long they take; at others no longer than the seconds, one per round at least."""
    slow = Machine(lambda name, batch: 0.02 * batch)
    block, _ = measured(eager=slow, onnx=slow)
    cells = cells_of(block, BIG, [])
    counts = {(cell.network, cell.batch): cell.measurements for cell in cells}
    assert counts[BIG, 1] == 1000
    # 5 s in 20 rounds are 0.25 s each: two calls of 0.16 s.
    assert counts[BIG, 8] == 2 * ROUNDS
    block, _ = measured(eager=Machine(lambda name, batch: 60.0), onnx=Machine(plain))
    assert {len(found) for turn, found in block.rounds.items() for found in found if turn.batch == 8} >= {1}


def test_numbers_of_a_block() -> None:
    machine = Machine(plain)
    block, _ = measured(eager=machine, onnx=machine)
    controls = controls_of(block, SMALL, 0.05)
    assert [one.trusted for one in controls] == [True] * 4
    cells = {(one.network, one.runtime, one.batch): one for one in cells_of(block, BIG, controls)}
    assert len(cells) == 8, "without those of the control"
    one = cells[SMALL, "onnx", 8]
    assert one.milliseconds[50].value == pytest.approx(8.0, rel=0.01)
    assert one.images_per_second.value == pytest.approx(1000, rel=0.01)
    assert one.speedup.value == pytest.approx(4.0, rel=0.01)
    assert cells[BIG, "onnx", 8].speedup == (1, 1, 1)
    every = np.sort(np.concatenate(block.rounds[Turn(SMALL, "eager", 1)]))
    assert cells[SMALL, "eager", 1].milliseconds[99].value == pytest.approx(1000 * every[989])


def test_a_drifting_machine_meets_all_alike() -> None:
    """It becomes three times as slow while it is measured; the control and the speed-up do not notice."""
    machine = Machine(plain, drift=lambda call: 1 + call / 5000)
    block, _ = measured(eager=machine, onnx=machine)
    assert machine.calls > 5000
    (control,) = [one for one in controls_of(block, SMALL, 0.1) if (one.runtime, one.batch) == ("eager", 1)]
    assert control.ratio.value == pytest.approx(1, abs=0.05)
    (cell,) = [one for one in cells_of(block, BIG, []) if (one.network, one.runtime, one.batch) == (SMALL, "eager", 1)]
    assert cell.speedup.value == pytest.approx(4, rel=0.1)


@pytest.mark.parametrize("factor", [1.2, 0.85])
def test_a_planted_slow_down_of_the_control_is_flagged(factor: float) -> None:
    """In one runtime the second copy is slower, or faster: its numbers are marked, those of the other are not."""
    planted = Machine(lambda name, batch: plain(name.removesuffix(CONTROL), batch) * (factor if CONTROL in name else 1))
    block, _ = measured(eager=planted, onnx=Machine(plain_control))
    controls = controls_of(block, SMALL, 0.05)
    assert {one.runtime: one.trusted for one in controls} == {"eager": False, "onnx": True}
    assert all(one.ratio.value == pytest.approx(factor, rel=0.01) for one in controls if one.runtime == "eager")
    assert {one.trusted for one in cells_of(block, BIG, controls) if one.runtime == "eager"} == {False}
    assert {one.trusted for one in cells_of(block, BIG, controls) if one.runtime == "onnx"} == {True}


def plain_control(name: str, batch: int) -> float:
    return plain(name.removesuffix(CONTROL), batch)


def test_noise_that_hides_the_truth_is_flagged_too() -> None:
    """The ratio may be near 1 by luck: an interval that is too wide is no evidence of it."""
    restless = Machine(plain_control)
    speeds: dict[int, float] = {}
    restless.drift = lambda call: speeds.setdefault(len(restless.asked), restless.draw.choice([1.0, 2.0]))
    block, _ = measured(eager=restless, onnx=restless)
    found = controls_of(block, SMALL, 0.05)
    assert not any(one.trusted for one in found)
    assert all(one.ratio.high - one.ratio.low > 0.1 for one in found)


def test_near_one() -> None:
    assert near_one(Estimate(1.0, 0.96, 1.05), 0.05)
    assert not near_one(Estimate(1.0, 0.95, 1.05), 0.05)
    assert not near_one(Estimate(1.0, 0.96, 1.06), 0.05)
    assert not near_one(Estimate(1.0, math.nan, math.nan), 0.05)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    machine = Machine(plain)
    block, turns = measured(eager=machine, onnx=machine)
    block.memory = dict.fromkeys(turns, 1234)
    subjects = [
        Subject(name, f"{name}.pt", "ab", roles=("student",), architecture="x", parameters=1, multiply_adds=count,
                bytes_of={"eager": 5})
        for name, count in ((BIG, 20), (SMALL, 10))
    ]  # fmt: skip
    start = Latencies(settings_json(SETTINGS), {"hardware": "h"}, tuple(subjects))
    found = with_block(start, block, SETTINGS, ["other processes use 30 %"])
    latency_file.write(found, tmp_path / "l.json")
    again = latency_file.read(tmp_path / "l.json")
    assert again is not None
    assert str(again) == str(found)
    assert (again.warnings, again.blocks()) == (["other processes use 30 %"], {("cpu", 1)})
    assert len(again.cells) == 8
    assert all(cell.memory == 1234 for cell in again.cells)
    assert latency_file.read(tmp_path / "none.json") is None
