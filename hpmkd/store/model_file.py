"""The file of a network: a `torch.save` zip that plain `torch.load(path)` reads.

A dict with `model_state_dict`, `accuracy` (percent, test), `train_time` (seconds), `timestamp` (ISO 8601) and
`metadata` (plain Python types only).
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from hpmkd.store.payload import parse, weights_hash
from hpmkd.store.sidecar import CONTENT_HASH, Header, content_hash

if TYPE_CHECKING:
    from torch import Tensor


class ModelHandler:
    """See `handlers.Handler`. The content is a `state_dict`; read, its tensors are on the CPU."""

    has_sidecar: ClassVar[bool] = True
    self_describing: ClassVar[bool] = True

    def encode(
        self,
        content: Mapping[str, Tensor],
        accuracy: float,
        train_time: float,
        timestamp: str,
        metadata: Mapping[str, Any],
    ) -> tuple[memoryview, dict[str, Any]]:
        """See `handlers.Handler`; the metadata gain `content_hash`, too."""
        import torch

        state = {name: tensor.detach().cpu().contiguous() for name, tensor in content.items()}
        meta = {**metadata, "weights_sha256": weights_hash(state)}
        meta[CONTENT_HASH] = content_hash(accuracy, train_time, timestamp, meta)
        rest = {"accuracy": accuracy, "train_time": train_time, "timestamp": timestamp, "metadata": meta}
        buffer = io.BytesIO()
        torch.save({"model_state_dict": state, **rest}, buffer)
        return buffer.getbuffer(), meta

    def decode(self, data: bytes, where: str) -> tuple[Header, dict[str, Tensor]]:
        """See `handlers.Handler`."""
        return parse(data, where)
