"""The speed-up of a sweep, with runs that are made up: order, what is kept, what is refused."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from support.builders import make_config
from support.frames import make_output

from hpmkd.audit import timed_workers
from hpmkd.bench import quiet
from hpmkd.bench.quiet import Quiet
from hpmkd.cluster.stop_signals import StopSignals
from hpmkd.config.bench import BenchConfig
from hpmkd.config.request import Request
from hpmkd.config.sweep import SweepConfig
from hpmkd.errors import EnvironmentProblem, HpmkdError
from hpmkd.plan.job import Job
from hpmkd.programme import api
from hpmkd.store import speedup_file
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.speedup_file import TimedRun
from hpmkd.sweep import benches, execution, speedup
from hpmkd.sweep.timed_run import config_of

Run = tuple[int, int]


class Trainings:
    """Stands in for whole trainings; dies at one of them."""

    def __init__(self, weights: dict[str, str], dies_at: Run | None = None) -> None:
        self.weights, self.dies_at = weights, dies_at
        self.done: list[Run] = []
        self.configs: list[SweepConfig] = []

    def __call__(self, config: SweepConfig, folder: Path, workers: int, repeat: int) -> tuple[TimedRun, dict[str, str]]:
        if (workers, repeat) == self.dies_at:
            raise KeyboardInterrupt
        self.done.append((workers, repeat))
        self.configs.append(config)
        return TimedRun(workers, repeat, seconds=60.0 / workers, training=50.0, path=10.0), dict(self.weights)


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[SweepConfig, OutputDir, list[Job], dict[str, str]]:
    monkeypatch.setattr(timed_workers, "cores", lambda: 4)
    monkeypatch.setattr(speedup, "prepare", lambda *_: "")
    monkeypatch.setattr(quiet, "now", lambda: Quiet(("other processes use 30.0% of 2 cores",)))
    output, config, jobs = make_output(tmp_path / "out", tmp_path / "cache", lambda job: 50.0, baselines=["Direct"])
    wanted = BenchConfig(workers=[1, 2, 4, 8], repeats=3)
    weights = {key: f"w{key}" for key, job in jobs.items() if job.role.is_network}
    return config.model_copy(update={"bench": wanted}), output, list(jobs.values()), weights


def test_numbers_of_workers_take_turns(made: Any) -> None:
    config, output, jobs, weights = made
    train = Trainings(weights)
    found = speedup.measure(config, output, jobs, weights, train)
    assert train.done == [(1, 1), (2, 1), (4, 1), (4, 2), (2, 2), (1, 2), (1, 3), (2, 3), (4, 3)]
    assert found.left_out == ("8 workers: there are 4 cores, 1 for each",)
    assert [one.resources.max_concurrent for one in train.configs[:3]] == [1, 2, 4]
    assert {one.fit.threads for one in train.configs} == {1}
    assert speedup_file.read(output.speedup_file) == found
    assert found.quiet["before"] == ["other processes use 30.0% of 2 cores"]


def test_killed_it_keeps_what_is_measured_and_does_the_rest(made: Any) -> None:
    config, output, jobs, weights = made
    first = Trainings(weights, dies_at=(2, 2))
    with pytest.raises(KeyboardInterrupt):
        speedup.measure(config, output, jobs, weights, first)
    second = Trainings(weights)
    found = speedup.measure(config, output, jobs, weights, second)
    assert first.done + second.done == [(1, 1), (2, 1), (4, 1), (4, 2), (2, 2), (1, 2), (1, 3), (2, 3), (4, 3)]
    assert not found.open
    third = Trainings(weights)
    speedup.measure(config, output, jobs, weights, third)
    assert third.done == [], "nothing is trained twice"
    more = config.model_copy(update={"bench": BenchConfig(workers=[1, 2], repeats=4)})
    speedup.measure(more, output, jobs, weights, third)
    assert third.done == [(2, 4), (1, 4)]


def test_other_weights_are_an_error_and_no_number(made: Any) -> None:
    config, output, jobs, weights = made
    key = next(iter(weights))
    train = Trainings({**weights, key: "others"})
    with pytest.raises(HpmkdError, match=f"1 of {len(weights)} models differ: {key}"):
        speedup.measure(config, output, jobs, weights, train)
    assert not output.speedup_file.exists()


def test_other_models_are_measured_anew(made: Any) -> None:
    config, output, jobs, weights = made
    speedup.measure(config, output, jobs, weights, Trainings(weights))
    again = Trainings(weights)
    speedup.measure(config, output, jobs[:-1], weights, again)
    assert len(again.done) == 9


def test_a_run_is_the_same_sweep_beside_nobody(made: Any, tmp_path: Path) -> None:
    config, output, _, _ = made
    run = config_of(config, output.timed_runs, 2, None)
    models = {"resources", "record", "bench"}
    then, now = (one.model_dump(exclude=models) for one in (config, run))
    assert then.pop("data") | {"cache_dir": str(output.timed_runs / "images")} == now.pop("data")
    assert then == now
    assert (run.resources.cpus_per_trial, run.bench) == (1, BenchConfig())


@pytest.mark.parametrize(
    ("threads", "workers"), [(1, (1, 2, 4)), (2, (1, 2)), (3, (1,)), (9, (1,))]
)  # fmt: skip
def test_never_more_than_cores(threads: int, workers: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timed_workers, "cores", lambda: 4)
    config = make_config(bench__workers=[2, 4, 8], fit__threads=threads)
    assert timed_workers.workers_of(config)[0] == workers


@pytest.mark.parametrize(("asked", "two"), [([64], True), ([1, 8, 64], True), ([2], False)])
def test_refused_before_anything_is_trained_where_none_is_possible(
    asked: list[int], two: bool, cache_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timed_workers, "cores", lambda: 2 if two else 1)
    (tmp_path / "mine.yaml").write_text("datasets: [Digits]\nbaselines: [Direct]\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(execution, "_prepare", lambda *_: pytest.fail("it has begun"))
    flags = {"bench.workers": asked, "data.cache_dir": str(cache_dir), "resources.device": "cpu"}
    for dry in (True, False):
        with pytest.raises(EnvironmentProblem, match="no speed-up can be measured") as error:
            api.execute(Request(mode="mine.yaml", output="out", overrides=flags, dry_run=dry))
        assert ("such as 2 " in error.value.todo) == two
        assert f"{asked[-1]} workers: there are {2 if two else 1} cores" in error.value.found
    assert not (tmp_path / "out").exists()


def test_some_that_are_not_possible_are_said_at_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timed_workers, "cores", lambda: 4)

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(execution, "_prepare", stop)
    config = make_config(bench__workers=[2, 64])
    logger = logging.getLogger("hpmkd")
    logger.addHandler(caplog.handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            execution.train(Request(), config, OutputDir(tmp_path), StopSignals())
    finally:
        logger.removeHandler(caplog.handler)
    assert "will not be measured: 64 workers: there are 4 cores, 1 for each" in caplog.text
    benches.check(make_config(bench__workers=[1]))  # one alone may be what is wanted


def test_never_more_than_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timed_workers, "cores", lambda: 64)
    monkeypatch.setattr(timed_workers, "device_of", lambda _: "cuda")
    monkeypatch.setattr(timed_workers, "_gpu_count", lambda: 2)
    config = make_config(bench__workers=[1, 2, 4, 8])
    assert timed_workers.workers_of(config)[0] == (1, 2)
    half = make_config(bench__workers=[1, 2, 4, 8], resources__gpus_per_trial=0.5)
    workers, left_out = timed_workers.workers_of(half)
    assert workers == (1, 2, 4)
    assert left_out == ("8 workers: there are 2 GPUs, 0.5 for each",)
    assert config_of(config, Path("x"), 2, timed_workers.gpus_of(config)).resources.gpus_per_trial == 1.0


def test_images_are_decoded_before_anything_is_timed(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    config, output, jobs, weights = made
    told: list[Any] = []
    monkeypatch.setattr(speedup, "prepare", lambda spec, data: told.append(data.cache_dir))
    train = Trainings(weights, dies_at=(1, 1))
    with pytest.raises(KeyboardInterrupt):
        speedup.measure(config, output, jobs, weights, train)
    assert told == [str(output.timed_runs / "images")]
