"""How large the assistants between a teacher and a student are."""

from __future__ import annotations

import math

from hpmkd.plan.architecture import geometric_sizes
from hpmkd.plan.baseline import Baseline


def assistant_sizes(baseline: Baseline, large: int, small: int) -> list[float]:
    """Wanted parameter counts of a baseline's assistants, from the first to the last.

    Args:
        baseline: how many, or of which size.
        large, small: parameters of teacher and student.
    """
    steps = baseline.assistants
    if steps is None:
        steps = max(1, round(math.log(large / small) / math.log(4))) - 1 if large > small else 0
    if baseline.born_again:
        return [float(small)] * steps
    if steps == 1 and baseline.assistant_size:
        return [baseline.assistant_size]
    return [float(size) for size in geometric_sizes(large, small, steps + 1)]
