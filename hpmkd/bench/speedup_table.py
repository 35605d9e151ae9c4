"""Speed-ups summed up per number of workers."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from hpmkd.bench.scaling import efficiency, least_time, serial_fraction, speedup
from hpmkd.bench.statistics import LEVEL
from hpmkd.numeric import Estimate, fixed, is_defined, whole
from hpmkd.store.speedup_file import Speedups
from hpmkd.text_table import TextTable


@dataclass(frozen=True)
class Row:
    """With so many workers: means over repeats with 95 % intervals (Student's t; pairs of one repeat for all but the
    seconds). `least`: seconds that cannot be beaten, `most`: the speed-up that they allow."""

    workers: int
    repeats: int
    seconds: Estimate
    speedup: Estimate
    efficiency: Estimate
    serial: Estimate
    least: float
    most: float


def rows(found: Speedups) -> list[Row]:
    """In order of the workers; of repeats that have a run with one worker, too."""
    alone = {one.repeat: one.seconds for one in found.runs if one.workers == 1}
    path = critical_path(found)
    made = []
    for workers in found.workers:
        mine = {one.repeat: one.seconds for one in found.runs if one.workers == workers and one.repeat in alone}
        if not mine:
            continue
        gained = [speedup(alone[repeat], seconds) for repeat, seconds in mine.items()]
        base = statistics.fmean(alone[repeat] for repeat in mine)
        least = least_time(base, workers, path)
        made.append(
            Row(
                workers,
                len(mine),
                seconds=mean(list(mine.values())),
                speedup=mean(gained),
                efficiency=mean([efficiency(one, workers) for one in gained]),
                serial=mean([serial_fraction(one, workers) for one in gained]),
                least=least,
                most=speedup(base, least),
            )
        )
    return made


def critical_path(found: Speedups) -> float:
    """Seconds of the longest way through the plan: the median over the runs with one worker, where nobody disturbs."""
    paths = [one.path for one in found.runs if one.workers == 1]
    return statistics.median(paths) if paths else math.nan


def mean(values: Sequence[float]) -> Estimate:
    """With its interval; of one value there is none."""
    middle = statistics.fmean(values)
    if len(values) < 2 or not is_defined(middle):
        return Estimate(middle, math.nan, math.nan)
    from scipy import stats

    reach = float(stats.t.ppf((1 + LEVEL) / 2, len(values) - 1)) * statistics.stdev(values) / math.sqrt(len(values))
    return Estimate(middle, middle - reach, middle + reach)


def table(found: Speedups) -> TextTable:
    """For a terminal; behind ± is half of the 95 % interval."""
    cells = [
        [
            whole(one.workers), whole(one.repeats), fixed(one.seconds.value, 1), _half(one.seconds, 1),
            fixed(one.least, 1), fixed(one.speedup.value, 2), _half(one.speedup, 2), fixed(one.most, 2),
            fixed(one.efficiency.value, 2), fixed(one.serial.value, 3),
        ]
        for one in rows(found)
    ]  # fmt: skip
    headings = ("workers", "n", "seconds", "±", "least", "speed-up", "±", "at most", "efficiency", "serial")
    return TextTable("speed-up: means of repeats", headings, cells)


def _half(one: Estimate, digits: int) -> str:
    return fixed((one.high - one.low) / 2, digits)
