"""What a network makes of images, in numbers: one JSON file per network in `representations/`.

A file is computed from the weights of its network and of those that it is compared with, and from images, so it can be
made again at any time; nothing is ever trained because of it. It names these weights, and a digest covers all of it: it
is believed only for them, and only if it is whole.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from hpmkd.files import commit_bytes, digest_of, parse_json
from hpmkd.numeric import json_ready

FORMAT = 1  # with another one, all is computed anew
State = Literal["good", "missing", "damaged", "outdated"]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Wanted:
    """What is to be known of a network.

    Args:
        weights: identity of its weights.
        others: the networks that it is compared with, by key, and the identity of theirs.
        is_mapped: whether its embedding is drawn, too (t-SNE).
    """

    weights: str
    others: Mapping[str, str] = field(default_factory=dict)
    is_mapped: bool = False


@dataclass(frozen=True)
class Comparison:
    """Similarity of the layers of a network and of another one.

    Args:
        weights: identity of the other's.
        layers: names of the other's, L.
        cka: `(own layers, L)`; NaN where it is not defined, as of a layer that gives the same for all images.
    """

    weights: str
    layers: tuple[str, ...]
    cka: Floats


@dataclass(frozen=True)
class Scatter:
    """An embedding of N images in the plane: `points` `(N, 2)`, their classes `(N,)`, and the trustworthiness."""

    points: Floats
    labels: npt.NDArray[np.int64]
    trustworthiness: float


@dataclass(frozen=True)
class Representation:
    """What a file holds.

    Args:
        weights: identity of the network's.
        layers: its names of layers.
        silhouette, knn_pct, probe_pct: of its embedding, see `training/embedding.py`; NaN: not defined.
        probe_c: inverse strength of the regularisation that validation images chose.
        images: how many of each kind were used: `compared`, `bank`, `validation`, `test`.
        others: by key.
        scatter: where one was wanted.
        data_sha256: of the decoded images.
        seconds: that it took.
    """

    weights: str
    layers: tuple[str, ...]
    silhouette: float
    knn_pct: float
    probe_pct: float
    probe_c: float
    images: Mapping[str, int]
    others: Mapping[str, Comparison] = field(default_factory=dict)
    scatter: Scatter | None = None
    data_sha256: str | None = None
    seconds: float = math.nan


def write(path: Path, made: Representation) -> None:
    """Commits a file.

    Raises:
        EnvironmentProblem: it cannot be written.
    """
    values = {"format": FORMAT, **asdict(made)}
    values["others"] = {key: {**asdict(one), "cka": one.cka.tolist()} for key, one in made.others.items()}
    if made.scatter is not None:
        points, labels = made.scatter.points.round(3).tolist(), made.scatter.labels.tolist()
        values["scatter"] = {**asdict(made.scatter), "points": points, "labels": labels}
    # As it will be read, tuples and all, so that the digest is of the very same.
    values = json.loads(json.dumps(json_ready(values)))
    commit_bytes(path, json.dumps({**values, "digest": digest_of(values)}).encode())


def read(path: Path, weights: str | None) -> Representation | None:
    """What is known of a network with these weights; None: nothing, or it is damaged or of others."""
    found = _read(path)
    return found if isinstance(found, Representation) and found.weights == weights else None


def state_of(path: Path, wanted: Wanted) -> State:
    """Whether a file has what is wanted."""
    found = _read(path)
    if not isinstance(found, Representation):
        return found
    has = {key: one.weights for key, one in found.others.items()}
    same = found.weights == wanted.weights and has == dict(wanted.others)
    return "good" if same and (found.scatter is not None or not wanted.is_mapped) else "outdated"


def _read(path: Path) -> Representation | Literal["missing", "damaged", "outdated"]:
    try:
        values = parse_json(path.read_bytes())
        if values.pop("digest") != digest_of(values):
            return "damaged"
        return _parsed(values) if values.pop("format") == FORMAT else "outdated"
    except FileNotFoundError:
        return "missing"
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return "damaged"


def _parsed(values: dict[str, Any]) -> Representation:
    others = {
        key: Comparison(one["weights"], tuple(one["layers"]), np.array(one["cka"], dtype=np.float64))
        for key, one in values["others"].items()
    }
    drawn = values["scatter"]
    scatter = drawn and Scatter(
        np.array(drawn["points"], dtype=np.float64),
        np.array(drawn["labels"], dtype=np.int64),
        _number(drawn["trustworthiness"]),
    )
    numbers = ("silhouette", "knn_pct", "probe_pct", "probe_c", "seconds")
    values = {**values, **{name: _number(values[name]) for name in numbers}}
    return Representation(**{**values, "layers": tuple(values["layers"]), "others": others, "scatter": scatter})


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)
