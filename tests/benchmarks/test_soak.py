"""What the soak counts: it must see each kind of damage that it says there was none of."""

from __future__ import annotations

import argparse
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest
import soak
import soak_hosts
import torch
from support.hosts import refused

from hpmkd.cluster.ray_processes import MARK
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.result_file import commit


@pytest.fixture
def output(tmp_path: Path) -> OutputDir:
    """Two models."""
    for name in ("a", "b"):
        commit(tmp_path / "models" / f"{name}.pt", {"w": torch.ones(3)}, 50.0, 1.0, {})
    return OutputDir(tmp_path)


@pytest.fixture
def watch(output: OutputDir) -> soak.Watch:
    made = soak.Watch(output, soak.Counts())
    made.look()
    made.look()
    assert set(made.known) == {"a.pt", "b.pt"}
    assert made.counts.damage == 0
    return made


def test_a_model_that_is_gone_is_lost(watch: soak.Watch) -> None:
    (watch.output.models / "a.pt").unlink()
    watch.look()
    assert (watch.counts.models_lost, watch.counts.damage) == (1, 1)


def test_a_model_that_is_torn_is_invalid_and_lost(watch: soak.Watch) -> None:
    (watch.output.models / "b.pt").write_bytes((watch.output.models / "b.pt").read_bytes()[:100])
    watch.look()
    assert (watch.counts.invalid_files, watch.counts.models_lost) == (1, 1)


def test_the_same_model_written_again_was_trained_twice(watch: soak.Watch) -> None:
    path = watch.output.models / "a.pt"
    commit(path, {"w": torch.ones(3)}, 50.0, 1.5, {})
    watch.look()
    assert (watch.counts.trained_twice, watch.counts.damage) == (1, 1)


def test_weights_are_hashed_from_the_tensors(output: OutputDir) -> None:
    before = soak.hashes(output)
    commit(output.models / "a.pt", {"w": torch.zeros(3)}, 50.0, 1.0, {})
    after = soak.hashes(output)
    assert before["a.pt"] != after["a.pt"]
    assert before["b.pt"] == after["b.pt"]


def test_processes_that_are_left_are_counted(output: OutputDir, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MARK, "a dead sweep")
    with subprocess.Popen(["sleep", "60"]) as process:
        counts = soak.Counts()
        soak.count_leftovers(["a dead sweep", "another"], counts, output)
        assert counts.leftover_processes == counts.damage == 1
        process.kill()


def test_victims_are_this_sweeps_processes_alone() -> None:
    chance = random.Random(0)
    with subprocess.Popen(["sleep", "60"]) as driver:
        found = {kind: soak.victim(chance, kind, driver) for kind in soak.VICTIMS}
        assert {kind: one.pid for kind, one in found.items() if one} == {"driver": driver.pid}
        driver.kill()


def test_counts_go_on_where_they_were(tmp_path: Path) -> None:
    given = {"seed": 1, "minutes": 1.0, "kills": 50, "runs": 1, "pause": 1.0, "baselines": ["Direct"]}
    options = argparse.Namespace(output=str(tmp_path), **given)
    first = soak.Soak(options)
    first.counts.worker, first.counts.models_lost = 7, 1
    first.save()
    second = soak.Soak(options)
    assert (second.counts.kills, second.counts.damage) == (7, 1)
    assert not second.over()
    second.counts.driver = 43
    assert second.over()


def test_kills_of_hosts_are_counted_and_go_on(tmp_path: Path) -> None:
    options = argparse.Namespace(output=str(tmp_path), seed=1, minutes=1.0, kills=10, runs=1, pause=1.0)
    first = soak_hosts.Soak(options)
    first.counts.driver_host, first.counts.raylet, first.counts.trained_twice = 2, 3, 1
    first.save()
    second = soak_hosts.Soak(options)
    assert (second.counts.kills, second.counts.damage, second.over()) == (5, 1, False)
    second.counts.driver, second.counts.other_host = 1, 4
    assert second.over()


@pytest.mark.slow
def test_six_kills_of_hosts(tmp_path: Path) -> None:
    """`--kills 100` is the same, longer."""
    why = refused()
    if why:
        pytest.skip(why)
    command = [sys.executable, str(Path(soak_hosts.__file__)), "--kills", "6", "--runs", "1"]
    done = subprocess.run([*command, "--output", str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^kills +6$", done.stdout, re.MULTILINE)


@pytest.mark.slow
def test_fifty_kills(tmp_path: Path) -> None:
    """50 kills at random instants; `--kills 1000` is the same, longer."""
    command = [sys.executable, str(Path(soak.__file__)), "--kills", "50", "--runs", "1"]
    done = subprocess.run([*command, "--output", str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^kills +50$", done.stdout, re.MULTILINE)
