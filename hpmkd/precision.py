"""The precision of forward and backward passes."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import torch

from hpmkd.models import Output


def half(device: torch.device) -> torch.dtype:
    """What `bf16` means on a device: fp16 on a GPU that has no bf16 (before Ampere, such as Colab's T4)."""
    if device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.float16
    return torch.bfloat16


def autocast(precision: str, device: torch.device) -> AbstractContextManager[Any]:
    """The context of a forward pass in `fp32` or `bf16`."""
    return torch.autocast(device.type, dtype=half(device), enabled=precision == "bf16")


def needs_scaling(precision: str, device: torch.device) -> bool:
    """Whether gradients are too small for the precision as they are: fp16's smallest number is 6e-8."""
    return precision == "bf16" and half(device) == torch.float16


def fp32(output: Output) -> Output:
    """Losses are computed in fp32 whatever the network's precision was."""
    return Output(output.logits.float(), tuple(feature.float() for feature in output.features))
