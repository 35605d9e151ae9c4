"""A checkpoint between two steps: what goes on from there is the same, to the bit, as what never stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.builders import TEACHER, make_config, make_fit, make_jobs, make_spec, make_splits
from support.trainings import CASES, Noisy, Stopped, make, same, stopped
from torch import nn

from hpmkd.models import build
from hpmkd.plan.events import Finished, Resumed, StepsSaved
from hpmkd.plan.job import Job
from hpmkd.store.epoch_checkpoint import resume, save_epoch
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.result_file import verify
from hpmkd.training import within_epoch
from hpmkd.training.halving_search import HalvingSearch, Rules
from hpmkd.training.logits_cache import LogitsCacheBuilder
from hpmkd.training.shown_answers import ShownAnswersBuilder
from hpmkd.training.trial import SavableSteps, run_job
from hpmkd.training.work import Work

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def told(results: Any) -> list[Any]:
    return [(one.epoch, one.train_loss, dict(one.terms), one.validation_accuracy_pct, one.lr) for one in results]


# In the first epoch those that prepare something before it, too.
PLACES = [(*case, 1, 2) for case in CASES] + [(*case, 0, 1) for case in CASES if case[0] in ("Direct", "HPM-KD", "CRD")]


@pytest.mark.parametrize(("method", "more", "epoch", "steps"), PLACES)
def test_a_training(method: str, more: dict[str, Any], epoch: int, steps: int) -> None:
    """Losses of the whole epoch, too: what was done of it counts."""
    how = {"batch_size": 16, "epochs": 3, **more}
    whole, first, second = (make(method, **how) for _ in range(3))
    results = told(whole.epochs())
    state = stopped(first, epoch, steps)
    for parameter in second.model.parameters():  # whatever the fresh model holds must not matter
        nn.init.ones_(parameter)
    torch.manual_seed(99)
    second.load_state_dict(state)
    assert (second.epoch, second.steps) == (epoch, steps)
    assert told(second.epochs()) == results[epoch:]
    same(whole, second)


@pytest.mark.parametrize("how", [{"mixup": 0.4}, {"label_smoothing": 0.1}, {"optimizer": "sgd"}, {"precision": "bf16"}])
def test_a_recipe(how: dict[str, Any]) -> None:
    whole, first, second = (make(batch_size=16, epochs=2, **how) for _ in range(3))
    results = told(whole.epochs())
    second.load_state_dict(stopped(first, 1, 1))
    assert told(second.epochs()) == results[1:]
    same(whole, second)


def test_dropout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("support.trainings.build", lambda spec, seed: Noisy(build(spec, seed)))
    whole, first, second = (make("Direct", batch_size=16, epochs=2) for _ in range(3))
    results = told(whole.epochs())
    second.load_state_dict(stopped(first, 0, 2))
    torch.rand(7)
    assert told(second.epochs()) == results
    same(whole, second)


@settings(max_examples=20)
@given(cuts=st.lists(st.tuples(st.integers(0, 2), st.integers(1, 3)), max_size=4, unique=True))
def test_stopped_again_and_again(cuts: list[tuple[int, int]]) -> None:
    whole = make(batch_size=20, epochs=3)
    assert len(whole.batches.bounds()) > 3
    list(whole.epochs())
    state = None
    for epoch, steps in sorted(cuts):
        one = make(batch_size=20, epochs=3)
        if state is not None:
            one.load_state_dict(state)
        state = stopped(one, epoch, steps)
    last = make(batch_size=20, epochs=3)
    if state is not None:
        last.load_state_dict(state)
    list(last.epochs())
    same(whole, last)


@pytest.mark.parametrize("shown", [False, True])
def test_a_logits_cache(shown: bool) -> None:
    network, spec, fit = build(TEACHER, 1), make_spec(augment="crop"), make_fit(batch_size=16, views=3)
    job: Any = SimpleNamespace(seed=5, fit=fit, data=spec)

    def begin() -> LogitsCacheBuilder:
        if shown:
            return ShownAnswersBuilder(network, make_splits(), job, CPU)
        return LogitsCacheBuilder(network, make_splits(), spec, fit, CPU)

    whole, first, second = begin(), begin(), begin()
    list(whole.epochs())
    last = len(whole.batches.bounds()) - 1
    second.load_state_dict(stopped(first, 1, last))
    assert (second.epoch, second.steps) == (1, last)
    list(second.epochs())
    assert np.array_equal(whole.content().numpy(), second.content().numpy())


def halving() -> HalvingSearch:
    def training(values: Any) -> Any:
        return make("TraditionalKD", hparams=dict(values), epochs=4, batch_size=16)

    grid = [{"kd.temperature": t, "kd.alpha": a} for t in (1.0, 4.0) for a in (0.1, 0.9)]
    return HalvingSearch(training, grid, Rules(2, 4), CPU)


@pytest.mark.parametrize(("unit", "epoch", "steps"), [(0, 0, 1), (2, 1, 2), (4, 2, 1), (5, 3, 2)])
def test_a_search(unit: int, epoch: int, steps: int) -> None:
    """Within an epoch of a candidate; what was trained of it before, in this rung or an earlier one, is not again."""
    whole, first, second = halving(), halving(), halving()
    list(whole.epochs())
    count = len(make(batch_size=16).batches.bounds())
    second.load_state_dict(stopped(first, unit, epoch * count + steps))
    list(second.epochs())
    rows = [[{**row, "train_seconds": 0} for row in one.evidence] for one in (whole, second)]
    assert rows[0] == rows[1]
    assert whole.winner() == second.winner()
    assert all(row["train_seconds"] > 0 for row in second.evidence)


class Clock:
    """Stands in for `time`."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


