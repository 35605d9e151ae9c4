"""A machine that is there for a shorter time than an epoch takes, again and again: each time some steps are done."""

from __future__ import annotations

import re
import signal
import time
from pathlib import Path

import pytest
from support.sweeps import PATIENCE, Launch, start, weights

MODE = """
datasets: [Digits]
baselines: [Direct]
runs: 1
pairs: {long: {teacher: {arch: resnet56}, student: {arch: resnet8}}}
fit: {batch_size: 2}
"""
# All images: with 200 an epoch would be over before its process has started.
LONG = ["--train-images", "null", "--teacher-epochs", "1", "--student-epochs", "1"]


def begun(out: Path) -> int:
    """How often a model was begun or continued."""
    return sum(path.read_text().count('"started"') for path in out.glob("progress/*.jsonl"))


@pytest.mark.slow
def test_epochs_longer_than_the_time_that_there_is(
    tmp_path: Path, cache_dir: Path, launch: Launch, small_ray: None
) -> None:
    """Stopped soon after it has begun, each time; the same bits as in one go, and nothing is done twice."""
    mode = tmp_path / "long.yaml"
    mode.write_text(MODE)
    what = ["--mode", str(mode), *LONG]
    assert start(tmp_path / "whole", cache_dir, *what) == 0
    done, deadline = [0], time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        before, process = begun(tmp_path / "out"), launch(*what)
        while process.poll() is None and begun(tmp_path / "out") == before:
            time.sleep(0.2)
        time.sleep(15)
        process.send_signal(signal.SIGTERM)
        said, errors = process.communicate()
        assert process.returncode in (0, 143), said + errors
        done += [int(one) for one in re.findall(r"teacher Digits: continues after epoch 0/1 and (\d+) steps", said)]
        if process.returncode == 0:
            break
    assert len(done) > 2, "it was stopped in the middle of an epoch"
    assert done == sorted(set(done)), "and went on from there"
    assert weights(tmp_path / "out") == weights(tmp_path / "whole")
