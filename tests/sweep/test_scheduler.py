"""The order in which trials get a worker is that of Tune's own scheduler."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler
from support.sweeps import PATIENCE, ROOT, Launch

from hpmkd.store.output_dir import OutputDir
from hpmkd.store.progress_log import read_all
from hpmkd.sweep.searcher import FifoScheduler

STATES = (Trial.PENDING, Trial.RUNNING, Trial.PAUSED, Trial.TERMINATED, Trial.ERROR)


class Made(SimpleNamespace):
    """As much of Tune's trial as is looked at."""

    def is_finished(self) -> bool:
        return Trial.is_finished(self)  # type: ignore[arg-type]


@given(
    st.lists(
        st.one_of(st.sampled_from(STATES), st.tuples(st.integers(0, 20), st.sampled_from(STATES))),
        max_size=40,
    )
)
def test_it_chooses_what_first_in_first_out_chooses(events: list[Any]) -> None:
    """Trials come, change their state, and start again after a failure, which Tune tells of as of a new one."""
    trials: list[Any] = []
    controller: Any = SimpleNamespace(get_trials=lambda: trials)
    ours, theirs = FifoScheduler(), FIFOScheduler()
    for event in events:
        if isinstance(event, str):
            trials.append(Made(status=event, number=len(trials)))
            ours.on_trial_add(controller, trials[-1])
        elif event[0] < len(trials) and not trials[event[0]].is_finished():
            trials[event[0]].status = event[1]
            if event[1] == Trial.PENDING:
                ours.on_trial_add(controller, trials[event[0]])
        assert ours.choose_trial_to_run(controller) is theirs.choose_trial_to_run(controller)


SPOILED = """
import sys
if any("default_worker" in word for word in sys.orig_argv):
    import hpmkd.training.captures as captures
    captures.failure = lambda: "operation not permitted when stream is capturing"
"""


@pytest.mark.slow
@pytest.mark.parametrize("is_spoiled", [pytest.param(False, marks=pytest.mark.slow), True])
def test_a_process_that_is_spoiled_trains_one_model(launch: Launch, tmp_path: Path, is_spoiled: bool) -> None:
    """Others are kept for the next trial: their start takes seconds."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(SPOILED if is_spoiled else "")
    paths = os.pathsep.join([str(site), str(ROOT)])
    words = ("--baselines", "Direct", "--runs", "2", "--max-concurrent", "1", "--kd.logits", "live")
    process = launch(*words, PYTHONPATH=paths)
    out, error = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, out + error
    workers = {one.pid for one in read_all(OutputDir(tmp_path / "out")).values()}
    assert len(workers) == (3 if is_spoiled else 1)
