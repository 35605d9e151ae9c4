"""With what a worker sets its device up."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from support.builders import make_config, make_jobs

from hpmkd.config.machine import ResourcesConfig
from hpmkd.config.specs import ModelSpec
from hpmkd.plan.job import Job
from hpmkd.sweep.device_setup import benchmark_pays, set_up
from hpmkd.training import device as module

RESNET = ModelSpec("resnet20", (16, 32, 64), 3, 32, 10)
LENET = ModelSpec("lenet5", (10, 20, 100), 3, 32, 10)
GPU = torch.device("cuda")


@pytest.fixture
def short(cache_dir: Path) -> Job:
    """A training of an epoch or two on a few images."""
    return next(iter(make_jobs(make_config(cache_dir)).values()))


@pytest.fixture
def published(short: Job) -> Job:
    """One of the published length."""
    data = replace(short.data, train_images=None, images=45_000)
    return replace(short, fit=replace(short.fit, epochs=30), data=data)


def test_cudnn_tries_its_kernels_where_that_pays(short: Job, published: Job) -> None:
    """A short training would be over before."""
    assert benchmark_pays(replace(published, model=RESNET))
    assert not benchmark_pays(replace(published, model=LENET))
    assert not benchmark_pays(replace(short, model=RESNET))


@pytest.mark.parametrize(
    ("wanted", "small", "large"), [("auto", False, True), (True, True, True), (False, False, False)]
)
def test_recipe_and_resources_reach_the_device(
    published: Job, wanted: Any, small: bool, large: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(module, "prepare_device", lambda *given, **named: seen.append((given, named)))
    resources = ResourcesConfig(cudnn_benchmark=wanted, deterministic=True)
    for model in (LENET, RESNET):
        set_up(GPU, replace(published, model=model, fit=replace(published.fit, tf32=True)), resources, 0.25)
    assert [given for given, _ in seen] == [(GPU, 0.25, True)] * 2
    assert [named for _, named in seen] == [{"tf32": True, "benchmark": one} for one in (small, large)]
