"""One small Ray for all tests, and a cache of decoded images that they share."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# A busy machine is no failure.
settings.register_profile("hpmkd", deadline=None)
settings.load_profile("hpmkd")


@pytest.fixture(scope="session")
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Decoded images, once per session."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def hangup_as_usual() -> Iterator[None]:
    """SIGHUP ends a process, even where the tests run under nohup, which processes inherit and a sweep respects."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture(scope="session")
def small_ray() -> Iterator[None]:
    """A private Ray with two cores and three GPUs that do not exist; the sweep's driver finds and keeps it."""
    import ray

    from hpmkd.sweep.resources import prepare_environment

    prepare_environment()
    ray.init(
        address="local",
        num_cpus=2,
        num_gpus=3,
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=100 * 2**20,
    )
    yield
    ray.shutdown()
