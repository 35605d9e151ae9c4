"""Jobs that wait give the same one as a look at all of them, without that look."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from support.plans import plan

from hpmkd.plan.job import Job
from hpmkd.plan.waiting import Waiting

JOBS = plan(1, ["Direct", "TAKD", "HPM-KD"], 2)
KEYS = [job.key for job in JOBS]


def by_a_look_at_all(order: list[Job], done: set[str], over: set[str], held: set[str]) -> Job | None:
    """The first that is not over, whose parents are there and which may run."""
    for job in order:
        if job.key not in done | over | held and all(parent.key in done for parent in job.parents):
            return job
    return None


@settings(max_examples=80)
@given(st.permutations(JOBS), st.sets(st.sampled_from(KEYS)), st.data())
def test_it_gives_what_a_look_at_all_gives(order: list[Job], done: set[str], data: Any) -> None:
    waiting, over = Waiting(order, done), set[str]()
    for _ in range(2 * len(JOBS)):
        held = data.draw(st.sets(st.sampled_from(KEYS), max_size=2))  # what must wait for something that runs
        found = waiting.first(lambda job: job.key in done | over, lambda job, held=held: job.key not in held)  # type: ignore[misc]
        assert found == by_a_look_at_all(order, done, over, held)
        assert waiting.is_empty(lambda job: job.key in done | over) == (set(KEYS) <= done | over)
        key = data.draw(st.sampled_from(KEYS))
        if data.draw(st.booleans()):
            over.add(key)
        elif key not in done:
            done.add(key)
            waiting.made(key)


def test_nobody_asks_those_whose_parents_are_missing() -> None:
    """Thousands of students wait for the last teacher; each look at them all would be a square of their number."""
    jobs = plan(1, ["TraditionalKD"], 500)
    students = [job for job in jobs if job.role == "student"]
    waiting, asked = Waiting(students, set()), list[str]()
    for _ in range(500):
        assert waiting.first(lambda job: asked.append(job.key) is not None, lambda job: True) is None
    assert asked == []
    for parent in students[0].parents:
        waiting.made(parent.key)
    assert waiting.first(lambda job: False, lambda job: True) == students[0]
