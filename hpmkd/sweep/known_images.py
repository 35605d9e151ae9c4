"""Whether the images of known data sets are there, before anything is decoded or downloaded."""

from __future__ import annotations

from collections.abc import Iterable

from hpmkd.config.sweep import DataConfig
from hpmkd.data.cache import remembered
from hpmkd.data.published import Absent, absent
from hpmkd.data.source.listing import shown
from hpmkd.plan.job import Job


def need_known(config: DataConfig, jobs: Iterable[Job]) -> None:
    """For jobs that are to be trained, where nothing may be downloaded: otherwise the reader tries that.

    Raises:
        EnvironmentProblem: a data set is not there.
    """
    for one in _not_there(config, jobs):
        if not config.download:
            raise one.problem(config)


def notes(config: DataConfig, jobs: Iterable[Job]) -> list[str]:
    """The dry run's words on data sets that the real command would not find: a line for each."""
    made = []
    for one in _not_there(config, jobs):
        there = f"{one.name}: no images in {shown(config.dir)} ({one.found})"
        refused = f"without -n this is refused, because data.download is off; what to do: {one.problem(config).todo}"
        made.append(
            f"{there}: " + (f"without -n they are downloaded to {shown(config.dir)}" if config.download else refused)
        )
    return made


def _not_there(config: DataConfig, jobs: Iterable[Job]) -> list[Absent]:
    """Neither in the cache of decoded images nor in the data folder."""
    found = []
    for name, spec in {job.data.name: job.data for job in jobs if job.data.source is None}.items():
        known = remembered(spec, config)
        decoded = known is not None and known[1].with_suffix(".pt").is_file()
        missing = None if decoded else absent(name, config)
        if missing is not None:
            found.append(missing)
    return found
