"""Speed-up, efficiency, Karp and Flatt's fraction and the bound, by hand."""

from __future__ import annotations

import math

import pytest
from support.builders import make_config, make_jobs

from hpmkd.bench.scaling import critical_path, efficiency, least_time, serial_fraction, speedup


def test_by_hand() -> None:
    # Karp & Flatt 1990: 100 s alone, 40 s with 4 workers: S = 2.5, E = 0.625, e = (0.4 - 0.25) / 0.75 = 0.2.
    gained = speedup(100.0, 40.0)
    assert gained == 2.5
    assert efficiency(gained, 4) == 0.625
    assert serial_fraction(gained, 4) == pytest.approx(0.2)
    # Amdahl's law with that fraction gives the same speed-up back.
    assert pytest.approx(gained) == 1 / (0.2 + 0.8 / 4)
    assert serial_fraction(8.0, 8) == pytest.approx(0.0)
    assert serial_fraction(1.0, 8) == pytest.approx(1.0)
    assert math.isnan(serial_fraction(1.0, 1))
    assert math.isnan(speedup(1.0, 0.0))


@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("workers", [2, 4, 8])
def test_a_planted_serial_part_is_found(part: float, workers: int) -> None:
    together = 60.0 * (part + (1 - part) / workers)
    assert serial_fraction(speedup(60.0, together), workers) == pytest.approx(part)


def test_the_longest_way_through_the_plan() -> None:
    jobs = make_jobs(make_config(baselines=["Direct", "TraditionalKD", "TAKD"], runs=2))
    seconds = dict.fromkeys(jobs, 1.0)
    teacher = next(key for key, job in jobs.items() if job.role == "teacher")
    assistant = next(key for key, job in jobs.items() if job.role == "assistant")
    seconds |= {teacher: 10.0, assistant: 5.0}
    students = [job for job in jobs.values() if job.baseline == "TAKD" and job.role == "student"]
    seconds[students[0].key] = 2.5
    caches = sum(job.role == "logits" for job in jobs.values())
    # The teacher, its cache where it has one, the assistant, its cache, and the slower student.
    assert critical_path(jobs.values(), seconds) == 10 + 5 + 2.5 + min(caches, 2)
    del seconds[students[0].key]
    assert critical_path(jobs.values(), seconds) == 10 + 5 + 1 + min(caches, 2)
    assert critical_path(jobs.values(), {}) == 0


def test_the_bound_is_the_larger_of_both() -> None:
    assert least_time(100.0, 2, 30.0) == 50.0
    assert least_time(100.0, 8, 30.0) == 30.0
    assert least_time(100.0, 8, math.nan) == 12.5
