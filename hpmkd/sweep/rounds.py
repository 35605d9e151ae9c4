"""One round: one Tune experiment, fresh or restored. An experiment name is never used twice."""

from __future__ import annotations

import json
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune import CheckpointConfig, FailureConfig, RunConfig, TuneConfig

from hpmkd.atomic import commit_json
from hpmkd.output import trial_folder
from hpmkd.sweep.context import Sweep
from hpmkd.sweep.resources import Share
from hpmkd.sweep.searcher import DependencySearcher
from hpmkd.sweep.trainable import train_model

_MARK = "hpmkd-round.json"


def rounds(tune_folder: Path) -> list[Path]:
    """The rounds there are, oldest first (by number, never by time)."""
    found = (path for path in tune_folder.glob("round[0-9]*") if path.is_dir() and path.name[5:].isdigit())
    return sorted(found, key=lambda path: int(path.name[5:]))


def restorable(sweep: Sweep) -> Path | None:
    """The newest round, if it is unfinished, was not moved, and its state files parse; a torn one is set aside.

    A moved one is not restored by Tune (it keeps absolute paths, and confuses nested ones): a fresh round finds
    the same epoch checkpoints itself.
    """
    found = rounds(sweep.output.tune)
    if not found:
        return None
    newest = found[-1]
    try:
        mark = json.loads((newest / _MARK).read_text())
        if mark["finished"] or mark["where"] != str(sweep.output.root) or mark["plan"] != _plan_id(sweep):
            return None
        states = list(newest.glob("experiment_state-*.json")), list(newest.glob("searcher-state-*.pkl"))
        pickle.loads((newest / "tuner.pkl").read_bytes())
        for path in states[0]:
            json.loads(path.read_text())
        for path in states[1]:
            json.loads(path.read_text())
        return newest if all(states) else None
    except Exception:
        # Tune writes its state in place, so a kill can leave anything; the model files are the truth.
        return None


def _plan_id(sweep: Sweep) -> list[str]:
    return sorted(job.fingerprint[:16] for job in sweep.jobs)


def run_round(
    sweep: Sweep, missing: int, share: Share, callbacks: Sequence[Any], restore: Path | None
) -> tune.ResultGrid:
    """Runs a round to its end and marks it finished unless it was interrupted.

    Args:
        sweep: what to train.
        missing: how many jobs are to be trained.
        share: resources of one trial.
        callbacks: Tune callbacks.
        restore: an unfinished round to go on with (what had failed in it starts again), else a fresh one.
    """
    trainable = tune.with_resources(
        tune.with_parameters(train_model, output=str(sweep.output.root), device=share.device),
        {"cpu": share.cpus, **({"gpu": share.gpus} if share.gpus else {})},
    )
    config = sweep.config
    if restore is not None:
        tuner = tune.Tuner.restore(str(restore), trainable, restart_errored=True, resume_unfinished=True)
        _give_callbacks(tuner, callbacks)
        folder = restore
    else:
        number = max((int(path.name[5:]) for path in rounds(sweep.output.tune)), default=-1) + 1
        folder = sweep.output.tune / f"round{number:03d}"
        tuner = tune.Tuner(
            trainable,
            param_space={
                "dataset": tune.grid_search(sorted({job.data.name for job in sweep.jobs})),
                "baseline": tune.grid_search(sorted({job.baseline for job in sweep.jobs if job.run})),
                "run": tune.grid_search(list(range(1, config.runs + 1))),
            },
            tune_config=TuneConfig(
                search_alg=DependencySearcher(),
                num_samples=missing,
                reuse_actors=True,
                trial_dirname_creator=_dirname(sweep),
            ),
            run_config=RunConfig(
                name=folder.name,
                storage_path=str(sweep.output.tune),
                callbacks=list(callbacks),
                verbose=0,
                failure_config=FailureConfig(max_failures=1),
                checkpoint_config=CheckpointConfig(num_to_keep=2),
            ),
        )
    _mark(sweep, folder, finished=False)
    return tuner.fit()


def _give_callbacks(tuner: tune.Tuner, callbacks: Sequence[Any]) -> None:
    """Callbacks are not part of Tune's saved state as we use it, and `Tuner.restore` takes none."""
    inner = tuner._local_tuner
    assert inner is not None, "the driver runs where Ray does, never through Ray Client"
    inner._run_config.callbacks = list(callbacks)


def _dirname(sweep: Sweep) -> Any:
    names = {job.key: trial_folder(job) for job in sweep.jobs}
    return lambda trial: names[trial.config["job"]]


def finish_round(sweep: Sweep) -> None:
    """Marks the newest round as finished: it will not be restored."""
    _mark(sweep, rounds(sweep.output.tune)[-1], finished=True)


def _mark(sweep: Sweep, folder: Path, finished: bool) -> None:
    mark = {"where": str(sweep.output.root), "finished": finished, "plan": _plan_id(sweep)}
    commit_json(folder / _MARK, mark)
