"""The whole measurement on two small networks; killed between two blocks it continues with the second."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from hpmkd.bench import measure, quiet
from hpmkd.bench.latency import Settings
from hpmkd.bench.measure import Wishes, blocks_of
from hpmkd.bench.networks import Network, of_files
from hpmkd.bench.processes import Process
from hpmkd.bench.quiet import Quiet
from hpmkd.config.specs import ModelSpec
from hpmkd.errors import EnvironmentProblem
from hpmkd.models import build
from hpmkd.store import latency_file
from hpmkd.store.result_file import commit

SETTINGS = Settings(batch_sizes=(1, 4), threads=(1, 2), runtimes=("eager",), measurements=40, seconds=0.05)


@pytest.fixture
def networks(tmp_path: Path) -> list[Network]:
    for width in (3, 6):
        spec = ModelSpec("lenet5", (width, width, 10), in_channels=1, image_size=16, classes=4)
        metadata = {"architecture": asdict(spec), "role": "student"}
        commit(tmp_path / f"net{width}.pt", build(spec, seed=0).state_dict(), 50.0, 1.0, metadata)
    return of_files(sorted(tmp_path.glob("*.pt")))


@pytest.fixture(autouse=True)
def a_quiet_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quiet, "now", lambda: Quiet((), {"others": "0.0% of 2 cores"}))
    monkeypatch.setattr(measure, "cores", lambda: 2)


@pytest.mark.slow
def test_killed_and_continued(networks: list[Network], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "latency.json"
    started: list[int] = []
    begin = Process.__init__

    def dies_at_two_threads(self: Process, device: str, threads: int) -> None:
        if threads == 2 and not started:
            raise KeyboardInterrupt
        begin(self, device, threads)

    monkeypatch.setattr(Process, "__init__", dies_at_two_threads)
    with pytest.raises(KeyboardInterrupt):
        measure.measure(networks, SETTINGS, path, Wishes())
    half = latency_file.read(path)
    assert half is not None
    assert (half.complete, half.blocks()) == (False, {("cpu", 1)})
    started.append(1)
    whole = measure.measure(networks, SETTINGS, path, Wishes())
    assert whole.complete
    assert whole.blocks() == {("cpu", 1), ("cpu", 2)}
    assert str(whole.cells[: len(half.cells)]) == str(half.cells), "what was measured is kept"
    assert str(latency_file.read(path)) == str(whole)
    assert {(one.network, one.batch) for one in whole.cells} == {(n, b) for n in ("net3", "net6") for b in (1, 4)}
    assert {one.measurements for one in whole.cells if one.batch == 1} == {40}
    assert {one.network for one in whole.controls} == {"net3"}
    assert (whole.quiet["before"], whole.state) == ([], {"others": "0.0% of 2 cores"})
    stamp = path.stat().st_mtime_ns
    measure.measure(networks, SETTINGS, path, Wishes(again=False))
    assert path.stat().st_mtime_ns == stamp, "nothing is measured twice"


@pytest.mark.slow
def test_other_networks_or_settings_are_measured_anew(
    networks: list[Network], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, blocks = tmp_path / "latency.json", list[Any]()
    real = measure._block

    def noted(*given: Any, **named: Any) -> Any:
        blocks.append(given[:2])
        return real(*given, **named)

    monkeypatch.setattr(measure, "_block", noted)
    one = replace(SETTINGS, threads=(1,), batch_sizes=(1,))
    measure.measure(networks, one, path, Wishes(again=False))
    measure.measure(networks, one, path, Wishes(again=False))
    assert len(blocks) == 1
    measure.measure(networks, replace(one, measurements=60), path, Wishes(again=False))
    measure.measure([replace(networks[0], weights="x"), networks[1]], one, path, Wishes(again=False))
    measure.measure(networks, one, path, Wishes(again=True))
    assert len(blocks) == 4


def test_a_machine_that_is_not_quiet(
    networks: list[Network], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(quiet, "now", lambda: Quiet(("other processes use 30.0% of 2 cores",)))
    one = replace(SETTINGS, threads=(1,), batch_sizes=(1,))
    with pytest.raises(EnvironmentProblem, match="not quiet enough"):
        measure.measure(networks, one, tmp_path / "l.json", Wishes(need_quiet=True))
    assert not (tmp_path / "l.json").exists()
    found = measure.measure(networks, one, tmp_path / "l.json", Wishes())
    assert "other processes use 30.0%" in caplog.text
    assert "other processes use 30.0% of 2 cores" in found.warnings


def test_never_more_threads_than_cores() -> None:
    blocks, left_out = blocks_of(replace(SETTINGS, threads=(1, 2, 4)))
    assert blocks == [("cpu", 1), ("cpu", 2)]
    assert left_out == ["4 threads: there are 2 cores"]


@pytest.mark.parametrize("settings", [replace(SETTINGS, threads=(1000,)), replace(SETTINGS, threads=(3, 4))])
def test_what_cannot_be_measured_leaves_the_file_as_it_is(
    networks: list[Network], tmp_path: Path, settings: Settings
) -> None:
    path = tmp_path / "latency.json"
    path.write_text("a measurement that took an hour")
    with pytest.raises(EnvironmentProblem, match="no latency can be measured") as caught:
        measure.measure(networks, settings, path, Wishes())
    assert "there are 2 cores" in str(caught.value.found)
    assert path.read_text() == "a measurement that took an hour"


def test_no_runtime_that_works_leaves_the_file_as_it_is(
    networks: list[Network], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    settings = replace(SETTINGS, threads=(1,), batch_sizes=(1,), runtimes=("onnx",))
    path = tmp_path / "latency.json"
    with pytest.raises(EnvironmentProblem, match="no latency can be measured"):
        measure.measure(networks, settings, path, Wishes())
    assert not path.exists()


def test_a_target_that_cannot_be_written_is_said_before_anything_is_measured(
    networks: list[Network], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measure, "prepare", lambda *given: pytest.fail("something was prepared"))
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "file" / "latency.json"):
        with pytest.raises(EnvironmentProblem, match="cannot be written"):
            measure.measure(networks, SETTINGS, path, Wishes())


def test_folders_of_killed_measurements_are_removed(
    networks: list[Network], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not those of another process that lives, nor of another machine's."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    names = [f"{measure._MINE}{gone.pid}-x", f"{measure._MINE}{os.getpid()}-y", f"hpmkd-bench-elsewhere-{gone.pid}-z"]
    for name in names:
        (tmp_path / name).mkdir()
    monkeypatch.setattr(measure, "prepare", lambda *given: ([], ["eager: none"]))
    with pytest.raises(EnvironmentProblem):
        measure.measure(networks, replace(SETTINGS, threads=(1,)), tmp_path / "latency.json", Wishes())
    assert sorted(one.name for one in tmp_path.glob("hpmkd-bench-*")) == sorted(names[1:])


def test_a_device_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "devices", lambda: ("cpu",))
    with pytest.raises(EnvironmentProblem, match="no cuda here"):
        blocks_of(replace(SETTINGS, devices=("cpu", "cuda")))
    monkeypatch.setattr(measure, "devices", lambda: ("cpu", "cuda"))
    assert blocks_of(replace(SETTINGS, devices=("cpu", "cuda")))[0] == [("cpu", 1), ("cpu", 2), ("cuda", 1)]


def test_a_runtime_that_is_not_installed_is_left_out(
    networks: list[Network], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    settings = replace(SETTINGS, threads=(1,), batch_sizes=(1,), runtimes=("eager", "onnx"))
    found = measure.measure(networks, settings, tmp_path / "l.json", Wishes())
    assert {one.runtime for one in found.cells} == {"eager"}
    assert found.left_out[0].startswith("onnx: export to onnx: a library is missing")


@pytest.mark.slow
def test_a_runtime_that_does_not_know_the_device_is_left_out(
    networks: list[Network], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = Process.ask

    def refuses(self: Process, what: str, **values: Any) -> dict[str, Any]:
        if what == "load" and values["runtime"] == "export":
            values["path"] += " is not there"
        return ask(self, what, **values)

    monkeypatch.setattr(Process, "ask", refuses)
    settings = replace(SETTINGS, threads=(1,), batch_sizes=(1,), runtimes=("eager", "export"))
    found = measure.measure(networks, settings, tmp_path / "l.json", Wishes())
    assert {one.runtime for one in found.cells} == {"eager"}
    assert found.left_out[0].startswith("export on cpu: ")


def test_a_batch_that_does_not_fit_is_an_error_that_says_so(
    networks: list[Network], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(SETTINGS, threads=(1,), batch_sizes=(2**40,))
    with pytest.raises(EnvironmentProblem, match="could not be measured"):
        measure.measure(networks, settings, tmp_path / "l.json", Wishes())
