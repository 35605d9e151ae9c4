"""One small Ray for all tests, and a cache of decoded images that they share."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from support.s3 import S3Server, s3_server
from support.sweeps import ROOT, Launch, words

if "PYTEST_XDIST_WORKER" in os.environ:
    # Workers share the cores; two threads of each would wait for one another.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    # As in those workers, or where a script has put pytest into the background: what tests start would inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A busy machine is no failure.
settings.register_profile("hpmkd", deadline=None)
settings.load_profile("hpmkd")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """At least three, because tests with Ray often wait; each takes a gigabyte, and has a small Ray of its own."""
    return max(3, min(4, os.cpu_count() or 1))


def pytest_collection_finish() -> None:
    """Modules and tests stay to the end: the garbage collector need not look through them again and again.

    Some libraries collect at each call; with torch and thousands of tests in memory that takes 0.2 s each time.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Decoded images, once per session."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _sketched(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing is most of a report's time: figures are made, but an empty picture stands for each. What modules make
    once, before this, has figures of all formats.

    Tests on a machine with torch alone import no report.
    """
    write = sys.modules.get("hpmkd.analysis.report.write")
    if write is not None and "every_figure" not in request.fixturenames:
        monkeypatch.setattr(write, "FORMATS", ("svg",))
        monkeypatch.setattr(write, "render", lambda figure, kind: b"<svg></svg>")


@pytest.fixture
def every_figure() -> None:
    """Reports of this test have each figure as PNG, SVG and PDF."""


def _once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that the first of several test processes makes, for all of them."""
    from filelock import FileLock

    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            made = factory.mktemp(name)
            make(made)
            made.rename(folder)
    return folder


@pytest.fixture(scope="session")
def trained_output(tmp_path_factory: pytest.TempPathFactory, cache_dir: Path) -> Path:
    """Teacher, TAKD assistant, two students and a choice, trained, with the files that a sweep leaves beside them."""
    import torch
    from support.builders import make_config, make_jobs

    from hpmkd.config.load import to_yaml
    from hpmkd.config.specs import spec_to_json
    from hpmkd.data.cache import describe
    from hpmkd.files import commit_bytes, commit_json
    from hpmkd.store.output_dir import OutputDir
    from hpmkd.training.trial import run_job

    config = make_config(cache_dir, baselines=["TAKD", "TraditionalKD-adaptive"], adaptive__alphas=[0.5])

    def train(folder: Path) -> None:
        output = OutputDir(folder / "out")
        commit_bytes(output.config_file, to_yaml(config).encode())
        commit_json(output.datasets_file, [spec_to_json(spec) for spec in describe(config)])
        before = torch.get_num_threads()
        for job in make_jobs(config).values():
            list(run_job(job, output, config.data, torch.device("cpu")))
        torch.set_num_threads(before)

    return _once(tmp_path_factory, "trained", train) / "out"


@pytest.fixture(scope="session")
def kernel_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The user's cache folder for tests that compile kernels, so that each is compiled once."""
    return _once(tmp_path_factory, "kernels", lambda folder: None)


@pytest.fixture
def out(trained_output: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(trained_output, tmp_path / "out"))


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    """An S3 server with an empty bucket."""
    with s3_server(monkeypatch) as server:
        yield server


@pytest.fixture
def hangup_as_usual() -> Iterator[None]:
    """SIGHUP ends a process, even where the tests run under nohup, which processes inherit and a sweep respects."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture(scope="session")
def small_ray() -> Iterator[None]:
    """A private Ray with two cores and eight GPUs that do not exist; the sweep's driver finds and keeps it."""
    import ray

    from hpmkd.cluster.resources import prepare_environment

    prepare_environment()
    ray.init(
        address="local",
        num_cpus=2,
        num_gpus=8,
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=100 * 2**20,
    )
    yield
    ray.shutdown()


@pytest.fixture
def launch(tmp_path: Path, cache_dir: Path) -> Iterator[Launch]:
    """Starts the sweep in `tmp_path/out` in a process group of its own."""
    started: list[subprocess.Popen[str]] = []

    def begin(*more: str, **env: str) -> subprocess.Popen[str]:
        command = [sys.executable, str(ROOT / "run_sweep.py"), *words(tmp_path / "out", cache_dir, *more)]
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            command, stdout=pipe, stderr=pipe, text=True, start_new_session=True, env={**os.environ, **env}
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()
