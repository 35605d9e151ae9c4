"""A logits cache: a `.npy` file whose hash, size and description are in its sidecar. It can always be made again."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from hpmkd.errors import TRAIN_AGAIN, DamagedModel
from hpmkd.files import sha256_of
from hpmkd.store.sidecar import Header

if TYPE_CHECKING:
    from torch import Tensor


class LogitsHandler:
    """See `handlers.Handler`. The content is one tensor, fp32 `(views * N + N_validation, K)` of a real cache."""

    has_sidecar: ClassVar[bool] = True
    self_describing: ClassVar[bool] = False

    def encode(
        self, content: Tensor, accuracy: float, train_time: float, timestamp: str, metadata: Mapping[str, Any]
    ) -> tuple[memoryview, dict[str, Any]]:
        """See `handlers.Handler`; `metadata` hold `fingerprint` and `parents`."""
        import numpy as np

        # Its identity is what it was made of: made again on another machine, its last bits may differ, and the
        # students that were trained from it stay valid.
        about = json.dumps([metadata["fingerprint"], sorted(metadata["parents"].items())])
        buffer = io.BytesIO()
        np.save(buffer, content.numpy())
        return buffer.getbuffer(), {**metadata, "weights_sha256": sha256_of(about.encode())}

    def decode(self, data: bytes, where: str) -> tuple[Header, Any]:
        """Raises DamagedModel: the numbers alone do not say what they are of."""
        raise DamagedModel(where, expected="its sidecar beside it", found="none that is whole", todo=TRAIN_AGAIN)
