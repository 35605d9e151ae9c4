"""Whether a machine is quiet: readings that are made up, and files of a system that is made up."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hpmkd.bench import quiet
from hpmkd.bench.quiet import Reading, compare, facts, now, quota_of, read

BEFORE = Reading(seconds=100.0, busy=50.0, stolen=1.0, own=10.0, cores=4, throttled=3, heat=0)


def after(**more: float) -> Reading:
    return replace(BEFORE, seconds=110.0, **more)


def test_work_of_others_is_told_from_our_own() -> None:
    # 10 s of 4 cores; 10 s of ours and 1 s of others': 2.5 %.
    assert compare(BEFORE, after(busy=61.0, own=20.0)).warnings == ()
    found = compare(BEFORE, after(busy=65.0, own=20.0))
    assert found.warnings[0].startswith("other processes use 12.5% of 4 cores")
    assert compare(BEFORE, after(busy=65.0, own=10.0)).warnings[0].startswith("other processes use 37.5%")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"stolen": 3.0}, "took 5.0% of its time"),
        ({"throttled": 5}, "CPU quota stopped us 2 times"),
        ({"heat": 1}, "because it was hot"),
    ],
)
def test_what_else_is_noticed(change: dict[str, float], words: str) -> None:
    quiet_one = after(busy=51.0, own=11.0)
    assert compare(BEFORE, quiet_one).warnings == ()
    (warning,) = compare(BEFORE, replace(quiet_one, **change)).warnings
    assert words in warning


def test_what_cannot_be_read_is_said() -> None:
    found = compare(replace(BEFORE, busy=None, heat=None), replace(after(), busy=None, heat=None))
    assert (found.warnings, found.facts) == ((), {"others": "not readable", "heat": "not readable"})


def put(system: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = system / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return system


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, None),
        ({"fs/cgroup/cpu.max": "max 100000\n"}, None),
        ({"fs/cgroup/cpu.max": "150000 100000\n"}, 1.5),
        ({"fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n", "fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"}, None),
        ({"fs/cgroup/cpu/cpu.cfs_quota_us": "50000\n", "fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"}, 0.5),
    ],
)
def test_quotas_of_both_kinds(files: dict[str, str], cores: float | None, tmp_path: Path) -> None:
    assert quota_of(put(tmp_path, files)) == cores


def test_frequency_and_heat(tmp_path: Path) -> None:
    cpu = "devices/system/cpu"
    system = put(
        tmp_path,
        {
            f"{cpu}/cpu0/cpufreq/scaling_governor": "powersave\n",
            f"{cpu}/cpu1/cpufreq/scaling_governor": "powersave\n",
            f"{cpu}/intel_pstate/no_turbo": "0\n",
            f"{cpu}/cpu0/thermal_throttle/core_throttle_count": "2\n",
            f"{cpu}/cpu1/thermal_throttle/core_throttle_count": "3\n",
            "fs/cgroup/cpu.stat": "nr_periods 9\nnr_throttled 4\n",
        },
    )
    found = facts(system)
    assert (found["governor"], found["turbo"]) == ("powersave", "on")
    reading = read(system=system)
    assert (reading.heat, reading.throttled) == (5, 4)
    assert "governor powersave" in " ".join(quiet._limits(2, system))
    assert facts(tmp_path / "none")["governor"] == "not readable"


def test_before_a_measurement_it_looks_for_a_moment() -> None:
    readings = iter([BEFORE, after(busy=80.0, own=10.0)])
    waited: list[float] = []
    found = now(lambda: next(readings), waited.append)
    assert waited == [quiet.MOMENT]
    assert any("other processes use 75.0%" in text for text in found.warnings)
    assert {"others", "heat", "governor", "turbo"} <= set(found.facts)


def test_this_machine_can_be_read() -> None:
    reading = read()
    assert reading.cores >= 1
    assert reading.own > 0
