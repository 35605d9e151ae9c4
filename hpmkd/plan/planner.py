"""Config -> jobs: a DAG of teachers, assistants and students."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from hpmkd.config.conditions import as_taught, sees_clean_teacher
from hpmkd.config.specs import DataSpec
from hpmkd.config.sweep import SweepConfig
from hpmkd.plan.baseline import Baseline
from hpmkd.plan.collected import add, in_order
from hpmkd.plan.job import Job
from hpmkd.plan.own import Networks
from hpmkd.plan.pairs import resolved_pairs
from hpmkd.plan.place_planner import Planner
from hpmkd.plan.shareable import marked
from hpmkd.plan.shown import with_shown_answers


def expand(
    config: SweepConfig, datasets: Iterable[DataSpec], baselines: Sequence[Baseline], networks: Networks | None = None
) -> tuple[Job, ...]:
    """All jobs of a sweep, parents before children, each once.

    Args:
        config: the sweep.
        datasets: one spec for each entry of `config.datasets`.
        baselines: one for each entry of `config.baselines` (`catalog.baselines_of` gives them).
        networks: what is known of networks from elsewhere.
    """
    jobs: dict[str, Job] = {}
    made: dict[tuple[str, str], Job] = {}
    specs = list(datasets)
    places = {(data.name, data.condition) for data in specs}
    pairs = ((data, *found) for data in specs for found in resolved_pairs(config, data, networks or {}).items())
    for data, pair, (large, small) in pairs:
        own = config.fit.student_epochs
        planner = Planner(config, data, large=large, small=small, pair=pair, made=made, epochs=own)
        for run in range(1, config.runs + 1) if config.teacher.per_run else (1,):
            add(jobs, planner.of_run(run).elders.teacher())
        for baseline in baselines:
            untaught = not baseline.taught and sees_clean_teacher(data.condition)
            if untaught and (data.name, as_taught(data.condition)) in places:
                continue  # it is the student of that place
            for student in planner.of(baseline).students(baseline):
                for job in student.ancestors():
                    add(jobs, job)
                add(jobs, replace(student, data=data.under(as_taught(data.condition))) if untaught else student)
    maps = [one.label for one in baselines if one.taps or one.reuses is not None]
    return in_order(with_shown_answers(config, marked(jobs.values(), baselines), maps))
