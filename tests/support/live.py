"""A tracker in the middle of a sweep, and what a terminal shows without its colours."""

from __future__ import annotations

import re

from hpmkd.monitor.tracker import Tracker
from hpmkd.plan.events import EpochEnded, EpochResult
from hpmkd.plan.roles import Role
from hpmkd.plan.schedule import Places
from support.plans import plan

JOBS = plan(1, ["Direct", "HPM-KD-noChain-uniform-noMetaTemp-M2"], 3)
LONG = "student_D0_HPM-KD-noChain-uniform-noMetaTemp-M2_run3"


def tracker() -> Tracker:
    """Three models there, one in its seventh epoch, one that has just been taken up."""
    now = [0.0]
    made = Tracker(JOBS, {JOBS[0].key: 10.0}, lambda: now[0])
    made.round([job.key for job in JOBS[1:]], Places.alike(2), dict.fromkeys(Role, "0.25 GPU"))
    made.started(LONG)
    made.started("student_D0_Direct_run2")
    for epoch in range(1, 8):
        now[0] += 10
        made.reported(EpochEnded(LONG, EpochResult(epoch, 0.123456, {}, 96.2, 0.1, 10.0 * epoch, 15)))
    return made


def without_colours(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
