"""What follows from what was measured on each kind of GPU: how many trials it takes, and what people are told."""

from __future__ import annotations

from collections.abc import Mapping

from hpmkd.cluster.resources import Shares
from hpmkd.plan.gpu_share import UNSEEN, GpuKind, GpuUsage
from hpmkd.plan.roles import Role
from hpmkd.sweep.gpu_probe import Found, Unmeasured


def per_gpu(found: Mapping[GpuKind, Found]) -> dict[Role, int]:
    """How many trials of each role a GPU takes, whatever its kind: Ray may put a trial on any of them.

    Of roles that were measured nowhere, nothing is known; on a kind where one could not be measured, it counts as one
    whose use of the GPU was not seen.
    """
    takes: dict[Role, list[int | None]] = {}
    for here in found.values():
        for role, one in here.items():
            takes.setdefault(role, []).append(_takes(one))
    known = {role: counts for role, counts in takes.items() if any(count is not None for count in counts)}
    return {role: min(UNSEEN if count is None else count for count in counts) for role, counts in known.items()}


def _takes(one: GpuUsage | Unmeasured) -> int | None:
    if isinstance(one, GpuUsage):
        return one.side_by_side()
    return 1 if one.needs_all else None


def lines(found: Mapping[GpuKind, Found], shares: Shares) -> list[str]:
    """For people: what was measured, what was not and why, and what follows from it."""
    if len(found) != 1:
        said = [line for kind, here in found.items() for line in _of_one_of_several(kind, here)]
        rule = "a trial may run on any, so each gets as many as the one that takes fewest"
        return [*said, f"{len(found)} kinds of GPUs: {rule}; {shares.description}"] if said else []
    ((kind, here),) = found.items()
    said = [f"{_name(kind, here)}: {_measured(here)}; {shares.description}"] if _measured(here) else []
    for why, roles in _reasons(here).items():
        rest = Shares(shares.common, {role: shares.of(role) for role in roles}).description
        by = "alone on a GPU" if why.needs_all else "by the number of cores"
        said.append(f"GPU not measured ({_nouns(roles)}): {why.reason}; {by}: {rest}")
    return said


def _of_one_of_several(kind: GpuKind, here: Found) -> list[str]:
    said = [f"{_name(kind, here)}: {_measured(here)}"] if _measured(here) else []
    for why, roles in _reasons(here).items():
        counts = "alone on a GPU" if why.needs_all else f"counts as at most {UNSEEN} on a GPU"
        said.append(f"{_name(kind, here)}: not measured ({_nouns(roles)}): {why.reason}; {counts}")
    return said


def _name(kind: GpuKind, here: Found) -> str:
    """Also where CUDA could not be asked beforehand: what was measured knows it."""
    seen = next((one for one in here.values() if isinstance(one, GpuUsage)), None)
    return (GpuKind(seen.gpu, seen.total_bytes) if seen else kind).description


def _measured(here: Found) -> str:
    """`one teacher uses 1.2 GiB and keeps it 40 % busy, ...`"""
    usages = {role: here[role] for role in Role if isinstance(here.get(role), GpuUsage)}
    return ", ".join(f"one {role.noun} {one.description}" for role, one in usages.items() if isinstance(one, GpuUsage))


def _reasons(here: Found) -> dict[Unmeasured, list[Role]]:
    reasons: dict[Unmeasured, list[Role]] = {}
    for role in Role:
        one = here.get(role)
        if isinstance(one, Unmeasured):
            reasons.setdefault(one, []).append(role)
    return reasons


def _nouns(roles: list[Role]) -> str:
    return ", ".join(role.noun for role in roles)
