"""The client that tries CUDA, against a library that stands in for the driver."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.cuda_driver import built, variables

from hpmkd.cluster import cuda_client
from hpmkd.cluster.mps_control import CLIENT, VISIBLE, gpu_generations


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("driver"))


def client(library: Path, tmp_path: Path, work: str, **env: str) -> tuple[int, list[str], list[str]]:
    """Exit code, printed lines, calls of the driver."""
    log = tmp_path / "calls"
    log.write_text("")
    here = {name: value for name, value in os.environ.items() if name != VISIBLE}
    more = {**here, **variables(library, log), **env}
    done = subprocess.run([sys.executable, "-I", str(CLIENT), work], env=more, capture_output=True, text=True)
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines(), log.read_text().splitlines()


def test_gpus_by_names_that_do_not_depend_on_others(library: Path, tmp_path: Path) -> None:
    code, printed, calls = client(library, tmp_path, "devices")
    assert code == 0
    assert printed == ["GPU-0a0b0c0d-0e0f-1011-1213-141516171819", "MIG-0b0c0d0e-0f10-1112-1314-15161718191a"]
    assert not any("Ctx" in call for call in calls), "a list opens no context"


def test_the_generation_of_each_gpu(library: Path, tmp_path: Path) -> None:
    code, printed, calls = client(library, tmp_path, "generations", VOLTA="8")
    assert (code, printed) == (0, ["8", "8"])
    assert not any("Ctx" in call for call in calls), "they are only looked at"


def test_the_kind_of_each_gpu(library: Path, tmp_path: Path) -> None:
    code, printed, calls = client(library, tmp_path, "kinds", COUNT="3", CUDA_VISIBLE_DEVICES="1,0")
    assert (code, printed) == (0, [f"{10 * 2**30} NVIDIA H100 MIG 1g.10gb", f"{80 * 2**30} NVIDIA H100"])
    assert not any("Ctx" in call for call in calls), "they are only looked at"


@pytest.mark.parametrize("env", [{"COUNT": "0"}, {"FAIL": "cuInit"}, {"FAIL": "cuDeviceGetAttribute"}])
def test_no_generation_where_cuda_fails(
    env: dict[str, str], library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VISIBLE, raising=False)
    for name, value in variables(library, tmp_path / "calls").items():
        monkeypatch.setenv(name, value)
    assert gpu_generations() == [9, 9]
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert gpu_generations() == []


def test_each_gpu_gets_a_context_that_is_closed(library: Path, tmp_path: Path) -> None:
    code, printed, calls = client(library, tmp_path, "context")
    assert (code, printed) == (0, [])
    tried = [call for call in calls if "Ctx" in call]
    assert tried == [f"cuDevicePrimaryCtx{what} {device}" for device in (10, 11) for what in ("Retain", "Release")]


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"FAIL": "cuInit"}, "cuInit: CUDA_ERROR_MPS_CONNECTION_FAILED"),
        ({"FAIL": "cuDevicePrimaryCtxRetain"}, "cuDevicePrimaryCtxRetain: CUDA_ERROR_MPS_CONNECTION_FAILED"),
        ({"COUNT": "0"}, "no GPU is visible"),
        ({"VOLTA": "6"}, "a GPU is older than Volta, whose MPS keeps processes out of each other's memory"),
    ],
)
def test_why_it_fails(env: dict[str, str], said: str, library: Path, tmp_path: Path) -> None:
    assert client(library, tmp_path, "context", **env)[:2] == (1, [said])


def test_a_machine_without_a_driver(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def absent(name: str) -> None:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(cuda_client.ctypes, "CDLL", absent)
    assert cuda_client.main("context") == 1
    assert capsys.readouterr().out == "libcuda.so.1: cannot open shared object file\n"
