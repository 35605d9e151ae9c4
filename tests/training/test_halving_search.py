"""Successive halving: its plan, its choice, and that an interrupted search chooses the same."""

from __future__ import annotations

import itertools
import math
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.builders import make_config, make_jobs
from support.trainings import make

from hpmkd.errors import DamagedModel, Diverged
from hpmkd.plan.events import Resumed
from hpmkd.plan.halving import candidate_epochs, rungs
from hpmkd.plan.job import Job
from hpmkd.plan.trials import WORST
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.result_file import commit, verify
from hpmkd.store.search_file import SearchResult
from hpmkd.training.halving_search import HalvingSearch, Rules
from hpmkd.training.train import Training
from hpmkd.training.trial import SavableEpoch, run_job

CPU = torch.device("cpu")
GRID = [{"kd.temperature": t, "kd.alpha": a} for t in (1.0, 4.0) for a in (0.1, 0.9)]
SMALL = {
    "adaptive__lr_factors": [1.0],
    "adaptive__temperatures": [2.0, 8.0],
    "adaptive__alphas": [0.2, 0.8],
    "adaptive__reduction_factor": 2,
    "adaptive__part": 1.0,
}


@given(st.integers(1, 40), st.integers(2, 5), st.integers(1, 100))
def test_rungs_shrink_and_lengthen(candidates: int, keep: int, epochs: int) -> None:
    plan = rungs(candidates, keep, epochs)
    sizes, ends = zip(*plan, strict=True)
    assert sizes[0] == candidates
    assert ends[-1] == epochs
    assert all(b <= -(-a // keep) for a, b in itertools.pairwise(sizes))
    assert all(a < b for a, b in itertools.pairwise(ends)), "every rung trains"
    assert sizes[-1] <= keep or epochs == 1
    assert candidate_epochs(plan) <= candidates * epochs


def test_a_plan_by_hand() -> None:
    assert rungs(9, 3, 27) == [(9, 9), (3, 27)]
    assert candidate_epochs([(9, 9), (3, 27)]) == 9 * 9 + 3 * 18
    assert rungs(6, 3, 1) == [(6, 1)]


def search(epochs: int = 4, **rules: Any) -> HalvingSearch:
    def training(values: dict[str, Any]) -> Any:
        return make("TraditionalKD", hparams=values, epochs=epochs)

    return HalvingSearch(training, GRID, Rules(2, epochs, **rules), CPU)


def test_it_trains_what_the_plan_says_and_chooses_the_best() -> None:
    one = search()
    units = list(one.epochs())
    assert [(row["rung"], row["epochs"]) for row in one.evidence] == [(0, 2)] * 4 + [(1, 4)] * 2
    assert [unit.epoch for unit in units] == [1, 2, 3, 4, 5, 6]
    first = [row["validation_loss"] for row in one.evidence[:4]]
    second = [{name: row[name] for name in GRID[0]} for row in one.evidence[4:]]
    order = sorted(range(4), key=lambda number: (first[number], number))
    assert second == [GRID[number] for number in order[:2]]
    chosen, accuracy = one.winner()
    last = {tuple(row[name] for name in GRID[0]): row for row in one.evidence[4:]}
    best = last[tuple(chosen.values())]
    assert best["validation_loss"] == min(row["validation_loss"] for row in last.values())
    assert accuracy == best["validation_accuracy_pct"]


def test_by_accuracy_the_loss_is_what_is_wrong() -> None:
    one = search(metric="accuracy")
    list(one.epochs())
    for row in one.evidence:
        assert row["validation_loss"] == pytest.approx(100 - row["validation_accuracy_pct"])
    assert one.winner()[1] == max(row["validation_accuracy_pct"] for row in one.evidence[4:])


@pytest.mark.parametrize(
    ("others", "chosen"),
    [
        ([0.9, 0.9, 0.9, 1.1], 0),  # better by 0.05, with a standard error of 0.05
        ([0.9, 0.9, 0.9, 0.9], 1),  # by 0.1 each: image by image there is no doubt
        ([1.0, 1.0, 1.0, 1.0], 0),
    ],
)
def test_the_first_stays_unless_another_is_better_by_a_standard_error(others: list[float], chosen: int) -> None:
    one = search(one_standard_error=True)
    one.plan, one.losses = [(2, 4)], {0: [1.0] * 4, 1: others}
    one.candidates = GRID[:2]
    one.evidence = [
        {"rung": 0, "validation_loss": sum(losses) / 4, "validation_accuracy_pct": 50.0 + number}
        for number, losses in one.losses.items()
    ]
    assert one.winner() == (GRID[chosen], 50.0 + chosen)


def test_settings_with_which_it_diverges_are_the_worst() -> None:
    def training(values: dict[str, Any]) -> Any:
        return make("TraditionalKD", epochs=4, lr=values["fit.lr"])

    one = HalvingSearch(training, [{"fit.lr": math.inf}, {"fit.lr": 1e-2}, {"fit.lr": 2e-2}], Rules(2, 4), CPU)
    units = list(one.epochs())
    assert math.isnan(units[0].train_loss)
    assert one.evidence[0]["validation_loss"] == WORST
    assert one.winner()[0] != {"fit.lr": math.inf}
    alone = HalvingSearch(training, [{"fit.lr": math.inf}], Rules(2, 4), CPU)
    with pytest.raises(Diverged, match="each of the 1 settings"):
        list(alone.epochs())


def test_a_schedule_of_one_epoch_ranks_what_it_has() -> None:
    """There is one rung, with all candidates: nothing is trained beyond the schedule."""
    one = search(epochs=1)
    assert len(list(one.epochs())) == 4
    assert all(state["epoch"] == 1 for state in one.states.values())
    chosen, accuracy = one.winner()
    assert accuracy in [row["validation_accuracy_pct"] for row in one.evidence]
    assert chosen in GRID


@pytest.mark.parametrize("stop", [4, *(pytest.param(stop, marks=pytest.mark.slow) for stop in (1, 3, 5))])
def test_resumed_it_chooses_the_same_on_the_same_evidence(stop: int) -> None:
    whole, first, second = search(), search(), search()
    list(whole.epochs())
    for unit in first.epochs():
        if unit.epoch == stop:
            break
    second.load_state_dict(first.state_dict())
    assert [unit.epoch for unit in second.epochs()] == list(range(stop + 1, 7))

    def bare(one: HalvingSearch) -> list[dict[str, Any]]:
        return [{name: value for name, value in row.items() if name != "train_seconds"} for row in one.evidence]

    assert bare(second) == bare(whole)
    assert second.winner() == whole.winner()


def test_one_training_at_a_time_is_in_memory() -> None:
    """Images, recorded steps and gradients of the one before would take as much again."""
    made: list[weakref.ref[Training]] = []

    def counted(values: Any) -> Training:
        assert not any(one() is not None for one in made)
        training = make(hparams=dict(values), epochs=4)
        made.append(weakref.ref(training))
        return training

    halving = HalvingSearch(counted, GRID, Rules(2, 4), CPU)
    assert made == [], "and none to learn the device"
    list(halving.epochs())
    assert len(made) == halving.total


@pytest.fixture(scope="module")
def jobs(cache_dir: Path) -> dict[str, Job]:
    return make_jobs(make_config(cache_dir, baselines=["TraditionalKD", "TraditionalKD-adaptive"], **SMALL))


def test_the_choice_of_a_sweep(jobs: dict[str, Job], cache_dir: Path, tmp_path: Path) -> None:
    """Stored with its evidence; a student of the adaptive baseline is trained with it; a kill loses one unit."""
    config, output = make_config(cache_dir), OutputDir(tmp_path)
    teacher, choice = jobs["teacher_Digits"], jobs["search_Digits"]
    list(run_job(teacher, output, config.data, CPU))
    for event in run_job(choice, output, config.data, CPU):
        if isinstance(event, SavableEpoch) and event.event.result.epoch == 3:
            event.save(tmp_path / "saved")
            break
    events = list(run_job(choice, output, config.data, CPU, (tmp_path / "saved",)))
    assert events[0] == Resumed(choice.key, 3, 6)
    header = verify(output.model_file(choice))
    chosen = header.metadata["chosen"]
    assert set(chosen) == {"kd.temperature", "kd.alpha"}
    assert chosen["kd.temperature"] in (2.0, 8.0)
    assert len(header.metadata["evidence"]) == 4 + 2
    assert "on validation" in events[-1].message
    hashes = {}
    for name in ("TraditionalKD", "TraditionalKD-adaptive"):
        job = jobs[f"student_Digits_{name}_run1"]
        list(run_job(job, output, config.data, CPU))
        hashes[name] = verify(output.model_file(job)).metadata["weights_sha256"]
    assert len(set(hashes.values())) == 2
    fixed = {f"kd__{name.split('.')[1]}": value for name, value in chosen.items()}
    by_hand = make_jobs(make_config(cache_dir, baselines=["TraditionalKD"], **fixed))[
        "student_Digits_TraditionalKD_run1"
    ]
    other = OutputDir(tmp_path / "by hand")
    list(run_job(by_hand.parents[0], other, config.data, CPU))
    list(run_job(by_hand, other, config.data, CPU))
    assert verify(other.model_file(by_hand)).metadata["weights_sha256"] == hashes["TraditionalKD-adaptive"]


def test_a_choice_file_that_was_changed_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "search_D.json"
    commit(path, SearchResult({"kd.alpha": 0.5}), 60.0, 1.5, {"key": "search_D"})
    assert verify(path).accuracy == 60.0
    good = path.read_text()
    for bad in (good.replace("0.5", "0.6"), good[:-20], "{}", "[]", ""):
        path.write_text(bad)
        with pytest.raises(DamagedModel):
            verify(path)
