"""A batch script for SLURM that runs a sweep, and queues it again until everything is trained."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# A sweep that is stopped ends within 30 s; SLURM's clock has a grain of a minute.
GRACE_SECONDS = 120
_TIME = re.compile(r"(\d+-)?\d+(:\d\d){0,2}")


@dataclass(frozen=True)
class BatchJob:
    """What a job asks SLURM for, and what it runs.

    Args:
        name: of the job, and of its log.
        command: words of the sweep's command, without `--address`.
        folder: in which it runs.
        nodes: how many; several are joined by a Ray cluster.
        options: sbatch's own, as `--time=4:00:00`.
        setup: lines of shell before the sweep, such as `module load cuda`.
        grace: seconds before the time limit at which models save what they have done.
        made_by: the command that made it.
    """

    name: str
    command: Sequence[str]
    folder: Path
    nodes: int = 1
    options: Sequence[str] = ()
    setup: Sequence[str] = ()
    grace: int = GRACE_SECONDS
    made_by: str = "hpmkd slurm"

    def script(self) -> str:
        """Its text, for sbatch."""
        from jinja2 import Environment, PackageLoader, StrictUndefined

        templates = Environment(
            loader=PackageLoader("hpmkd.cluster"),
            undefined=StrictUndefined,
            keep_trailing_newline=True,
            autoescape=False,  # shell, not HTML
        )
        return templates.get_template("slurm.sh.j2").render(
            name=self.name,
            command=shlex.join(self.command),
            folder=shlex.quote(str(self.folder)),
            nodes=self.nodes,
            options=list(self.options),
            setup=list(self.setup),
            grace=self.grace,
            made_by=" ".join(self.made_by.splitlines()),
            python=shlex.quote(sys.executable),
            log=f"{self.name}-%j.log",
            ray_log=f'"{self.name}-$SLURM_JOB_ID-ray.log"',
        )


def seconds_of(text: str) -> int | None:
    """A time as sbatch reads it: minutes, `30:00`, `4:00:00`, `1-12`, `1-12:00:00`; None: it reads none."""
    if _TIME.fullmatch(text) is None:
        return None
    days, dash, rest = text.rpartition("-")
    parts = [int(part) for part in rest.split(":")]
    if dash:  # hours first
        hours, minutes, seconds = (*parts, 0, 0)[:3]
    else:  # minutes, or with seconds, or with hours before them
        hours, minutes, seconds = {1: (0, *parts, 0), 2: (0, *parts), 3: tuple(parts)}[len(parts)]
    return ((int(days or 0) * 24 + hours) * 60 + minutes) * 60 + seconds
