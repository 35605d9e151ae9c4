"""Runs a tuning: a Tune experiment of its own, with ASHA, whose trials train a student each with other settings."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune import Callback, TuneConfig
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler
from ray.tune.search import ConcurrencyLimiter, Searcher

from hpmkd.audit.sweep_dir import Sweep
from hpmkd.cluster.resources import TrialResources
from hpmkd.files import commit_json, parse_json
from hpmkd.plan.job import Job
from hpmkd.plan.trials import candidates, milestones
from hpmkd.sweep.candidates import EPOCH, LOSS, NUMBER, SETTINGS, note_chosen, try_candidate, was_made_before
from hpmkd.sweep.far_nodes import FarNodes
from hpmkd.sweep.on_node import needs_of
from hpmkd.sweep.signed_state import StateSigner, why_invalid
from hpmkd.sweep.tune_run import give_callbacks, run_config, sweep_key, versions
from hpmkd.sweep.tuned import conclusion, rows

_MARK, _TRIED = "hpmkd-tuning.json", "tried.jsonl"
_ROW = (NUMBER, SETTINGS, EPOCH, LOSS, "standard_error", "accuracy_pct", "seconds")


class GivenSettings(Searcher):
    """Hands out settings that were drawn before, one after the other."""

    def __init__(self, settings: Sequence[dict[str, float]]) -> None:
        super().__init__(metric=LOSS, mode="min")
        self.settings, self.given = list(settings), 0

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # type: ignore[override]
        """The next ones, with their number."""
        if self.given == len(self.settings):
            return str(Searcher.FINISHED)
        self.given += 1
        return {NUMBER: self.given - 1, SETTINGS: self.settings[self.given - 1]}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Nothing is learnt from it."""

    def save(self, checkpoint_path: str) -> None:
        """How far it is."""
        commit_json(Path(checkpoint_path), {"settings": self.settings, "given": self.given})

    def restore(self, checkpoint_path: str) -> None:
        """The reverse."""
        found = json.loads(Path(checkpoint_path).read_text())
        self.settings, self.given = found["settings"], found["given"]


class Tried(Callback):
    """Notes each comparison in the experiment's folder, from which the file is made at the end."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Tune's hook."""
        if LOSS in result:
            row = {name: result[name] for name in _ROW if name in result}
            row.setdefault(NUMBER, trials.index(trial))
            with self.file.open("a") as file:
                file.write(json.dumps(row) + "\n")


def tune_settings(
    sweep: Sweep, job: Job, share: TrialResources, callbacks: Sequence[Any], stopped: Callable[[], bool], far: FarNodes
) -> dict[str, Any] | None:
    """Makes the file of a tuning.

    Args:
        sweep, job: the tuning, whose parents are there.
        share: what each trial gets.
        callbacks: of Tune.
        stopped: whether Tune was stopped before all was tried.
        far: nodes that do not see the output.

    Returns:
        What the file says, see `note_chosen`; None: it was made before, or Tune was stopped.

    Raises:
        HpmkdError: no settings could be trained to the end. What Ray raises.
    """
    where = _where(sweep, job, share, far)
    if _remote(was_made_before, share, where):
        far.fetch(job)
        return None
    folder = sweep.output.tuning(job)
    trainable = _trainable(where, share)
    signer = StateSigner(folder, sweep_key(sweep))
    if _restorable(sweep, job, folder):
        tuner = tune.Tuner.restore(str(folder), trainable, restart_errored=True, resume_unfinished=True)
    else:
        shutil.rmtree(folder, ignore_errors=True)
        tuner = _fresh(job, trainable, folder, share=share)
    give_callbacks(tuner, [*callbacks, Tried(folder / _TRIED), signer])
    commit_json(folder / _MARK, _mark(sweep, job))
    tuner.fit()
    signer.update()
    if stopped():
        return None
    found = conclusion(job, rows(folder / _TRIED))
    _remote(note_chosen, share, {**where, "found": found})
    far.fetch(job)
    return found


def _where(sweep: Sweep, job: Job, share: TrialResources, far: FarNodes) -> dict[str, Any]:
    """What each worker is told."""
    about = {"key": job.key, "device": share.device, "needs": needs_of(sweep.config, far.exchange)}
    return {"output": str(sweep.output.root), **about}


def _remote(work: Any, share: TrialResources, given: Mapping[str, Any]) -> Any:
    """Done by a worker, as a trial of that share: the driver does without torch."""
    return ray.get(ray.remote(num_cpus=share.cpus, num_gpus=share.gpus, max_retries=1)(work).remote(**given))


def _trainable(where: Mapping[str, Any], share: TrialResources) -> Any:
    return tune.with_resources(
        tune.with_parameters(try_candidate, **where, gpu_share=share.gpus),
        {"CPU": share.cpus, **({"GPU": share.gpus} if share.gpus else {})},
    )


def _mark(sweep: Sweep, job: Job) -> dict[str, Any]:
    return {"where": str(sweep.output.root), "fingerprint": job.fingerprint, "versions": versions()}


def _restorable(sweep: Sweep, job: Job, folder: Path) -> bool:
    """Whether an unfinished one is there, of this recipe, in this place, and its state is what was signed."""
    try:
        same = parse_json((folder / _MARK).read_text()) == _mark(sweep, job)
    except (OSError, ValueError):
        return False
    return same and why_invalid(folder, sweep_key(sweep)) is None


def _fresh(job: Job, trainable: Any, folder: Path, share: TrialResources) -> tune.Tuner:
    how = dict(job.hparams)
    ends = milestones(job)
    scheduler: Any = FIFOScheduler()
    if how["tune.scheduler"] == "asha" and len(ends) > 1:
        scheduler = ASHAScheduler(
            time_attr=EPOCH, metric=LOSS, mode="min", max_t=ends[-1], grace_period=ends[0],
            reduction_factor=how["tune.reduction_factor"],
        )  # fmt: skip
    return tune.Tuner(
        trainable,
        param_space=_space(job),
        tune_config=TuneConfig(
            num_samples=how["tune.trials"],
            search_alg=_searcher(job, share.concurrent),
            scheduler=scheduler,
            reuse_actors=True,
            trial_dirname_creator=_name,
            trial_name_creator=_name,
        ),
        run_config=run_config(folder, restarts=1, checkpoints=1),
    )


def _name(trial: Any) -> str:
    return str(trial.trial_id)


def _searcher(job: Job, concurrent: int) -> Searcher:
    how, drawn = dict(job.hparams), candidates(job)
    if how["tune.sampler"] == "random":
        return ConcurrencyLimiter(GivenSettings(drawn), max_concurrent=concurrent)
    from hpmkd.sweep.optuna_sampler import OptunaSampler

    search = OptunaSampler({f"{SETTINGS}/{key}": value for key, value in drawn[0].items()}, job.seed % 2**32)
    return ConcurrencyLimiter(search, max_concurrent=concurrent)


def _space(job: Job) -> dict[str, Any]:
    """For a sampler that is told where to look; settings that were drawn before need none."""
    how = dict(job.hparams)
    if how["tune.sampler"] == "random":
        return {}
    return {
        SETTINGS: {
            key: tune.loguniform(low, high) if low > 0 else tune.uniform(low, high)
            for key, low, high in how["tune.space"]
        }
    }
