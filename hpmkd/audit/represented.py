"""What is known of a sweep's networks from their files in `representations/`: which are missing, and the numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hpmkd.audit.lineage import ancestors, reference_teachers
from hpmkd.audit.measured import networks
from hpmkd.config.protocol import LITERATURE
from hpmkd.errors import UsageError
from hpmkd.plan.roles import Role
from hpmkd.store import representation_file
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.representation_file import Comparison, Representation, Wanted
from hpmkd.store.sidecar import Header

if TYPE_CHECKING:
    import pandas as pd

# Columns of results.parquet: one number per network.
COLUMNS = ("cka_embedding", "cka_logits", "silhouette", "knn_pct", "probe_pct")
_GROUP = ("dataset", "condition", "pair", "baseline")


def wanted(found: Mapping[str, Header]) -> dict[str, Wanted]:
    """What is to be known of each network of a sweep, by key.

    Each is compared with its teacher (`lineage.reference_teachers`); students that have learnt from no network with the
    next run's, too: how alike are two that differ by the seed alone? Drawn are teachers with whom others are compared,
    and each baseline's first student.

    Args:
        found: the sweep's valid files, by stem.
    """
    known = {stem: one for stem, one in networks(found).items() if one.weights is not None}
    teachers, seeds = reference_teachers(known), other_seeds(known)
    drawn = {*teachers.values(), *_first(known)}
    made = {}
    for stem, header in known.items():
        others = [one for one in (teachers.get(stem), seeds.get(stem)) if one is not None]
        weights = {one: str(known[one].weights) for one in others}
        made[stem] = Wanted(str(header.weights), weights, is_mapped=stem in drawn)
    return made


def other_seeds(found: Mapping[str, Header]) -> dict[str, str]:
    """Student that has learnt from no network -> that of the next run of its baseline; the last one's next is the
    first, where there are three or more (of two, the second would give the same pair)."""
    made: dict[str, str] = {}
    for stems in _runs(found).values():
        alone = [stem for stem in stems if not ancestors(stem, found)]
        pairs = zip(alone, [*alone[1:], *alone[:1]], strict=True)
        made |= dict([*pairs][: 1 if len(alone) == 2 else None]) if len(alone) > 1 else {}
    return made


def _first(found: Mapping[str, Header]) -> list[str]:
    return [stems[0] for stems in _runs(found).values()]


def _runs(found: Mapping[str, Header]) -> dict[tuple[Any, ...], list[str]]:
    """The students of each baseline, by run."""
    made: dict[tuple[Any, ...], list[str]] = {}
    students = [stem for stem, one in found.items() if Role.of(one.metadata.get("role")) is Role.STUDENT]
    for stem in sorted(students, key=lambda one: (len(one), one)):  # `..._run2` before `..._run10`
        made.setdefault(tuple(found[stem].metadata.get(name) for name in _GROUP), []).append(stem)
    return made


def unrepresented(output: OutputDir, found: Mapping[str, Header]) -> tuple[dict[str, Wanted], list[str]]:
    """What is wanted and not there, and the keys of files that are damaged."""
    _need_validation(found)
    missing, damaged = {}, []
    for key, one in wanted(found).items():
        state = representation_file.state_of(output.representation_file(key), one)
        if state != "good":
            missing[key] = one
        if state == "damaged":
            damaged.append(key)
    return missing, damaged


def _need_validation(found: Mapping[str, Header]) -> None:
    for key, one in found.items():
        if one.metadata.get("protocol") == LITERATURE:
            raise UsageError(
                f"{key}: its protocol held no images out, and the probe of its embedding needs some",
                expected="models of a sweep with protocol: honest",
                found="protocol: literature",
                todo="measure without --representations",
            )


def read(output: OutputDir, found: Mapping[str, Header]) -> dict[str, Representation]:
    """What is known of the networks as they are now, by key."""
    known = {stem: representation_file.read(output.representation_file(stem), one.weights)
             for stem, one in networks(found).items()}  # fmt: skip
    return {stem: one for stem, one in known.items() if one is not None}


def columns(output: OutputDir, found: Mapping[str, Header]) -> pd.DataFrame:
    """`COLUMNS` by stem, of all of a sweep's files; NaN: not known. `cka_...`: with the teacher of `agreement_with`,
    both networks' embeddings, or logits."""
    import pandas as pd

    known = read(output, found) if output.representations.is_dir() else {}
    teachers, rows = reference_teachers(found) if known else {}, {}
    for stem, one in known.items():
        row: dict[str, float] = {name: getattr(one, name) for name in COLUMNS[2:]}
        teacher = teachers.get(stem, "")
        other = one.others.get(teacher)
        if other is not None and other.weights == found[teacher].weights:
            row |= {f"cka_{layer}": between(one, other, layer) for layer in ("embedding", "logits")}
        rows[stem] = row
    made = pd.DataFrame.from_dict(rows, orient="index")
    return made.reindex(index=list(found), columns=[*COLUMNS]).astype("float64")


def between(one: Representation, other: Comparison, layer: str) -> float:
    """CKA of both networks' layers of one name; NaN where there is no such layer."""
    places = [names.index(layer) if layer in names else None for names in (one.layers, other.layers)]
    return math.nan if None in places else float(other.cka[places[0], places[1]])
