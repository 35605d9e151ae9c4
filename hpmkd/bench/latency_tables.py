"""Latencies as tables for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from hpmkd.bench.statistics import LEVEL
from hpmkd.numeric import MISSING, Estimate, fixed, is_defined, whole
from hpmkd.store.latency_file import SHARES, Cell, Latencies
from hpmkd.text_table import TextTable

_MIB = 2**20


def tables(found: Latencies) -> list[TextTable]:
    """The networks, and a table per device and number of threads."""
    made = [_networks(found)]
    for device, threads in dict.fromkeys((one.device, one.threads) for one in found.cells):
        mine = [one for one in found.cells if (one.device, one.threads) == (device, threads)]
        mine.sort(key=lambda cell: cell.batch)
        where = f"{device}, {threads} thread{'s' * (threads != 1)}"
        made += [_times(f"{where}: milliseconds per call", mine), _rates(f"{where}: throughput and memory", mine)]
    return made


def _networks(found: Latencies) -> TextTable:
    runtimes = list(dict.fromkeys(name for one in found.subjects for name in one.bytes_of))
    rows = [
        [
            one.name, whole(one.parameters), whole(one.multiply_adds),
            *(size(one.bytes_of[name]) if name in one.bytes_of else MISSING for name in runtimes),
        ]
        for one in found.subjects
    ]  # fmt: skip
    return TextTable(
        "networks", ("network", "parameters", "multiply-adds", *(f"{name} MiB" for name in runtimes)), rows
    )


def _times(title: str, cells: Sequence[Cell]) -> TextTable:
    rows = []
    for one in cells:
        first, *others = (one.milliseconds[share] for share in SHARES)
        times = [digits(value) for value in (first.value, first.low, first.high, *(other.value for other in others))]
        rows.append([one.network, one.runtime, whole(one.batch), *times, _mark(one)])
    headings = ("network", "runtime", "batch", "median", "from", "to", *(f"p{share}" for share in SHARES[1:]), "?")
    return TextTable(title, headings, rows, words=("runtime",))


def _rates(title: str, cells: Sequence[Cell]) -> TextTable:
    rows = []
    for one in cells:
        gain = [fixed(value, 2) for value in one.speedup]
        memory = MISSING if one.memory is None else size(one.memory)
        speed = fixed(one.images_per_second.value, 0)
        rows.append([one.network, one.runtime, whole(one.batch), speed, *gain, _mark(one), memory])
    headings = ("network", "runtime", "batch", "images/s", "speed-up", "from", "to", "?", "peak MiB")
    return TextTable(title, headings, rows, words=("runtime",))


def _mark(one: Cell) -> str:
    """Beside numbers that are not to be trusted."""
    return "" if one.trusted else "?"


def size(count: float) -> str:
    """Bytes in MiB."""
    return fixed(count / _MIB, 2)


def digits(value: float) -> str:
    """Three significant digits."""
    if not is_defined(value):
        return MISSING
    return fixed(value, 3 if abs(value) < 1 else 2 if abs(value) < 10 else 1)


def interval(one: Estimate) -> str:
    """`1.23 [1.20, 1.31]`."""
    if not is_defined(one.low):
        return digits(one.value)
    return f"{digits(one.value)} [{digits(one.low)}, {digits(one.high)}]"


def remarks(found: Latencies) -> list[str]:
    """What must be known beside the tables; the most important first."""
    made = []
    wrong = [one for one in found.controls if not one.trusted]
    if wrong:
        worst = max(wrong, key=lambda one: one.ratio.high - one.ratio.low)
        made.append(
            f"not to be trusted (marked ?): in {len(wrong)} of {len(found.controls)} cases the same network, measured "
            f"twice, is not equal to itself within {float(found.settings['tolerance']):.0%}; {worst.network} in "
            f"{worst.runtime} at batch size {worst.batch}: ratio {interval(worst.ratio)}. Measure on a quieter machine."
        )
    elif found.controls:
        made.append(
            f"control: the same network, measured twice, is equal to itself within "
            f"{float(found.settings['tolerance']):.0%} in all {len(found.controls)} cases."
        )
    made += [f"not measured: {text}" for text in found.left_out]
    made.append(
        f"median with its {LEVEL:.0%} interval (bootstrap over rounds); speed-up: of medians, against the network of "
        "the most multiply-adds; peak: memory beside weights and input. Not compiled; fp32, NCHW."
    )
    return made
