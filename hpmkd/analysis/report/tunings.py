"""Which baselines have settings that a tuning or a search chose on validation images, and which settings: of all others
a report says that they have not."""

from __future__ import annotations

from hpmkd.audit.sweep_dir import Saved
from hpmkd.data.source.listing import named
from hpmkd.files import parse_json
from hpmkd.numeric import digits
from hpmkd.plan.job import TRIALS, Job
from hpmkd.plan.roles import Role
from hpmkd.plan.searched import searched

_MOST = 20  # baselines that are named


def tuned(saved: Saved) -> list[tuple[str, str]]:
    """A line for each tuning and each search, and one for the baselines without."""
    found: dict[str, tuple[Job, list[str]]] = {}
    others: list[str] = []
    for job in saved.jobs:
        if job.role is Role.STUDENT:
            chosen = [one for one in job.parents if one.role is Role.SEARCH]
            for names in [found.setdefault(one.key, (one, []))[1] for one in chosen] or [others]:
                names += [str(job.baseline)] * (str(job.baseline) not in names)
    lines = [(_title(job, names), _chosen(job, saved)) for job, names in found.values()]
    rest = named(others, _MOST) if found else "those of all baselines"
    return [*lines, *[("settings not tuned", f"{rest}: as the config says")] * bool(others)]


def _title(job: Job, names: list[str]) -> str:
    where = job.place if job.run is None else f"{job.place}, run {job.run}"
    return f"tuning of {names[0]}, {where}" if job.is_tuning else f"search on {where}, for {named(names, _MOST)}"


def _chosen(job: Job, saved: Saved) -> str:
    how = dict(job.hparams)
    if job.is_tuning:
        tried = f"{how[TRIALS]} settings on validation images ({how['tune.scheduler']}, {how['tune.metric']})"
    else:
        metric = how.get("adaptive.metric", "accuracy")
        tried = f"{len(searched(job))} settings on validation images (successive halving of TraditionalKD, {metric})"
    try:
        about = parse_json(saved.output.model_file(job).read_text())["metadata"]
        text = ", ".join(f"{key} {digits(float(value))}" for key, value in about["chosen"].items())
        failed = sum(row.get("failed", False) for row in about["evidence"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return f"{tried}; not there yet"
    return f"{tried}{f', {failed} of which failed' if failed else ''}: {text}"
