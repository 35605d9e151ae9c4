"""Measures latencies: what is compared takes turns, in rounds, so that a slow moment of the machine meets all alike.

A block is a device with a number of threads. In it each runtime has a process of its own; in each round every network
in every runtime with every batch size has one turn, in an order that is drawn anew. One network is there twice: the
control. `tests/benchmarks/latency_processes.py` shows why one process for all runtimes will not do.
"""

from __future__ import annotations

import datetime
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

import numpy as np

from hpmkd.bench import statistics
from hpmkd.bench.networks import Network
from hpmkd.bench.prepared import Prepared
from hpmkd.bench.processes import Timer
from hpmkd.numeric import UNKNOWN, Estimate
from hpmkd.store.latency_file import Cell, Control, Latencies, Subject

ROUNDS = 20
WARM_CALLS, WARM_SECONDS = 10, 0.2
CONTROL = " (control)"


@dataclass(frozen=True)
class Settings:
    """What is asked for.

    Args:
        batch_sizes, threads, runtimes, devices: what is varied; on a GPU the first number of threads only.
        measurements: of each network at batch size 1; at most as many at others.
        seconds: of each network at each other batch size, in all rounds together.
        tolerance: the control's ratio and its interval must lie within 1 / (1 + x) and 1 + x.
    """

    batch_sizes: tuple[int, ...] = (1, 8, 32, 128)
    threads: tuple[int, ...] = (1,)
    runtimes: tuple[str, ...] = ("eager", "export", "onnx")
    devices: tuple[str, ...] = ("cpu",)
    measurements: int = 1000
    seconds: float = 5.0
    tolerance: float = 0.05


@dataclass(frozen=True)
class Turn:
    """Who is measured: a network under the name that its worker knows, in a runtime, with a batch size."""

    name: str
    runtime: str
    batch: int


@dataclass
class Block:
    """What a block found: seconds by turn, an array per round; and how much memory each network takes."""

    device: str
    threads: int
    rounds: dict[Turn, list[np.ndarray]] = field(default_factory=dict)
    memory: dict[Turn, int | None] = field(default_factory=dict)

    @property
    def words(self) -> str:
        """`cpu, 2 threads`."""
        return f"{self.device}, {self.threads} thread{'s' * (self.threads != 1)}"


def control_of(networks: Sequence[Network]) -> Network:
    """Which one is measured twice: the one of the fewest multiply-adds, whose latency noise changes most."""
    return min(networks, key=lambda one: one.multiply_adds)


def load(timers: Mapping[str, Timer], prepared: Iterable[Prepared], control: str) -> dict[str, str]:
    """Gives each worker its networks; by runtime the version of its library."""
    versions = {}
    for one in prepared:
        names = [one.network.name] + [one.network.name + CONTROL] * (one.network.name == control)
        for name in names:
            values = {"name": name, "runtime": one.runtime, "path": str(one.path), "shape": one.network.shape}
            versions[one.runtime] = str(timers[one.runtime].ask("load", **values)["version"])
    return versions


def take_turns(
    timers: Mapping[str, Timer],
    turns: Sequence[Turn],
    settings: Settings,
    tell: Callable[[int, int], None] = lambda done, of: None,
) -> dict[Turn, list[np.ndarray]]:
    """Seconds of each turn, an array per round. `tell`: is told how many rounds are done, of how many."""
    for turn in turns:
        timers[turn.runtime].ask("warm", name=turn.name, batch=turn.batch, calls=WARM_CALLS, seconds=WARM_SECONDS)
    found: dict[Turn, list[np.ndarray]] = {turn: [] for turn in turns}
    draw = random.Random(0)
    for number in range(ROUNDS):
        for turn in draw.sample(turns, len(turns)):
            answer = timers[turn.runtime].ask("time", name=turn.name, batch=turn.batch, **_amount(turn.batch, settings))
            found[turn].append(np.array(answer["nanoseconds"], dtype=np.float64) / 1e9)
        tell(number + 1, ROUNDS)
    return found


