"""A library that stands in for NVIDIA's CUDA driver, with GPUs that do not exist."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from hpmkd.plan.gpu_share import GpuKind

# COUNT GPUs, of which the second is a MIG instance; as NVIDIA's it leaves out those that CUDA_VISIBLE_DEVICES does not
# name. CALLS is a file for calls, FAIL names one that returns 805, and VOLTA is the first number of the GPUs' compute
# capability.
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
static int visible(int ordinal, int *device) {
    const char *names = getenv("CUDA_VISIBLE_DEVICES");
    int count = 0;
    for (int number = 0; number < atoi(getenv("COUNT")); number++) {
        int which = number;
        if (names) {
            if (!*names) break;
            which = atoi(names);
            names = strchr(names, ',') ? strchr(names, ',') + 1 : "";
        }
        if (device && count == ordinal) *device = 10 + which;
        count++;
    }
    return count;
}
int cuDeviceGetCount(int *count) { *count = visible(0, NULL); return call("cuDeviceGetCount", 0); }
int cuDeviceGet(int *device, int ordinal) { visible(ordinal, device); return call("cuDeviceGet", ordinal); }
int cuDeviceTotalMem_v2(size_t *bytes, int device) {
    *bytes = (size_t)(device == 11 ? 10 : 80) << 30;
    return call("cuDeviceTotalMem_v2", device);
}
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

# Of the GPUs above: the second, and all others.
PART, WHOLE = GpuKind("NVIDIA H100 MIG 1g.10gb", 10 * 2**30), GpuKind("NVIDIA H100", 80 * 2**30)


def built(folder: Path) -> Path:
    """The folder, with the library in it."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    (folder / "driver.c").write_text(DRIVER)
    target = folder / "libcuda.so.1"
    subprocess.run([compiler, "-shared", "-fPIC", "-w", "-o", str(target), str(folder / "driver.c")], check=True)
    return folder


def variables(library: Path, calls: Path, count: int = 2) -> dict[str, str]:
    """Of the environment of a process that loads it."""
    return {"LD_LIBRARY_PATH": str(library), "CALLS": str(calls), "COUNT": str(count), "VOLTA": "9"}
