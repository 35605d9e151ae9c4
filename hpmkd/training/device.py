"""Prepares a process for training on its device: choice of kernels, and its part of a shared GPU's memory."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from typing import Any

import torch

from hpmkd.hardware import DETERMINISTIC_CUBLAS
from hpmkd.models import ModelOutput

# Of a GPU's memory a process uses so much beside its tensors: the context, loaded kernels, libraries' workspaces.
CONTEXT_BYTES = 600 * 2**20
_LEAST = 0.01


def memory_fraction(share: float, total_bytes: int) -> float:
    """The part of a GPU's memory that the tensors of a process with this share of it may use."""
    return max(_LEAST, share - CONTEXT_BYTES / total_bytes)


def prepare_device(
    device: torch.device,
    share: float = 0.0,
    deterministic: bool = False,
    *,
    tf32: bool = False,
    benchmark: bool = True,
) -> None:
    """Sets up a GPU; on the CPU there is nothing to do, and nothing changes.

    Args:
        device: where to train.
        share: of the GPU; in (0, 1) it is a cap, so that a trial that grows fails alone and not its neighbours.
        deterministic: only deterministic kernels, as far as torch has them (it warns where it has none).
        tf32: convolutions and products of fp32 numbers may round them to 10 bits of mantissa on the way in. Torch's own
            defaults allow it for convolutions alone.
        benchmark: cuDNN tries its kernels for each new shape and keeps the fastest; never with `deterministic`.
    """
    if device.type != "cuda":
        return
    # Torch wants to know which one it is, and its current one may not be set up yet.
    index = torch.cuda.current_device() if device.index is None else device.index
    if deterministic:
        os.environ.setdefault(*DETERMINISTIC_CUBLAS)
    torch.use_deterministic_algorithms(deterministic, warn_only=True)
    torch.backends.cudnn.benchmark = benchmark and not deterministic
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = tf32
    if 0 < share < 1:
        total = torch.cuda.get_device_properties(index).total_memory
        torch.cuda.set_per_process_memory_fraction(memory_fraction(share, total), index)


def kernel_choice(device: torch.device) -> dict[str, bool]:
    """Among which kernels a GPU chooses, as keywords of `prepare_device`; nothing of the CPU.

    It is recorded with a model, so that its accuracy can be measured again in the same way.
    """
    if device.type != "cuda":
        return {}
    return {
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "tf32": torch.backends.cudnn.allow_tf32,
        "benchmark": torch.backends.cudnn.benchmark,
    }


def lacks_memory(error: BaseException) -> bool:
    """Whether an operation failed because the GPU's memory, or the cap on it, was used up."""
    words = str(error).lower()
    return isinstance(error, torch.cuda.OutOfMemoryError) or "out of memory" in words or "alloc_failed" in words


def half(device: torch.device) -> torch.dtype:
    """What `bf16` means on a device: fp16 on a GPU that has no bf16 (before Ampere, such as Colab's T4)."""
    # By its generation: torch's own question counts what is emulated, or cannot be asked not to, in older versions.
    if device.type == "cuda" and torch.cuda.get_device_capability(device)[0] < 8:
        return torch.float16
    return torch.bfloat16


def autocast(precision: str, device: torch.device) -> AbstractContextManager[Any]:
    """The context of a forward pass in `fp32` or `bf16`."""
    if precision != "bf16":
        return torch.autocast(device.type, enabled=False)
    return torch.autocast(device.type, dtype=half(device))


def needs_scaling(precision: str, device: torch.device) -> bool:
    """Whether gradients are too small for the precision as they are: fp16's smallest number is 6e-8."""
    return precision == "bf16" and half(device) == torch.float16


def fp32(output: ModelOutput) -> ModelOutput:
    """Losses are computed in fp32 whatever the network's precision was."""
    embedding = None if output.embedding is None else output.embedding.float()
    features, before = (tuple(one.float() for one in maps) for maps in (output.features, output.pre_activations))
    last = None if output.last_maps is None else output.last_maps.float()
    return ModelOutput(output.logits.float(), features, embedding, before, last_maps=last)
