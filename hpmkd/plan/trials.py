"""What a tuning tries, and when it compares: functions of its job alone, for workers and for estimates."""

from __future__ import annotations

import hashlib
import math
import random

from hpmkd.plan.halving import candidate_epochs
from hpmkd.plan.job import TRIALS, Job

SPACE = "tune.space"
WORST = 1e6  # of a loss, for settings with which a training diverges
_DIGITS = 4  # of what is tried


def candidates(job: Job) -> list[dict[str, float]]:
    """What a tuning tries: first the config's own settings, then others at random, on a logarithmic scale where a range
    begins above 0. The n-th of each key is the same quantile for all baselines, so that none has better luck."""
    how = dict(job.hparams)
    drawn = {key: _drawn(job.seed, key, how[TRIALS] - 1) for key, *_ in how[SPACE]}
    others = [
        {key: _at(low, high, drawn[key][number]) for key, low, high in how[SPACE]} for number in range(how[TRIALS] - 1)
    ]
    return [dict(how["tune.defaults"]), *others]


def _drawn(seed: int, key: str, count: int) -> list[float]:
    """Quantiles in [0, 1): one in each of `count` equal parts, in random order (Latin hypercube sampling)."""
    digest = hashlib.sha256(f"tune:{seed}:{key}".encode()).digest()
    generator, parts = random.Random(int.from_bytes(digest[:8], "big")), list(range(count))
    generator.shuffle(parts)
    return [(part + generator.random()) / count for part in parts]


def _at(low: float, high: float, part: float) -> float:
    value = low * (high / low) ** part if low > 0 else low + (high - low) * part
    return float(f"{value:.{_DIGITS}g}")


def milestones(job: Job) -> list[int]:
    """The epochs after which candidates are compared, the last one included."""
    how, last = dict(job.hparams), job.fit.epochs
    if how["tune.scheduler"] == "none":
        return [last]
    found, epoch = [], max(1, round(how["tune.first"] * last))
    while epoch < last:
        found.append(epoch)
        epoch *= how["tune.reduction_factor"]
    return [*found, last]


def tuning_epochs(job: Job) -> int:
    """Epochs of all candidates together, where as many go on at each milestone as the scheduler means to."""
    how = dict(job.hparams)
    count, ends, factor = how[TRIALS], milestones(job), how["tune.reduction_factor"]
    plan = [(max(1, math.ceil(count / factor**place)), end) for place, end in enumerate(ends)]
    return candidate_epochs(plan)
