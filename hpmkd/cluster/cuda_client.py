"""A CUDA client, run as a script: `devices` lists the GPUs that a process sees, `kinds` says of each its memory and its
name, `generations` the major number of its compute capability, `context` tries each of them.

A process of its own, because CUDA reads the environment once in a process's life, and the sweep's own must stay without
CUDA. Standard library only: nothing of the package is imported.
"""

from __future__ import annotations

import ctypes
import sys
import uuid
from typing import Any

_CAPABILITY_MAJOR, _VOLTA = 75, 7  # cuda.h's number of the attribute; its value


class CudaError(Exception):
    """A call of the driver failed; says which, and CUDA's name of the error."""


class Driver:
    """The CUDA driver, initialised."""

    def __init__(self) -> None:
        try:
            self._library = ctypes.CDLL("libcuda.so.1")
        except OSError as error:
            raise CudaError(str(error)) from error
        self.call("cuInit", 0)

    def call(self, names: str, *arguments: Any) -> None:
        """Calls the first of these functions (older drivers have only the last) and raises CudaError where it fails."""
        name = next((one for one in names.split() if hasattr(self._library, one)), names)
        code = getattr(self._library, name)(*arguments)
        if code:
            text = ctypes.c_char_p()
            self._library.cuGetErrorName(code, ctypes.byref(text))
            raise CudaError(f"{name}: {(text.value or str(code).encode()).decode()}")

    def devices(self) -> list[int]:
        """Handles of the visible GPUs."""
        count = ctypes.c_int()
        self.call("cuDeviceGetCount", ctypes.byref(count))
        found = []
        for ordinal in range(count.value):
            handle = ctypes.c_int()
            self.call("cuDeviceGet", ctypes.byref(handle), ordinal)
            found.append(handle.value)
        return found

    def uuid(self, device: int) -> str:
        """What CUDA_VISIBLE_DEVICES may call a GPU, or a part of one (MIG), independently of the others there are."""
        raw = (ctypes.c_ubyte * 16)()
        self.call("cuDeviceGetUuid_v2 cuDeviceGetUuid", ctypes.byref(raw), device)
        return f"{'MIG' if ' MIG ' in self.name(device) else 'GPU'}-{uuid.UUID(bytes=bytes(raw))}"

    def name(self, device: int) -> str:
        """What its maker calls it."""
        text = ctypes.create_string_buffer(256)
        self.call("cuDeviceGetName", text, len(text), device)
        return text.value.decode(errors="replace")

    def kind(self, device: int) -> str:
        """Bytes of its memory, and its name."""
        total = ctypes.c_size_t()
        self.call("cuDeviceTotalMem_v2 cuDeviceTotalMem", ctypes.byref(total), device)
        return f"{total.value} {self.name(device)}"

    def generation(self, device: int) -> int:
        """The major number of its compute capability."""
        major = ctypes.c_int()
        self.call("cuDeviceGetAttribute", ctypes.byref(major), _CAPABILITY_MAJOR, device)
        return major.value

    def try_context(self, device: int) -> None:
        """Opens a context, which makes the process a client of MPS where there is a daemon, and closes it."""
        context = ctypes.c_void_p()
        if self.generation(device) < _VOLTA:
            raise CudaError("a GPU is older than Volta, whose MPS keeps processes out of each other's memory")
        self.call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
        self.call("cuDevicePrimaryCtxRelease_v2 cuDevicePrimaryCtxRelease", device)


def main(work: str) -> int:
    """Prints the GPUs (`devices`, `kinds`, `generations`), or tries each (`context`); where that fails, prints why."""
    try:
        driver = Driver()
        devices = driver.devices()
        if not devices:
            raise CudaError("no GPU is visible")
        for device in devices:
            if work == "devices":
                print(driver.uuid(device))
            elif work == "kinds":
                print(driver.kind(device))
            elif work == "generations":
                print(driver.generation(device))
            else:
                driver.try_context(device)
    except CudaError as error:
        print(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
