"""The client that tries CUDA, against a library that stands in for the driver."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hpmkd.cluster import cuda_client
from hpmkd.cluster.mps_control import CLIENT, gpu_generations

# Two GPUs, the second of them a MIG instance. CALLS is a file for calls, FAIL names one that returns 805, and VOLTA is
# the first number of the GPUs' compute capability.
DRIVER = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static int call(const char *name, int device) {
    FILE *file = fopen(getenv("CALLS"), "a");
    fprintf(file, "%s %d\n", name, device);
    fclose(file);
    return getenv("FAIL") && !strcmp(getenv("FAIL"), name) ? 805 : 0;
}
int cuInit(unsigned flags) { return call("cuInit", (int)flags); }
int cuGetErrorName(int code, const char **text) {
    *text = code == 805 ? "CUDA_ERROR_MPS_CONNECTION_FAILED" : NULL;
    return *text ? 0 : 1;
}
int cuDeviceGetCount(int *count) { *count = atoi(getenv("COUNT")); return call("cuDeviceGetCount", 0); }
int cuDeviceGet(int *device, int ordinal) { *device = 10 + ordinal; return call("cuDeviceGet", ordinal); }
int cuDeviceGetAttribute(int *value, int which, int device) {
    *value = which == 75 ? atoi(getenv("VOLTA")) : 0;
    return call("cuDeviceGetAttribute", device);
}
int cuDeviceGetUuid_v2(unsigned char *uuid, int device) {
    for (int i = 0; i < 16; i++) uuid[i] = i + device;
    return call("cuDeviceGetUuid_v2", device);
}
int cuDeviceGetName(char *name, int size, int device) {
    snprintf(name, size, device == 11 ? "NVIDIA H100 MIG 1g.10gb" : "NVIDIA H100");
    return call("cuDeviceGetName", device);
}
int cuDevicePrimaryCtxRetain(void **context, int device) { return call("cuDevicePrimaryCtxRetain", device); }
int cuDevicePrimaryCtxRelease(int device) { return call("cuDevicePrimaryCtxRelease", device); }
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    folder = tmp_path_factory.mktemp("driver")
    (folder / "driver.c").write_text(DRIVER)
    target = folder / "libcuda.so.1"
    subprocess.run([compiler, "-shared", "-fPIC", "-w", "-o", str(target), str(folder / "driver.c")], check=True)
    return folder


def client(library: Path, tmp_path: Path, work: str, **env: str) -> tuple[int, list[str], list[str]]:
    """Exit code, printed lines, calls of the driver."""
    log = tmp_path / "calls"
    log.write_text("")
    more = {"LD_LIBRARY_PATH": str(library), "CALLS": str(log), "COUNT": "2", "VOLTA": "9", **env}
    done = subprocess.run(
        [sys.executable, "-I", str(CLIENT), work], env={**os.environ, **more}, capture_output=True, text=True
    )
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


@pytest.mark.parametrize("env", [{"COUNT": "0"}, {"FAIL": "cuInit"}, {"FAIL": "cuDeviceGetAttribute"}])
def test_no_generation_where_cuda_fails(
    env: dict[str, str], library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = {"LD_LIBRARY_PATH": str(library), "CALLS": str(tmp_path / "calls"), "COUNT": "2", "VOLTA": "9"}
    for name, value in more.items():
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
