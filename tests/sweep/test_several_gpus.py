"""Where Ray puts trials on a machine with eight GPUs that do not exist."""

from __future__ import annotations

import functools
import os
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import ray
from ray import tune
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy
from support.builders import config

from hpmkd.cluster.mps_control import VISIBLE
from hpmkd.cluster.resources import TrialResources, trial_resources
from hpmkd.sweep import tune_run

pytestmark = pytest.mark.usefixtures("small_ray")


def trial(share: float) -> TrialResources:
    """On a made-up GPU a trial computes on the CPU."""
    return trial_resources(
        config(resources__gpus_per_trial=share, resources__device="cpu", resources__cpus_per_trial=0.01)
    )


def requests(part: TrialResources) -> dict[str, Mapping[str, float]]:
    return {"student": tune_run._request(part)}


def asked() -> Callable[[], tuple[list[str], str]]:
    """In a worker: its GPUs as Ray and as CUDA know them. Sent along, because workers know no tests."""

    def seen() -> tuple[list[str], str]:
        return [str(number) for number in ray.get_gpu_ids()], os.environ[VISIBLE]

    return seen


@pytest.mark.parametrize(("share", "each"), [(0.2, 5), (0.25, 4), (1 / 3, 3), (0.3, 3), (1 / 7, 7), (0.6, 1), (1.0, 1)])
def test_a_full_machine_has_as_many_on_each(share: float, each: int) -> None:
    """A share lies on one GPU, all eight are filled, and no further trial finds room. Groups stay while tasks go."""
    part = trial(share)
    assert part.concurrent == 8 * each
    wanted = tune_run.placement(requests(part), {"role": "student"})
    task = ray.remote(num_cpus=part.cpus, num_gpus=part.gpus, max_calls=0)(asked())
    groups = [wanted() for _ in range(part.concurrent + 1)]
    try:
        refs = {group.ready(): group for group in groups}
        there, left = ray.wait(list(refs), num_returns=part.concurrent, timeout=120)
        assert (len(there), len(left)) == (part.concurrent, 1), "whichever comes last"
        assert ray.wait(left, timeout=1)[0] == []
        found = []
        for ref in there:  # one after the other: one process does all
            place = PlacementGroupSchedulingStrategy(refs[ref])
            found.append(ray.get(task.options(scheduling_strategy=place).remote(), timeout=120))
    finally:
        for group in groups:
            ray.util.remove_placement_group(group)
    assert Counter(name for _, name in found) == {str(number): each for number in range(8)}
    assert all(numbers == [name] for numbers, name in found)


@pytest.mark.slow
@pytest.mark.parametrize(("share", "trials", "expected"), [(1.0, 8, [1] * 8), (0.2, 10, [5, 5])])
def test_tune_runs_them_at_the_same_time(share: float, trials: int, expected: list[int], tmp_path: Path) -> None:
    """Each waits until all are there: whole GPUs to eight trials, and a second GPU only when the first is full."""

    seen = asked()

    def work(config: dict[str, Any]) -> None:
        (tmp_path / "there" / str(config["number"])).write_text(seen()[1])
        end = time.monotonic() + 240
        while len(list((tmp_path / "there").iterdir())) < trials:
            assert time.monotonic() < end, "some never started beside the others"
            time.sleep(0.1)
        tune.report({"gpu": seen()[1]})

    (tmp_path / "there").mkdir()
    place = functools.partial(tune_run.placement, requests(trial(share)))
    grid = tune.Tuner(
        tune.with_resources(work, place),
        param_space={"role": "student", "number": tune.grid_search(list(range(trials)))},
        run_config=tune_run.run_config(tmp_path / "round", restarts=0, checkpoints=1),
    ).fit()
    assert not grid.errors
    counts = Counter(one.metrics["gpu"] for one in grid)
    assert sorted(counts.values()) == expected
