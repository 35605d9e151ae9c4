"""A network in a runtime, ready to be called: eager torch, a program of torch.export, onnx runtime."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from hpmkd.errors import EnvironmentProblem
from hpmkd.store.network_file import load_network


@dataclass(frozen=True)
class Program:
    """A network that can be called.

    Args:
        call: images -> logits, in inference mode; it returns when they are there (on a GPU, too).
        images: a batch of that size, normalised noise, where and as `call` takes it.
        shape: of one image.
        version: of the library that runs it.
    """

    call: Callable[[Any], Any]
    images: Callable[[int], Any]
    shape: tuple[int, ...]
    version: str


def load(runtime: str, path: Path, shape: tuple[int, ...], device: str, threads: int) -> Program:
    """Loads `path` (a model file, `.pt2` or `.onnx`, as the runtime takes it)."""
    return _LOADERS[runtime](path, shape, device, threads)


def noise(shape: tuple[int, ...], batch: int) -> torch.Tensor:
    """Normalised noise `(batch, C, H, W)`, the same at each call."""
    return torch.randn(batch, *shape, generator=torch.Generator().manual_seed(batch))


def _eager(path: Path, shape: tuple[int, ...], device: str, threads: int) -> Program:
    model, *_ = load_network(path)
    return _in_torch(model.to(device), shape, device, threads)


def _exported(path: Path, shape: tuple[int, ...], device: str, threads: int) -> Program:
    program = torch.export.load(str(path))
    if device != "cpu":
        from torch.export.passes import move_to_device_pass

        program = move_to_device_pass(program, device)
    return _in_torch(program.module(), shape, device, threads)


def _in_torch(model: Callable[[Any], Any], shape: tuple[int, ...], device: str, threads: int) -> Program:
    torch.set_num_threads(threads)

    def call(images: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            logits: torch.Tensor = model(images)
        if device != "cpu":
            torch.cuda.synchronize()
        return logits

    def images(batch: int) -> torch.Tensor:
        return noise(shape, batch).to(device)

    return Program(call, images, shape, f"torch {torch.__version__}")


def _onnx(path: Path, shape: tuple[int, ...], device: str, threads: int) -> Program:
    import onnxruntime

    wanted = "CPUExecutionProvider" if device == "cpu" else "CUDAExecutionProvider"
    if wanted not in onnxruntime.get_available_providers():
        raise EnvironmentProblem(
            "onnx runtime: made without support for this device",
            expected=wanted,
            found=", ".join(onnxruntime.get_available_providers()),
            todo="pip install onnxruntime-gpu",
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=[wanted])
    name = session.get_inputs()[0].name
    call = lambda images: session.run(None, {name: images})  # noqa: E731 - typed by Program
    return Program(call, lambda batch: noise(shape, batch).numpy(), shape, f"onnxruntime {onnxruntime.__version__}")


_LOADERS: dict[str, Callable[[Path, tuple[int, ...], str, int], Program]] = {
    "eager": _eager,
    "export": _exported,
    "onnx": _onnx,
}
