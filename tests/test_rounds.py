"""Which round is restored, and that Tune's state is trusted only when it is whole."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
from test_searcher import plan

from hpmkd.config import SweepConfig
from hpmkd.output import Output
from hpmkd.sweep.context import Sweep
from hpmkd.sweep.rounds import finish_round, restorable, rounds

STATES = ("tuner.pkl", "experiment_state-1.json", "searcher-state-1.pkl")


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    """A sweep whose newest round, the 1001st, was interrupted."""
    jobs = plan(1, ["Direct"], 1)
    made = Sweep(SweepConfig(datasets=["D0"], baselines=["Direct"]), Output(tmp_path), jobs)
    (made.output.tune / "round000").mkdir(parents=True)
    folder = made.output.tune / "round1000"
    folder.mkdir()
    (folder / "tuner.pkl").write_bytes(pickle.dumps({}))
    for name in STATES[1:]:
        (folder / name).write_text("{}")
    finish_round(made)
    mark = folder / "hpmkd-round.json"
    mark.write_text(json.dumps({**json.loads(mark.read_text()), "finished": False}))
    return made


def newest(sweep: Sweep) -> Path:
    return rounds(sweep.output.tune)[-1]


def test_rounds_are_ordered_by_number(sweep: Sweep) -> None:
    (sweep.output.tune / "round999").mkdir()
    (sweep.output.tune / "round-old").mkdir()
    assert [path.name for path in rounds(sweep.output.tune)] == ["round000", "round999", "round1000"]


def test_an_unfinished_round_is_restored(sweep: Sweep) -> None:
    assert restorable(sweep) == newest(sweep)


def test_a_finished_one_is_not(sweep: Sweep) -> None:
    finish_round(sweep)
    assert restorable(sweep) is None


def test_no_round_nothing_to_restore(tmp_path: Path, sweep: Sweep) -> None:
    assert restorable(Sweep(sweep.config, Output(tmp_path / "new"), sweep.jobs)) is None


@pytest.mark.parametrize("name", [*STATES, "hpmkd-round.json"])
@pytest.mark.parametrize("content", [None, b"", b"{"])
def test_torn_state_is_not_trusted(sweep: Sweep, name: str, content: bytes | None) -> None:
    path = newest(sweep) / name
    path.unlink() if content is None else path.write_bytes(content)
    assert restorable(sweep) is None


def test_neither_moved_nor_of_another_plan(sweep: Sweep, tmp_path: Path) -> None:
    assert restorable(Sweep(sweep.config, sweep.output, plan(1, ["Direct"], 2))) is None
    moved = tmp_path / "moved"
    moved.mkdir()
    sweep.output.tune.rename(moved / "tune")
    assert restorable(Sweep(sweep.config, Output(moved), sweep.jobs)) is None
