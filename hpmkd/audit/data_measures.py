"""Measures that need to know what a network was trained on: recall of rare classes, wrong labels that it has learnt.

Pure but for `memorised`: numbers of the metadata and recalls per class in, numbers out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hpmkd.config.conditions import NOISE, has_any
from hpmkd.data.conditions.draws import tail_of
from hpmkd.plan.roles import Role
from hpmkd.store import memorised_file
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.sidecar import Header

if TYPE_CHECKING:
    import pandas as pd

# Columns of results.parquet, all of them numbers.
COLUMNS = (
    "tail_recall_pct", "many_shot_pct", "medium_shot_pct", "few_shot_pct", "memorised_pct", "recovered_pct",
)  # fmt: skip
MANY, FEW = 100, 20  # training images of a class; Liu et al. 2019


def shots(recall_K: Sequence[float], images_K: Sequence[int]) -> dict[str, float]:
    """Accuracy in percent over the test images of classes with many (more than 100), medium and few (less than 20)
    training images: Liu et al. 2019, section 5. The mean of their recalls; NaN where there is no such class."""
    recall, images = np.asarray(recall_K, dtype=np.float64), np.asarray(images_K)
    groups = {
        "many_shot_pct": images > MANY,
        "medium_shot_pct": (images >= FEW) & (images <= MANY),
        "few_shot_pct": images < FEW,
    }
    return {name: mean_recall(recall, which) for name, which in groups.items()}


def mean_recall(recall_K: npt.ArrayLike, which: npt.NDArray[Any] | Sequence[int]) -> float:
    """Mean recall, percent, of some classes; NaN where none of them has test images."""
    found = np.asarray(recall_K, dtype=np.float64)[which]
    found = found[~np.isnan(found)]
    return 100 * float(found.mean()) if len(found) else math.nan


def tail_recall(recall_K: npt.ArrayLike, dataset: str) -> float:
    """Mean recall, percent, of the half of the classes that has the fewest images under imbalance; of the same classes
    whatever the model was trained on, so that it can be compared with that without imbalance."""
    return mean_recall(recall_K, tail_of(dataset, len(np.asarray(recall_K))))


def has_wrong_labels(header: Header) -> bool:
    """Whether a network was trained on wrong labels."""
    role, condition = Role.of(header.metadata.get("role")), header.metadata.get("condition")
    network = role is not None and role.is_network
    return network and isinstance(condition, str) and has_any(condition, NOISE)


def unmemorised(output: OutputDir, found: Mapping[str, Header]) -> dict[str, Header]:
    """The networks among a sweep's files that were trained on wrong labels and not yet asked about these images."""
    return {
        stem: header
        for stem, header in found.items()
        if has_wrong_labels(header) and memorised_file.read(output.memorised_file(stem), header.weights) is None
    }


def columns(output: OutputDir, found: Mapping[str, Header], measured: pd.DataFrame) -> pd.DataFrame:
    """`COLUMNS` of each of a sweep's files, in their order.

    Args:
        output: the sweep's folder.
        found: its valid files, by stem.
        measured: of `measured.measure_models`.
    """
    import pandas as pd

    recalls = dict(zip(measured["key"], measured["recall"], strict=True)) if len(measured) else {}
    rows = [_row(output, stem, header, recalls.get(stem)) for stem, header in found.items()]
    return pd.DataFrame(rows, columns=[*COLUMNS]).astype("float64")


def _row(output: OutputDir, stem: str, header: Header, recall: Any) -> dict[str, float]:
    row: dict[str, float] = {}
    facts, name = header.metadata.get("training_data"), header.metadata.get("dataset")
    images = facts.get("images_per_class") if isinstance(facts, Mapping) else None
    if recall is not None and isinstance(name, str):
        row["tail_recall_pct"] = tail_recall(recall, name)
        if isinstance(images, list) and len(images) == len(recall):
            row |= shots(recall, images)
    asked = memorised_file.read(output.memorised_file(stem), header.weights) if has_wrong_labels(header) else None
    if asked is not None:
        row |= {"memorised_pct": asked.given_pct, "recovered_pct": asked.true_pct}
    return row
