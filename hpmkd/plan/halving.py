"""The plan of a successive halving, without torch."""

from __future__ import annotations


def rungs(candidates: int, reduction_factor: int, epochs: int) -> list[tuple[int, int]]:
    """How many candidates are trained to which epoch: Jamieson and Talwalkar 2016, algorithm 1.

    Args:
        candidates: n at the start.
        reduction_factor: keep 1 of this many candidates per rung.
        epochs: of the last rung; a rung before it has `reduction_factor` times fewer.

    Returns:
        `(candidates, epochs)` per rung. A rung that would train nothing, as in schedules of one or two epochs, is left
        out; the last one has at most `reduction_factor` candidates where none was.
    """
    sizes = [candidates]
    while sizes[-1] > reduction_factor:
        sizes.append(-(-sizes[-1] // reduction_factor))
    ends = [max(1, round(epochs / reduction_factor ** (len(sizes) - 1 - place))) for place in range(len(sizes))]
    return [(size, end) for size, end, before in zip(sizes, ends, [0, *ends], strict=False) if end > before]


def last_epoch(part: float, epochs: int) -> int:
    """Epochs of the last rung, as a part of a student's epochs."""
    return max(1, round(part * epochs))


def candidate_epochs(plan: list[tuple[int, int]]) -> int:
    """Epochs that all candidates of a plan of `rungs` are trained for, taken together."""
    starts = [0, *(end for _, end in plan)]
    return sum(count * (end - start) for (count, end), start in zip(plan, starts, strict=False))
