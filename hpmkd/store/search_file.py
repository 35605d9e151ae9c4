"""A search: one JSON file with what was chosen and the evidence for it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from hpmkd.errors import TRAIN_AGAIN, DamagedModel
from hpmkd.files import digest_of, parse_json, sha256_of
from hpmkd.store.sidecar import Header

_FIELDS = {"accuracy": float, "train_time": float, "timestamp": str, "metadata": dict}


@dataclass(frozen=True)
class SearchResult:
    """What a search found.

    Args:
        chosen: config keys and values, such as `kd.temperature`.
        evidence: what was tried, one row per trial and rung.
    """

    chosen: Mapping[str, Any]
    evidence: Sequence[Mapping[str, Any]] = ()


class SearchHandler:
    """See `handlers.Handler`. The content is a `SearchResult`; a digest inside the file covers everything."""

    has_sidecar: ClassVar[bool] = False
    self_describing: ClassVar[bool] = True

    def encode(
        self, content: SearchResult, accuracy: float, train_time: float, timestamp: str, metadata: Mapping[str, Any]
    ) -> tuple[bytes, dict[str, Any]]:
        """See `handlers.Handler`; the metadata gain `chosen` and `evidence`, too."""
        chosen, evidence = dict(content.chosen), [dict(row) for row in content.evidence]
        identity = sha256_of(json.dumps(chosen, sort_keys=True).encode())
        meta = {**metadata, "chosen": chosen, "evidence": evidence, "weights_sha256": identity}
        values = {"accuracy": accuracy, "train_time": train_time, "timestamp": timestamp, "metadata": meta}
        return json.dumps({**values, "digest": digest_of(values)}, indent=1).encode(), meta

    def decode(self, data: bytes, where: str) -> tuple[Header, SearchResult]:
        """See `handlers.Handler`."""
        try:
            values = parse_json(data)
            digest = values.pop("digest")
            typed = all(isinstance(values[name], kind) for name, kind in _FIELDS.items())
            whole = typed and set(values) == set(_FIELDS) and digest == digest_of(values)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            whole = False
        if not whole or not {"chosen", "evidence", "weights_sha256"} <= set(values["metadata"]):
            raise DamagedModel(where, expected="a search written by hpmkd", found="other content", todo=TRAIN_AGAIN)
        meta = values["metadata"]
        return Header(sha256_of(data), len(data), **values), SearchResult(meta["chosen"], meta["evidence"])
