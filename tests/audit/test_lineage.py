"""With which teacher a network is compared: the first of those above it, else of its data set, condition and pair."""

from __future__ import annotations

import random
import time

import pytest

from hpmkd.audit.lineage import ancestors, reference_teachers
from hpmkd.store.sidecar import Header


def header(role: str, dataset: str, run: int | None, parents: list[str]) -> Header:
    meta = {"role": role, "dataset": dataset, "condition": None, "pair": None, "run": run}
    return Header("", 0, 90.0, 1.0, "", {**meta, "parents": dict.fromkeys(parents, "weights")})


def made_up(seed: int) -> dict[str, Header]:
    """Some teachers, of all runs or of one; assistants below them; students below any of these, or below none."""
    chance, found = random.Random(seed), dict[str, Header]()
    for number in range(12):
        role = chance.choice(["teacher", "assistant", "student", "student"])
        elders = [stem for stem, one in found.items() if one.metadata["role"] != "student"]
        parents = [] if role == "teacher" else chance.sample(elders, min(len(elders), chance.randrange(3)))
        run = chance.choice([None, 1, 2])
        found[f"{role}_{chance.choice('AB')}_{number}"] = header(role, chance.choice("AB"), run, parents)
    return dict(chance.sample(sorted(found.items()), len(found)))


def by_all_pairs(found: dict[str, Header]) -> dict[str, str]:
    """The same, with a look at each file for each teacher."""
    teachers = [stem for stem, one in found.items() if one.metadata["role"] == "teacher"]
    teachers.sort(key=lambda stem: (len(stem), stem))
    first: dict[tuple[str, int | None], str] = {}
    for is_own in (True, False):
        for teacher in teachers:
            for stem, one in found.items():
                if stem == teacher if is_own else teacher in ancestors(stem, found):
                    first.setdefault((one.metadata["dataset"], found[teacher].metadata["run"]), teacher)
    made = {}
    for stem, one in found.items():
        group, run = one.metadata["dataset"], one.metadata["run"]
        above = [teacher for teacher in teachers if teacher in ancestors(stem, found)]
        teacher = above[0] if above else first.get((group, run)) or first.get((group, None))
        if teacher is not None and teacher != stem:
            made[stem] = teacher
    return made


@pytest.mark.parametrize("seed", range(60))
def test_it_is_what_a_look_at_all_pairs_finds(seed: int) -> None:
    found = made_up(seed)
    assert reference_teachers(found) == by_all_pairs(found)


def test_thousands_of_teachers_are_no_square() -> None:
    """A run each: a look at every file for every teacher takes half a minute."""
    found, expected = dict[str, Header](), dict[str, str]()
    for run in range(3000):
        teacher = f"teacher_A_run{run}"
        found[teacher] = header("teacher", "A", run, [])
        for name in "wxyz":
            found[f"student_A_{name}_run{run}"] = header("student", "A", run, [teacher])
            expected[f"student_A_{name}_run{run}"] = teacher
    start = time.process_time()
    assert reference_teachers(found) == expected
    assert time.process_time() - start < 5