def test_seconds_are_those_of_the_work_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(within_epoch, "time", clock)
    training = make("Direct", batch_size=16, epochs=2)
    step, steps = training.step.run, len(training.batches.bounds())

    def run(*given: Any, **named: Any) -> None:
        clock.now += 1
        step(*given, **named)

    def act() -> None:
        clock.now += 10
        seen.append(training.train_seconds)

    seen: list[float] = []
    monkeypatch.setattr(training.step, "run", run)
    training.between.act = act
    list(training.epochs())
    assert training.train_seconds == 2 * steps
    assert training.other_seconds["report"] == 10 * 2 * (steps - 1)
    assert seen == [one for one in range(1, 2 * steps) if one != steps], "and a checkpoint says what was spent so far"


def test_a_version_that_knows_whole_epochs_alone_refuses_it() -> None:
    """It would begin the epoch again, with weights of its middle, and say nothing."""
    training = make(batch_size=16)
    state = stopped(training, 0, 1)
    assert state["epoch"] is None, "it asks for a whole number"


@pytest.fixture
def jobs(cache_dir: Path) -> dict[str, Job]:
    return make_jobs(make_config(cache_dir, baselines=["TraditionalKD"], fit__batch_size=16))


def test_the_furthest_whole_one_is_taken(jobs: dict[str, Job], tmp_path: Path) -> None:
    """Of several checkpoints the one with the most steps; if it is damaged, the next."""
    job, work = jobs["teacher_Digits"], make(batch_size=16, epochs=3)
    for place, (epoch, steps) in {"a": (1, 2), "b": (1, 1), "c": (0, 3)}.items():
        work.load_state_dict(stopped(make(batch_size=16, epochs=3), epoch, steps))
        save_epoch(work, job, {}, tmp_path / place)
    folders = [tmp_path / name for name in "cab"]

    def found() -> tuple[int, int]:
        fresh: Work = make(batch_size=16, epochs=3)
        resume(fresh, job, {}, folders)
        return fresh.epoch, fresh.steps

    assert found() == (1, 2)
    (tmp_path / "a" / "epoch.pt").write_bytes(b"torn")
    assert found() == (1, 1)
    about = tmp_path / "b" / "epoch.json"
    about.write_text(about.read_text().replace('"steps": 1', '"steps": 7'))
    assert found() == (0, 3)
    for name in "abc":
        (tmp_path / name / "epoch.pt").unlink()
    assert found() == (0, 0)


def test_a_job(jobs: dict[str, Job], cache_dir: Path, tmp_path: Path) -> None:
    """From a worker that is lost within an epoch to the same weights."""
    config, output = make_config(cache_dir), OutputDir(tmp_path / "out")
    student = jobs["student_Digits_TraditionalKD_run1"]
    list(run_job(jobs["teacher_Digits"], output, config.data, CPU))
    list(run_job(student, output, config.data, CPU))
    file = output.model_file(student)
    wanted = verify(file).metadata["weights_sha256"]
    file.unlink()

    def pause(paused: Callable[[], SavableSteps]) -> None:
        made = paused()
        if (made.event.epoch, made.event.steps) == (1, 2):
            assert made.event == StepsSaved(student.key, 1, of=2, steps=2)
            made.save(tmp_path / "saved")
            raise Stopped

    with pytest.raises(Stopped):
        list(run_job(student, output, config.data, CPU, pause=pause))
    first, *_, last = run_job(student, output, config.data, CPU, (tmp_path / "saved",))
    assert first == Resumed(student.key, 1, 2, steps=2)
    assert isinstance(last, Finished)
    assert last.status == "trained"
    assert verify(file).metadata["weights_sha256"] == wanted
