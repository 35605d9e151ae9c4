"""The pairs of networks of a sweep: their names, and what they are."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

from hpmkd.config.networks import ModelConfig, StudentConfig
from hpmkd.config.specs import DataSpec, ModelSpec
from hpmkd.config.sweep import SweepConfig
from hpmkd.errors import UsageError
from hpmkd.numeric import digits
from hpmkd.plan.architecture import identity_of, resolve
from hpmkd.plan.compression import described, narrowed
from hpmkd.plan.own import Networks

Pair = Mapping[str, ModelConfig]


def pairs_of(config: SweepConfig) -> dict[str | None, dict[str, ModelConfig]]:
    """Name of each pair -> where its teacher and its student are set, and what they are.

    The name is None where there is one pair only: then it is not in the names of files. Of `ratios` each is a pair.
    """
    found: dict[str | None, dict[str, ModelConfig]] = {}
    for name, pair in config.pairs.items():
        networks = {"teacher": (pair.teacher, config.teacher), "student": (pair.student, config.student)}
        found[name if len(config.pairs) > 1 else None] = {
            f"pairs.{name}.{role}" if own else role: own or common for role, (own, common) in networks.items()
        }
    for ratio in config.ratios:
        student = config.student.model_copy(update={"ratio": ratio})
        found[f"r{digits(ratio)}" if len(config.ratios) > 1 else None] = {"teacher": config.teacher, "student": student}
    return found or {None: {"teacher": config.teacher, "student": config.student}}


def resolved(pair: Pair, data: DataSpec, networks: Networks) -> tuple[ModelSpec, ModelSpec]:
    """Teacher and student of one pair of `pairs_of`, shaped for a data set; UsageError where one of them cannot be."""
    (at, teacher), (where, student) = pair.items()
    large, small = resolve(teacher, data, at, networks), resolve(student, data, where, networks)
    if isinstance(student, StudentConfig) and student.ratio is not None:
        small = narrowed(small, large, student.ratio, where)
    return large, small


def need_distinct_pairs(config: SweepConfig) -> None:
    """UsageError where two pairs have the same networks: each model of one would be a copy of the other's."""
    _need_distinct({name: tuple(map(identity_of, pair.values())) for name, pair in pairs_of(config).items()})


def resolved_pairs(
    config: SweepConfig, data: DataSpec, networks: Networks
) -> dict[str | None, tuple[ModelSpec, ModelSpec]]:
    """Name of each pair -> teacher and student, shaped for a data set. `networks`: those from elsewhere.

    Raises:
        UsageError: one of them cannot be, or two pairs come to the same networks, as two near ratios may.
    """
    found = {name: resolved(pair, data, networks) for name, pair in pairs_of(config).items()}
    _need_distinct(found)
    return found


def _need_distinct(pairs: Mapping[str | None, Hashable]) -> None:
    names: dict[Hashable, str | None] = {}
    for name, networks in pairs.items():
        before = names.setdefault(networks, name)
        if before != name:
            same = networks[1] if isinstance(networks, tuple) else None
            raise UsageError(
                "pairs: the same networks under two names",
                expected="pairs that differ in teacher or student, or the same model would be trained twice",
                found=f"{before} and {name}" + (f", {described(same)}" if isinstance(same, ModelSpec) else ""),
                todo="change one of them, or leave it out",
            )
