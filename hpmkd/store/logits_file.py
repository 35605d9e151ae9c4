"""A logits cache: a `.npy` file whose hash, size and description are in its sidecar. It can always be made again."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hpmkd.errors import DamagedModel
from hpmkd.files import commit_bytes, sha256_of
from hpmkd.store.sidecar import Header, write_sidecar

LOGITS_SUFFIX = ".npy"


def save_logits(
    path: Path, content: memoryview, accuracy: float, train_time: float, metadata: Mapping[str, Any]
) -> None:
    """Commits a logits cache.

    Args:
        path: where to.
        content: of the `.npy` file.
        accuracy: of its network on validation images, in percent.
        train_time: of making it, in seconds.
        metadata: as of a model file, with `fingerprint` and `parents`; gains `weights_sha256`.
    """
    # Its identity is what it was made of: made again on another machine, its last bits may differ, and the students
    # that learnt from it are none the worse for that.
    about = json.dumps([metadata["fingerprint"], sorted(metadata["parents"].items())])
    meta = {**metadata, "weights_sha256": sha256_of(about.encode())}
    timestamp = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    # The sidecar first: whenever this is cut off, there is no logits cache without its description.
    path.unlink(missing_ok=True)
    write_sidecar(path, Header(sha256_of(content), len(content), accuracy, train_time, timestamp, meta))
    commit_bytes(path, content)


def no_sidecar(path: Path) -> DamagedModel:
    """What `verify` says of a logits cache without its description."""
    return DamagedModel(str(path), expected="its sidecar beside it", found="none that is whole")
