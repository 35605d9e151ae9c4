"""Whether a machine is quiet enough to measure on: others' work, limits of the container, frequency, heat.

Two readings are compared: of a moment before a measurement, and of its start and end. What cannot be read here is said,
too: a virtual machine shows neither frequency nor heat.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

OTHERS = 0.05  # of the cores that we may use: a twentieth is noticed in the tail of latencies
STOLEN = 0.01  # of their time, that the host of a virtual machine took
MOMENT = 1.0  # seconds
_SYSTEM = Path("/sys")


@dataclass(frozen=True)
class Reading:
    """At one time.

    Args:
        seconds: of a clock.
        busy, stolen: CPU seconds of all cores that we may use since the machine's start; None: not readable.
        own: those of this process and its workers.
        throttled: how often the container's quota, heat: how often the processor's temperature has slowed it down.
    """

    seconds: float
    busy: float | None
    stolen: float
    own: float
    cores: int
    throttled: int | None = None
    heat: int | None = None


@dataclass(frozen=True)
class Quiet:
    """`warnings`: what is not as it should be; `facts`: what is known of the machine's state, by name."""

    warnings: tuple[str, ...]
    facts: Mapping[str, str] = field(default_factory=dict)


def read(workers: Iterable[int] = (), system: Path = _SYSTEM) -> Reading:
    """Now. `workers`: the ids of our own processes."""
    allowed = _allowed()
    busy = stolen = None
    with contextlib.suppress(OSError, psutil.Error, RuntimeError):
        times = psutil.cpu_times(percpu=True)
        mine = [one for place, one in enumerate(times) if place in allowed] or times
        stolen = sum(getattr(one, "steal", 0.0) for one in mine)
        # A guest's time is counted in `user` already.
        parts = ("user", "nice", "system", "irq", "softirq")
        busy = sum(getattr(one, part, 0.0) for one in mine for part in parts)
    own = sum(_own(number) for number in (os.getpid(), *workers))
    return Reading(
        time.monotonic(), busy, stolen or 0.0, own=own, cores=len(allowed), throttled=_throttled(system),
        heat=_sum(system.glob("devices/system/cpu/cpu*/thermal_throttle/core_throttle_count")),
    )  # fmt: skip


def now(look: Callable[[], Reading] = read, wait: Callable[[float], None] = time.sleep) -> Quiet:
    """Looks for a moment, in which we do nothing."""
    before = look()
    wait(MOMENT)
    made = compare(before, look())
    return Quiet((*made.warnings, *_limits(before.cores)), {**made.facts, **facts()})


def compare(before: Reading, after: Reading) -> Quiet:
    """What happened between two readings."""
    warnings, known = [], {}
    span = max(1e-9, (after.seconds - before.seconds)) * after.cores
    if before.busy is None or after.busy is None or after.busy == before.busy:
        known["others"] = "not readable"
    else:
        others = max(0.0, after.busy - before.busy - (after.own - before.own)) / span
        known["others"] = f"{others:.1%} of {after.cores} cores"
        if others > OTHERS:
            warnings.append(f"other processes use {known['others']} ({_busiest()})")
    stolen = (after.stolen - before.stolen) / span
    if stolen > STOLEN:
        warnings.append(f"the host of this virtual machine took {stolen:.1%} of its time")
    if (after.throttled or 0) > (before.throttled or 0):
        warnings.append(
            f"the container's CPU quota stopped us {(after.throttled or 0) - (before.throttled or 0)} times"
        )
    if (after.heat or 0) > (before.heat or 0):
        warnings.append("the processor slowed down because it was hot")
    known["heat"] = "not readable" if after.heat is None else f"{after.heat - (before.heat or 0)} slow-downs"
    return Quiet(tuple(warnings), known)


def facts(system: Path = _SYSTEM) -> dict[str, str]:
    """Frequency governor, turbo, temperature and load, where they can be read."""
    found = {"load": " ".join(f"{one:.2f}" for one in os.getloadavg())} if hasattr(os, "getloadavg") else {}
    governors = {_text(path) for path in system.glob("devices/system/cpu/cpu*/cpufreq/scaling_governor")}
    found["governor"] = ", ".join(sorted(filter(None, governors))) or "not readable"
    boost, off = (_text(system / "devices/system/cpu" / name) for name in ("cpufreq/boost", "intel_pstate/no_turbo"))
    found["turbo"] = "on" if boost == "1" or off == "0" else "off" if boost == "0" or off == "1" else "not readable"
    return found


def _limits(cores: int, system: Path = _SYSTEM) -> list[str]:
    """What is wrong whether others work or not."""
    made = []
    quota = quota_of(system)
    if quota is not None and quota < cores:
        made.append(f"the container's quota is {quota:g} cores, of {cores}: a call can be stopped in its middle")
    governor = facts(system)["governor"]
    if governor not in ("not readable", "performance"):
        made.append(f"the frequency follows the load (governor {governor}; performance would hold it)")
    return made


def quota_of(system: Path = _SYSTEM) -> float | None:
    """Cores that a container may use on average, by cgroup v2 or v1; None: no limit, or not readable."""
    words = (_text(system / "fs/cgroup/cpu.max") or "").split()
    if len(words) != 2:
        words = [_text(system / f"fs/cgroup/cpu/cpu.cfs_{name}_us") or "" for name in ("quota", "period")]
    try:
        quota, period = map(float, words)
    except ValueError:
        return None
    return quota / period if quota > 0 and period > 0 else None


def _throttled(system: Path) -> int | None:
    for path in (system / "fs/cgroup/cpu.stat", system / "fs/cgroup/cpu/cpu.stat"):
        for line in (_text(path) or "").splitlines():
            name, _, value = line.partition(" ")
            if name == "nr_throttled" and value.isdigit():
                return int(value)
    return None


def _busiest() -> str:
    """The commands that have used most CPU time of those at work, ours left out."""
    own = {os.getpid(), *(child.pid for child in psutil.Process().children(recursive=True))}
    found = []
    for process in psutil.process_iter(["pid", "name", "cpu_times", "status"]):
        info = process.info
        if info["pid"] not in own and info["cpu_times"] and info["status"] == psutil.STATUS_RUNNING:
            found.append((info["cpu_times"].user, str(info["name"])))
    names = list(dict.fromkeys(name for _, name in sorted(found, reverse=True)))
    return f"at work: {', '.join(names[:3])}" if names else "which ones was not seen"


def _allowed() -> set[int]:
    if hasattr(os, "sched_getaffinity"):
        return set(os.sched_getaffinity(0))
    return set(range(psutil.cpu_count() or 1))


def _own(number: int) -> float:
    try:
        times = psutil.Process(number).cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system)


def _sum(paths: Iterable[Path]) -> int | None:
    values = [int(text) for path in paths if (text := _text(path)) and text.isdigit()]
    return sum(values) if values else None


def _text(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return None
