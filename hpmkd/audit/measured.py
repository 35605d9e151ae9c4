"""The measures of every network of a sweep, from its file in `predictions/`: a row per network.

What was computed is kept in `measures.parquet`, and computed anew only where a model, its answers or its teacher's have
changed.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hpmkd.audit import measures
from hpmkd.audit.lineage import reference_teachers
from hpmkd.plan.roles import Role
from hpmkd.store import predictions
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.predictions import Predictions
from hpmkd.store.sidecar import Header, read_sidecar

if TYPE_CHECKING:
    import pandas as pd

# Columns of results.parquet. Of text is the last alone.
COLUMNS = (
    "balanced_accuracy_pct", "macro_f1_pct", "worst_recall_pct", "top5_pct", "nll", "brier", "ece_pct", "temperature",
    "ece_scaled_pct", "agreement_pct", "agreement_on_errors_pct", "teacher_kl", "agreement_with",
)  # fmt: skip
NUMBERS = COLUMNS[:-1]
# Beyond, a matrix takes more room than the answers that it is counted from.
MAX_CONFUSION = 256
_VERSION = 1  # of what is computed; with another one rows are computed anew
_MARKS = ("key", "version", "weights_sha256", "predictions_sha256", "teacher_sha256", "agreement_with")
_ARRAYS = ("recall", "confusion", "reliability", "reliability_scaled")
Row = dict[str, Any]


def networks(found: Mapping[str, Header]) -> dict[str, Header]:
    """Those of a sweep's files that are networks, by stem."""
    roles = {stem: Role.of(header.metadata.get("role")) for stem, header in found.items()}
    return {stem: found[stem] for stem, role in roles.items() if role is not None and role.is_network}


def unpredicted(output: OutputDir, found: Mapping[str, Header]) -> dict[str, Header]:
    """The networks among a sweep's files whose answers are not there, or are not whole; every byte is looked at."""
    return {
        stem: header
        for stem, header in networks(found).items()
        if predictions.read(output.predictions_file(stem), header.weights) is None
    }


def correctness(output: OutputDir, files: Iterable[str]) -> dict[str, npt.NDArray[np.bool_]]:
    """Which test images networks get right, `(N,)`, by the stems of their files; of those whose answers are known."""
    made = {}
    for name in files:
        stem = name.rpartition(".")[0]
        header = read_sidecar(output.models / name)
        answers = predictions.read(output.predictions_file(stem), header.weights) if header is not None else None
        if answers is not None:
            made[stem] = answers.labels == answers.predicted
    return made


def measure_models(output: OutputDir, found: Mapping[str, Header]) -> pd.DataFrame:
    """A row per network whose answers are known, by `key`: `COLUMNS`, what they were computed from, and arrays.

    `recall` (K,), `confusion` (K * K, row by row; empty for more than 256 classes), `reliability` and
    `reliability_scaled` (3 * 15, see `measures.reliability`).

    Args:
        output: the sweep's folder; nothing in it is changed.
        found: its valid files, by stem.
    """
    import pandas as pd

    known = {stem: predictions.described(output.predictions_file(stem), one.weights) for stem, one in found.items()}
    teachers = reference_teachers(found)
    kept, reader = _kept(output), _Reader(output, found)
    rows = []
    # Children of one teacher one after the other: its answers are read once.
    for stem in sorted((one for one in networks(found) if known[one]), key=lambda one: (teachers.get(one, one), one)):
        teacher = teachers.get(stem)
        marks = _marks(stem, known[stem], teacher, known.get(teacher or ""))
        row = kept.get(tuple(marks.values())) or reader.row(marks)
        if row is not None:
            rows.append(row)
    columns = [*dict.fromkeys((*_MARKS, *COLUMNS, *_ARRAYS))]
    return pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(NUMBERS, "float64"))


def _marks(stem: str, own: Header | None, teacher: str | None, taught: Header | None) -> Row:
    """What a row depends on."""
    assert own is not None
    sha = None if taught is None else taught.sha256
    values = (stem, _VERSION, own.weights, own.sha256, sha, None if taught is None else teacher)
    return dict(zip(_MARKS, values, strict=True))


