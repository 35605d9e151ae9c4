"""The pairs of networks of a sweep: their names, and what they are."""

from __future__ import annotations

from collections.abc import Hashable

from hpmkd.config.sweep import ModelConfig, SweepConfig
from hpmkd.errors import UsageError
from hpmkd.plan.architecture import identity_of


def pairs_of(config: SweepConfig) -> dict[str | None, dict[str, ModelConfig]]:
    """Name of each pair -> where its teacher and its student are set, and what they are.

    The name is None where there is one pair only: then it is not in the names of files.
    """
    found: dict[str | None, dict[str, ModelConfig]] = {}
    for name, pair in config.pairs.items():
        networks = {"teacher": (pair.teacher, config.teacher), "student": (pair.student, config.student)}
        found[name if len(config.pairs) > 1 else None] = {
            f"pairs.{name}.{role}" if own else role: own or common for role, (own, common) in networks.items()
        }
    return found or {None: {"teacher": config.teacher, "student": config.student}}


def need_distinct_pairs(config: SweepConfig) -> None:
    """UsageError where two pairs have the same networks: each model of one would be a copy of the other's."""
    names: dict[Hashable, str | None] = {}
    for name, networks in pairs_of(config).items():
        before = names.setdefault(tuple(map(identity_of, networks.values())), name)
        if before != name:
            raise UsageError(
                "pairs: the same networks under two names",
                expected="pairs that differ in teacher or student, or the same model would be trained twice",
                found=f"{before} and {name}",
                todo="change one of them, or leave it out",
            )
