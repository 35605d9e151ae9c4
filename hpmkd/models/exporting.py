"""Whether a network is being converted to another format."""

from __future__ import annotations

import torch


def is_exporting() -> bool:
    """What is asked of it now is traced: operations that other formats do not have are then written in others."""
    tracing: bool = torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
    return tracing or torch.compiler.is_compiling()
