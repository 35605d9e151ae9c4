"""How much smaller a student is than its teacher, and the widths that make it as many times smaller as is wanted."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from hpmkd.config.own import is_own
from hpmkd.config.specs import ModelSpec
from hpmkd.errors import UsageError
from hpmkd.numeric import divide
from hpmkd.plan.architecture import forward_cost, parameter_count, scaled

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hpmkd.plan.job import Job

# A network that is further from the wanted count is not what was asked for.
_TOLERANCE = 1.1
_HALVINGS = 60  # of the interval in which the factor of the widths lies: as many as a float can tell


def compression(teacher: ModelSpec, student: ModelSpec) -> tuple[float, float]:
    """How many times fewer parameters the student has, and how many times fewer multiply-adds of a forward pass."""
    return (
        divide(parameter_count(teacher), parameter_count(student)),
        divide(forward_cost(teacher), forward_cost(student)),
    )


def narrowed(base: ModelSpec, teacher: ModelSpec, ratio: float, where: str) -> ModelSpec:
    """The student that has `ratio` times fewer parameters than its teacher.

    All widths of `base` are multiplied with one factor and rounded. The count grows with the factor, so there is one
    place where it passes the wanted one; it is the network on its sides whose count is nearer, by their quotient.

    Raises:
        UsageError: no such network comes within a tenth of the wanted count; it says what can be reached.
    """
    if is_own(base.arch):
        raise UsageError(
            f"{where}.ratio: only of a network whose widths hpmkd can choose",
            expected="a network that hpmkd models lists",
            found=base.arch,
            todo=f"leave the ratio out, or give it its size by {where}.args",
        )
    wanted = parameter_count(teacher) / ratio
    low, high = 0.0, 1.0
    while parameter_count(_of(base, high)) < wanted:
        high *= 2
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if parameter_count(_of(base, middle)) < wanted else (low, middle)
    sides = [_of(base, low), _of(base, high)]
    best = min(sides, key=lambda spec: abs(math.log(parameter_count(spec) / wanted)))
    if abs(math.log(parameter_count(best) / wanted)) > math.log(_TOLERANCE):
        raise _unreachable(base, teacher, ratio, sides=sides, where=where)
    return best


def _of(base: ModelSpec, factor: float) -> ModelSpec:
    return replace(base, channels=scaled(base, factor))


def _unreachable(base: ModelSpec, teacher: ModelSpec, ratio: float, sides: list[ModelSpec], where: str) -> UsageError:
    largest = compression(teacher, _of(base, 0.0))[0]
    nearest = dict.fromkeys(f"{compression(teacher, one)[0]:.3g}" for one in reversed(sides))
    return UsageError(
        f"{where}: no {base.arch} has {ratio:g} times fewer parameters than the teacher",
        expected=f"a ratio from 1 to {largest:.3g}"
        + (f"; near {ratio:g} there {'are' if len(nearest) > 1 else 'is'} {' and '.join(nearest)}"),
        found=f"{ratio:g} (the teacher has {parameter_count(teacher):,} parameters)",
        todo="ask for one of these, give its widths other proportions (student.channels), or take another student.arch",
    )


def networks_of(jobs: Iterable[Job]) -> dict[str, tuple[ModelSpec, ModelSpec]]:
    """Place -> teacher's and student's network, of the students in a plan; without what a method adds to them."""
    every = {job.key: job for job in jobs}
    return {
        job.place: (every[job.reference].model, replace(job.model, reuses=None))
        for job in every.values()
        if job.reference in every
    }


def described(spec: ModelSpec) -> str:
    """`lenet5 10-20-100, 56,890 parameters`."""
    widths = f" {'-'.join(map(str, spec.channels))}" * bool(spec.channels)
    return f"{spec.arch}{widths}, {parameter_count(spec):,} parameters"


def times_fewer(teacher: ModelSpec, student: ModelSpec) -> str:
    """`9.97 times fewer parameters and 5.21 times fewer multiply-adds than the teacher`; where it has more, that."""
    said = [
        f"{max(ratio, 1 / ratio):.3g} times {'fewer' if ratio >= 1 else 'more'} {what}"
        for ratio, what in zip(compression(teacher, student), ("parameters", "multiply-adds"), strict=True)
    ]
    return f"{' and '.join(said)} than the teacher"
