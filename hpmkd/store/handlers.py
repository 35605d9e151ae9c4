"""The content of each kind of result file. How files are committed and checked is in `result_file`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

from hpmkd.store.sidecar import Header


class Handler(Protocol):
    """One kind of file: the networks (`.pt`), logits caches (`.npy`) or searches (`.json`).

    Attributes:
        has_sidecar: hash, size and description stand in `<file>.json` beside it.
        self_describing: the file alone shows whether it is whole, and what it is.
    """

    has_sidecar: ClassVar[bool]
    self_describing: ClassVar[bool]

    def encode(
        self, content: Any, accuracy: float, train_time: float, timestamp: str, metadata: Mapping[str, Any]
    ) -> tuple[bytes | memoryview, dict[str, Any]]:
        """The bytes of a file.

        Args:
            content: what it holds: see the handler.
            accuracy: percent; of a network on the test set, of all else on validation images.
            train_time: seconds that it took to make.
            timestamp: ISO 8601.
            metadata: plain types only.

        Returns:
            The bytes, and the metadata as they stand in them, `weights_sha256` (the identity of the content) included.
        """

    def decode(self, data: bytes, where: str) -> tuple[Header, Any]:
        """Header and content, from the bytes alone; DamagedModel, which names `where`, where they do not agree."""
