"""The precision of forward and backward passes."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import torch

from hpmkd.models import Output


def autocast(precision: str, device: torch.device) -> AbstractContextManager[Any]:
    """The context of a forward pass in `fp32` or `bf16`."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")


def fp32(output: Output) -> Output:
    """Losses are computed in fp32 whatever the network's precision was."""
    return Output(output.logits.float(), tuple(feature.float() for feature in output.features))
