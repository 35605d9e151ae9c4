"""The benchmark of ways to search: each design sees what it may see, and is judged by what it has not seen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import component_conditions as conditions
import pytest
import search_designs as designs

KEYS = [f"{mark:.3f}" for mark in designs.MARKS]
BETTER = (4.0, 4.0, 0.9)


def rows_where(loss: Any, wrong: Any, accuracy: Any) -> designs.Rows:
    """Of three seeds: losses and errors of four images, by candidate, seed and mark."""
    return {
        (one, run): {
            "accuracy_pct": accuracy(one, run),
            "seen": {key: {"losses": loss(one, run, key), "wrong": wrong(one, run, key)} for key in KEYS},
        }
        for one in designs.ALL
        for run in (1, 2, 3)
    }


def test_what_is_chosen_is_judged_by_the_other_seeds() -> None:
    """Seed 1 alone sees that it is better; it is 10 points better with seed 1, and 1 point with the others."""
    rows = rows_where(
        lambda one, run, _: [0.5 if one == BETTER and run == 1 else 1.0] * 4,
        lambda *_: [False] * 4,
        lambda one, run: 80.0 + (one == BETTER) * (10 if run == 1 else 1),
    )
    mean, _, chosen = designs.gain(designs.Design(designs.ALL), rows, [1, 2, 3], 60)
    assert chosen == {BETTER: 1, designs.DEFAULT: 2}
    assert mean == pytest.approx(1 / 3)


def test_designs_look_where_they_say() -> None:
    late = rows_where(
        lambda one, run, key: [0.5 if one == BETTER and key == "1.000" else 1.0] * 4,
        lambda one, *_: [one != BETTER] * 4,
        lambda *_: 80.0,
    )

    def chosen(**how: Any) -> designs.Candidate:
        return designs.Design(designs.ALL, **how).choose(late, [1], 60)

    assert chosen() == BETTER
    assert chosen(part=0.5) == designs.DEFAULT, "it cannot know yet"
    assert chosen(metric="wrong", part=0.5) == BETTER
    assert chosen(keep=3) == designs.DEFAULT, "dropped at the first rung"
    doubtful = rows_where(
        lambda one, *_: [0.2, 1.2, 1.2, 1.2] if one == BETTER else [1.0] * 4, lambda *_: [False] * 4, lambda *_: 80.0
    )
    assert designs.Design(designs.ALL).choose(doubtful, [1], 60) == BETTER
    assert designs.Design(designs.ALL, errors=1).choose(doubtful, [1], 60) == designs.DEFAULT


def test_costs_are_those_of_the_plan() -> None:
    assert designs.Design(designs.ALL[:4]).cost(60) == 4
    assert designs.Design(designs.ALL[:4], part=0.5).cost(60) == 2
    assert designs.Design(designs.ALL[:4], keep=2).cost(60) == 3
    assert designs.Design(designs.ALL[:4], keep=2, seeds=2).cost(60) == 5


@pytest.mark.slow
def test_what_was_trained_is_not_trained_again(
    tmp_path: Path, cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = {"train_images": 60, "validation_fraction": 0.3, "cache_dir": str(cache_dir)}
    tiny = {"data": data, "fit": {"teacher_epochs": 10, "student_epochs": 2, "batch_size": 30}}
    monkeypatch.setitem(conditions.CONDITIONS, "digits", (tiny, 40))
    lines: list[str] = []
    words = ["digits", "--seeds", "2", "--work", str(tmp_path)]
    designs.main(words, lines.append)
    assert lines[0].startswith("2 seeds; default ")
    assert len(lines) == 4 + len(designs.DESIGNS) - sum(one.seeds > 1 for one in designs.DESIGNS.values())
    file = tmp_path / "digits_search.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert len(rows) == 2 * len(designs.ALL)
    assert list(rows[0]["seen"]) == KEYS
    before, again = file.stat().st_mtime_ns, list[str]()
    designs.main(words, again.append)
    assert (file.stat().st_mtime_ns, again) == (before, lines)