def _kept(output: OutputDir) -> dict[tuple[Any, ...], Row]:
    """The rows of `measures.parquet` by their marks; none where there is no such file, or none that can be read."""
    import pandas as pd

    try:
        marks = [*_MARKS]
        frame = pd.read_parquet(output.measures_file)
        frame[marks] = frame[marks].astype(object).where(frame[marks].notna(), None)
        rows = [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]
        return {tuple(row[mark] for mark in marks): row for row in rows}
    except Exception:  # a damaged file may raise anything; all of it can be computed again
        return {}


class _Reader:
    """Reads answers and computes rows; those of the last teacher are remembered."""

    def __init__(self, output: OutputDir, found: Mapping[str, Header]) -> None:
        self.output, self.found = output, found
        self._teacher: tuple[str, Predictions | None] | None = None

    def row(self, marks: Row) -> Row | None:
        """None where the answers are damaged."""
        own = self._read(marks["key"])
        if own is None:
            return None
        teacher = self._taught(marks["agreement_with"])
        return {**marks, **_own(own), **_fidelity(own, teacher)}

    def _read(self, stem: str) -> Predictions | None:
        return predictions.read(self.output.predictions_file(stem), self.found[stem].weights)

    def _taught(self, stem: str | None) -> Predictions | None:
        if stem is None:
            return None
        if self._teacher is None or self._teacher[0] != stem:
            self._teacher = (stem, self._read(stem))
        return self._teacher[1]


def _own(answers: Predictions) -> Row:
    """What can be said of a network by itself; percent where a column says so."""
    labels, predicted = answers.labels, answers.predicted
    counts = measures.confusion_matrix(labels, predicted, answers.classes)
    found = measures.recalls(counts)
    log_p = measures.log_softmax(answers.logits)
    plain, scaled, none = measures.reliability(log_p, labels, predicted), None, np.zeros(0)
    if answers.temperature is not None:
        scaled_log_p = measures.log_softmax(answers.logits, answers.temperature)
        scaled = measures.reliability(scaled_log_p, labels, predicted)
    return {
        "balanced_accuracy_pct": 100 * measures.balanced_accuracy(counts),
        "macro_f1_pct": 100 * measures.macro_f1(counts),
        "worst_recall_pct": 100 * float(np.nanmin(found)),
        "top5_pct": 100 * measures.top_accuracy(answers.logits, labels, predicted),
        "nll": measures.negative_log_likelihood(log_p, labels),
        "brier": measures.brier_score(log_p, labels),
        "ece_pct": 100 * measures.calibration_error(plain),
        "temperature": math.nan if answers.temperature is None else answers.temperature,
        "ece_scaled_pct": math.nan if scaled is None else 100 * measures.calibration_error(scaled),
        "recall": found,
        "confusion": counts.reshape(-1) if answers.classes <= MAX_CONFUSION else none,
        "reliability": plain.reshape(-1),
        "reliability_scaled": none if scaled is None else scaled.reshape(-1),
    }


def _fidelity(student: Predictions, teacher: Predictions | None) -> dict[str, float]:
    """What can be said of a network beside its teacher; NaN without one, or where the two saw other images."""
    values = [math.nan] * 3
    if teacher is not None and _comparable(student, teacher):
        log_p = [measures.log_softmax(one.logits) for one in (teacher, student)]
        values = [
            100 * measures.agreement(student.predicted, teacher.predicted),
            100 * measures.agreement_on_errors(student.predicted, teacher.predicted, student.labels),
            measures.mean_divergence(log_p[0], log_p[1]),
        ]
    return dict(zip(("agreement_pct", "agreement_on_errors_pct", "teacher_kl"), values, strict=True))


def _comparable(one: Predictions, other: Predictions) -> bool:
    """Whether they are answers to the same images with the same classes."""
    same = one.data_sha256 == other.data_sha256 and one.classes == other.classes
    return same and np.array_equal(one.labels, other.labels)


def files(measured: pd.DataFrame, output: OutputDir) -> dict[str, Callable[[], bytes]]:
    """`measures.parquet`: what makes its bytes; nothing where nothing is measured."""

    def parquet() -> bytes:
        buffer = io.BytesIO()
        measured.to_parquet(buffer, index=False)
        return buffer.getvalue()

    return {output.measures_file.name: parquet} if len(measured) else {}
