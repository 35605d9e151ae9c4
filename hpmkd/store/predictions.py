"""What a model answers to each test image: one `.npy` file per model in `predictions/`, beside it a sidecar.

A file is made from the one look at the test set that gives the accuracy, and can be made again from the model's file at
any time, so nothing is ever trained because of it. It holds a row per test image, in the order of the data set, which
plain `numpy.load` reads: the fields `label`, `predicted` (of the fp32 logits) and `logits` (K,), fp16.

Each row's logits are less by their largest one, so none is above 0: softmax stays the same at any temperature, nothing
overflows, and fp16 is finest where probability is. What is further below than 65,504 counts as that. The sidecar
has the hash of the bytes, the weights that answered, the data, and the temperature: a file is believed only with it,
and only for those weights.
"""

from __future__ import annotations

import datetime
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hpmkd.files import commit_bytes, sha256_of
from hpmkd.store.sidecar import Header, read_sidecar, write_sidecar

FORMAT = 1
LOWEST = float(np.finfo(np.float16).min)


@dataclass(frozen=True)
class Predictions:
    """A model's answers to the N test images.

    Args:
        labels, predicted: classes, integers `(N,)`.
        logits: `(N, K)`, fp16, each row less by its largest.
        temperature: which, of all that the logits may be divided by, fits validation images best (see
            `training/calibration.py`); None: none does.
        data_sha256: of the decoded images.
    """

    labels: npt.NDArray[np.integer]
    predicted: npt.NDArray[np.integer]
    logits: npt.NDArray[np.float16]
    temperature: float | None = None
    data_sha256: str | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def classes(self) -> int:
        """K."""
        return int(self.logits.shape[1])

    @property
    def accuracy_pct(self) -> float:
        """Percent of the images; exactly what the evaluation that made them says."""
        return 100 * int((self.labels == self.predicted).sum()) / len(self)


def _type(classes: int) -> np.dtype[np.void]:
    """Of a row: as few bytes as numbers of classes need, without gaps."""
    number = np.min_scalar_type(max(0, classes - 1)).newbyteorder("<")
    return np.dtype([("label", number), ("predicted", number), ("logits", "<f2", (classes,))])


def write(path: Path, made: Predictions, key: str, weights: str) -> Header:
    """Commits a file, then its sidecar: whenever this is cut off, what is there is whole, or not believed.

    Args:
        path: where to; see `OutputDir.predictions_file`.
        made: the answers.
        key: of the job.
        weights: identity of the model's weights.

    Raises:
        EnvironmentProblem: it cannot be written.
    """
    rows = np.empty(len(made), _type(made.classes))
    rows["label"], rows["predicted"], rows["logits"] = made.labels, made.predicted, made.logits
    buffer = io.BytesIO()
    np.save(buffer, rows, allow_pickle=False)
    data = buffer.getbuffer()
    about = {"key": key, "weights_sha256": weights, "temperature": made.temperature, "data_sha256": made.data_sha256}
    header = Header(
        sha256_of(data),
        len(data),
        accuracy=made.accuracy_pct,
        train_time=0.0,
        timestamp=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        metadata={"predictions": FORMAT, **about},
    )
    commit_bytes(path, data)
    write_sidecar(path, header)
    return header


def described(path: Path, weights: str | None) -> Header | None:
    """The sidecar of a file, by a look at names and sizes alone; None unless it describes answers of these weights."""
    header = read_sidecar(path)
    if header is None or weights is None or header.metadata.get("predictions") != FORMAT:
        return None
    try:
        whole = header.weights == weights and path.stat().st_size == header.size
    except OSError:
        return None
    return header if whole else None


def read(path: Path, weights: str | None) -> Predictions | None:
    """The answers of a model with these weights; None where there are none, or they are damaged, or another model's."""
    header = described(path, weights)
    if header is None:
        return None
    try:
        data = path.read_bytes()
        if sha256_of(data) != header.sha256:
            return None
        rows = np.load(io.BytesIO(data), allow_pickle=False)
        return Predictions(
            rows["label"].astype(np.int64),
            rows["predicted"].astype(np.int64),
            rows["logits"],
            temperature=header.metadata["temperature"],
            data_sha256=header.metadata["data_sha256"],
        )
    except (OSError, ValueError, KeyError, IndexError):
        return None


def copy(source: Path, target: Path, key: str, weights: str) -> bool:
    """Writes the answers of these weights under another name; whether there were any."""
    found = read(source, weights)
    if found is not None:
        write(target, found, key, weights)
    return found is not None