def _amount(batch: int, settings: Settings) -> dict[str, int | float | None]:
    """Of a turn: how many calls, and for how long at most."""
    count = -(-settings.measurements // ROUNDS)
    return {"count": count, "seconds": None if batch == 1 else settings.seconds / ROUNDS}


def turns_of(names: Iterable[tuple[str, str]], control: str, batch_sizes: Iterable[int]) -> list[Turn]:
    """Of (network, runtime): one per batch size, and those of the control."""
    sizes = list(batch_sizes)
    made = []
    for name, runtime in names:
        for each in [name] + [name + CONTROL] * (name == control):
            made += [Turn(each, runtime, batch) for batch in sizes]
    return made


def controls_of(block: Block, control: str, tolerance: float) -> list[Control]:
    """Whether the control equals itself, per runtime and batch size."""
    made = []
    for turn, rounds in block.rounds.items():
        if turn.name != control + CONTROL:
            continue
        ratio = statistics.ratio(rounds, block.rounds[replace(turn, name=control)])
        made.append(
            Control(
                control, turn.runtime, block.device, threads=block.threads, batch=turn.batch, ratio=ratio,
                trusted=near_one(ratio, tolerance),
            )
        )  # fmt: skip
    return made


def near_one(ratio: Estimate, tolerance: float) -> bool:
    """Whether the whole interval lies within 1 / (1 + tolerance) and 1 + tolerance; without one it is not known."""
    return ratio.low >= 1 / (1 + tolerance) and ratio.high <= 1 + tolerance


def cells_of(block: Block, reference: str, controls: Iterable[Control]) -> list[Cell]:
    """The numbers of a block, without those of the control."""
    trusted = {(one.runtime, one.batch): one.trusted for one in controls}
    made = []
    for turn, rounds in block.rounds.items():
        if turn.name.endswith(CONTROL):
            continue
        shares = statistics.percentiles(rounds)
        base = block.rounds.get(replace(turn, name=reference))
        made.append(
            Cell(
                turn.name,
                turn.runtime,
                block.device,
                threads=block.threads,
                batch=turn.batch,
                measurements=sum(map(len, rounds)),
                rounds=len(rounds),
                milliseconds={share: _thousand(one) for share, one in shares.items()},
                images_per_second=statistics.throughput(rounds, turn.batch),
                speedup=UNKNOWN if base is None else statistics.ratio(base, rounds),
                memory=block.memory.get(turn),
                trusted=trusted.get((turn.runtime, turn.batch), False),
            )
        )
    return made


def _thousand(one: Estimate) -> Estimate:
    return Estimate(*(1000 * value for value in one))


def subjects_of(prepared: Iterable[Prepared]) -> list[Subject]:
    """The networks, with the bytes of each runtime's file."""
    made: dict[str, Subject] = {}
    for one in prepared:
        network = one.network
        first = made.get(network.name)
        sizes = {**(first.bytes_of if first else {}), one.runtime: one.size}
        shape = "x".join(map(str, network.shape))
        text = f"{network.spec.arch} {'-'.join(map(str, network.spec.channels))}, {shape}, {network.spec.classes}"
        made[network.name] = Subject(
            network.name, network.path.name, network.weights, roles=network.roles, architecture=f"{text} classes",
            parameters=network.parameters, multiply_adds=network.multiply_adds, bytes_of=sizes,
        )  # fmt: skip
    return list(made.values())


def with_block(found: Latencies, block: Block, settings: Settings, quiet: Sequence[str]) -> Latencies:
    """The same with what a block found."""
    networks = {one.name: one.multiply_adds for one in found.subjects}
    control, reference = min(networks, key=networks.__getitem__), max(networks, key=networks.__getitem__)
    controls = controls_of(block, control, settings.tolerance)
    return replace(
        found,
        cells=(*found.cells, *cells_of(block, reference, controls)),
        controls=(*found.controls, *controls),
        quiet={**found.quiet, block.words: list(quiet)},
        made=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )


def settings_json(settings: Settings) -> dict[str, object]:
    """As they are kept; what is equal was measured in the same way."""
    values = {name: list(one) if isinstance(one, tuple) else one for name, one in asdict(settings).items()}
    return {**values, "rounds": ROUNDS, "compiled": False, "memory_format": "NCHW", "precision": "fp32"}
