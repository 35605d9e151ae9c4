"""Which baselines were tuned, and what was chosen for them: a report says of all others that they were not."""

from __future__ import annotations

from hpmkd.audit.sweep_dir import Saved
from hpmkd.data.source.listing import named
from hpmkd.files import parse_json
from hpmkd.numeric import digits
from hpmkd.plan.job import TRIALS, Job
from hpmkd.plan.roles import Role

_MOST = 20  # baselines that are named


def tuned(saved: Saved) -> list[tuple[str, str]]:
    """A line for each tuning, and one for the baselines without."""
    made = [job for job in saved.jobs if job.is_tuning]
    with_one = {job.baseline for job in made}
    others = {
        str(job.baseline): None for job in saved.jobs if job.role is Role.STUDENT and job.baseline not in with_one
    }
    lines = [(f"tuning of {job.baseline}, {job.place}", _chosen(job, saved)) for job in made]
    names = named(list(others), _MOST) if made else "those of all baselines"
    return [*lines, *[("settings not tuned", f"{names}: as the config says")] * bool(others)]


def _chosen(job: Job, saved: Saved) -> str:
    how = dict(job.hparams)
    tried = f"{how[TRIALS]} settings on validation images ({how['tune.scheduler']}, {how['tune.metric']})"
    try:
        about = parse_json(saved.output.model_file(job).read_text())["metadata"]
        text = ", ".join(f"{key} {digits(float(value))}" for key, value in about["chosen"].items())
        failed = sum(row.get("failed", False) for row in about["evidence"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return f"{tried}; not there yet"
    return f"{tried}{f', {failed} of which failed' if failed else ''}: {text}"
