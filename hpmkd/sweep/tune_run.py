"""Runs one round, which is one Tune experiment, new or restored. An experiment name is never used twice."""

from __future__ import annotations

import contextlib
import functools
import os
import platform
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ray
from ray import tune
from ray.tune import CheckpointConfig, FailureConfig, ProgressReporter, RunConfig, TuneConfig

from hpmkd.audit.sweep_dir import Sweep
from hpmkd.cluster.resources import Shares, TrialResources
from hpmkd.config.sweep import cache_folder
from hpmkd.files import commit_json, parse_json
from hpmkd.plan.grid import grid_of
from hpmkd.plan.roles import Role
from hpmkd.sweep.on_node import needs_of
from hpmkd.sweep.searcher import DependencySearcher, FifoScheduler, JobQueue
from hpmkd.sweep.signed_state import StateSigner, signing_key, why_invalid
from hpmkd.sweep.trainable import report_seconds, train_model
from hpmkd.version import __version__

if TYPE_CHECKING:
    from hpmkd.mirror.branch import Exchange

_MARK = "hpmkd-round.json"
_STATE_SECONDS, _STATE_SECONDS_PER_JOB = 5.0, 0.001


def rounds(tune_folder: Path) -> list[Path]:
    """The rounds there are, oldest first (by number, never by time)."""
    found = (path for path in tune_folder.glob("round[0-9]*") if path.is_dir() and path.name[5:].isdigit())
    return sorted(found, key=lambda path: int(path.name[5:]))


def restorable(sweep: Sweep) -> tuple[Path | None, str]:
    """The newest round, if it is unfinished, was not moved, and its state files are those that were signed.

    A moved one is not restored by Tune (it keeps absolute paths, and confuses nested ones). One that is not restored
    is left as it is: a fresh round, with a number of its own, finds the same epoch checkpoints itself.

    Returns:
        The round or None, and why an unfinished one cannot be used (empty where there is nothing to say).
    """
    found = rounds(sweep.output.tune)
    if not found:
        return None, ""
    newest = found[-1]
    try:
        mark = parse_json((newest / _MARK).read_text())
        finished, where, plan, written = (mark[name] for name in ("finished", "where", "plan", "versions"))
    except (OSError, ValueError, KeyError, TypeError):
        return None, f"{newest}: {_MARK} is missing or incomplete"
    if finished or where != str(sweep.output.root) or plan != _plan_id(sweep):
        return None, ""
    if written != versions():
        return None, f"{newest}: Tune's state was written by {written}, this is {versions()}"
    # Tune writes its state in place, so a kill can leave anything; the model files are the truth.
    reason = why_invalid(newest, sweep_key(sweep))
    return (None, f"{newest}: Tune's state cannot be used, {reason}") if reason else (newest, "")


def sweep_key(sweep: Sweep) -> bytes:
    """What the sweep's states are signed with."""
    return signing_key(cache_folder(sweep.config.data))


def versions() -> str:
    """Those that a state must have been written by."""
    return f"hpmkd {__version__}, ray {ray.__version__}, python {platform.python_version()}"


def _plan_id(sweep: Sweep) -> list[str]:
    return sorted(job.fingerprint[:16] for job in sweep.jobs)


def state_seconds(jobs: int) -> float:
    """Between two states of a round that Tune writes: all of it each time, 11 KB per trial, and nothing else meanwhile.

    Models need none of them: a round without one goes on from the files and the saved epochs.
    """
    return max(_STATE_SECONDS, _STATE_SECONDS_PER_JOB * jobs)


def run_round(
    sweep: Sweep,
    queue: JobQueue,
    shares: Shares,
    callbacks: Sequence[Any],
    restore: Path | None,
    restarts: int = 1,
    exchange: Exchange | None = None,
) -> tune.ResultGrid:
    """Runs a round to its end and marks it finished unless it was interrupted.

    Args:
        sweep: what to train.
        queue: has the jobs of this round.
        shares: resources of its trials.
        callbacks: Tune callbacks.
        restore: an unfinished round to go on with (what had failed in it starts again), else a fresh one.
        restarts: how often Tune starts a failed trial again at once.
        exchange: for nodes that do not see the output.
    """
    number = max((int(path.name[5:]) for path in rounds(sweep.output.tune)), default=-1) + 1
    folder = restore or sweep.output.tune / f"round{number:03d}"
    os.environ["TUNE_GLOBAL_CHECKPOINT_S"] = f"{state_seconds(queue.left):g}"
    signer = StateSigner(folder, sweep_key(sweep))
    trainable = _trainable(sweep, shares, exchange)
    if restore is not None:
        tuner = tune.Tuner.restore(str(restore), trainable, restart_errored=True, resume_unfinished=True)
    else:
        tuner = _fresh(sweep, trainable, folder=folder, jobs=queue.left, restarts=restarts)
    _hand_over(tuner, queue, [*callbacks, signer])
    _mark(sweep, folder, finished=False)
    results = tuner.fit()
    signer.update()
    return results


def _trainable(sweep: Sweep, shares: Shares, exchange: Exchange | None = None) -> Any:
    output, device = str(sweep.output.root), shares.common.device
    gpus = {role.value: shares.of(role).gpus for role in Role}
    # Of a restored round, Tune asks again for each of its trials: what is measured anew holds for them too.
    return tune.with_resources(
        tune.with_parameters(
            train_model,
            output=output,
            device=device,
            gpu_shares=gpus,
            every=report_seconds(shares.most),
            needs=needs_of(sweep.config, exchange),
        ),
        functools.partial(placement, {role.value: _request(shares.of(role)) for role in Role}),
    )


def _request(share: TrialResources) -> dict[str, float]:
    return {"CPU": share.cpus, **({"GPU": share.gpus} if share.gpus else {})}


def placement(requests: Mapping[str, Mapping[str, float]], config: Mapping[str, Any]) -> tune.PlacementGroupFactory:
    """What a trial asks Ray for: a function of its config alone, and of plain values, because Tune pickles it.

    Args:
        requests: role -> resources.
        config: the trial's.
    """
    return tune.PlacementGroupFactory([dict(requests[config["role"]])])


def _fresh(sweep: Sweep, trainable: Any, folder: Path, jobs: int, restarts: int) -> tune.Tuner:
    """A Tuner that makes at most `jobs` trials, in a folder that is not there yet."""
    return tune.Tuner(
        trainable,
        param_space={axis: tune.grid_search(values) for axis, values in grid_of(sweep.jobs).items()},
        tune_config=TuneConfig(
            search_alg=DependencySearcher(),
            scheduler=FifoScheduler(),
            num_samples=jobs,
            reuse_actors=True,
            trial_name_creator=_name,
            trial_dirname_creator=name_folder,
        ),
        run_config=run_config(folder, restarts, checkpoints=2),
    )


def run_config(folder: Path, restarts: int, checkpoints: int) -> RunConfig:
    """Of an experiment in that folder: how often a failed trial starts again at once, and what is kept of each."""
    return RunConfig(
        name=folder.name,
        storage_path=str(folder.parent),
        verbose=0,
        failure_config=FailureConfig(max_failures=restarts),
        checkpoint_config=CheckpointConfig(num_to_keep=checkpoints),
    )


def give_callbacks(tuner: tune.Tuner, callbacks: Sequence[Any]) -> Any:
    """To a fresh Tuner and to a restored one alike: `Tuner.restore` takes none, and they stay out of Tune's saved state
    (one holds the signing key). Returns what is inside the Tuner."""
    inner = tuner._local_tuner
    assert inner is not None, "the driver runs where Ray does, never through Ray Client"
    inner._run_config.callbacks = list(callbacks)
    inner._run_config.progress_reporter = _NoReports()
    return inner


class _NoReports(ProgressReporter):
    """Keeps Tune from reporting by itself: in a notebook that would clear what a cell has printed, our bar included."""

    def setup(self, *args: Any, **kwargs: Any) -> None:
        """There is nothing to set up."""

    def should_report(self, trials: list[Any], done: bool = False) -> bool:
        """Never."""
        return False

    def report(self, trials: list[Any], done: bool, *sys_info: str) -> None:
        """Nor anything to say."""


def _hand_over(tuner: tune.Tuner, queue: JobQueue, callbacks: Sequence[Any]) -> None:
    """Also the searcher's queue, which is no part of its saved state either."""
    searcher = give_callbacks(tuner, callbacks)._tune_config.search_alg
    assert isinstance(searcher, DependencySearcher), "only signed states of our own rounds are restored"
    searcher.queue = queue


def _name(trial: Any) -> str:
    """A trial is called like its job, in Tune's records and wherever its loggers write."""
    return str(trial.config["job"])


def name_folder(trial: Any) -> str:
    """The name of a trial's folder. Tune pickles this function into the state of each trial, so it holds no jobs."""
    return str(trial.config["folder"])


def finish_round(sweep: Sweep) -> None:
    """Marks the newest round as finished: it will not be restored."""
    for newest in rounds(sweep.output.tune)[-1:]:
        _mark(sweep, newest, finished=True)


def keep_error(sweep: Sweep, error: BaseException) -> Path | None:
    """Writes what stopped the newest round, whole, into its folder; the file, or None where it cannot be written."""
    for newest in rounds(sweep.output.tune)[-1:]:
        with contextlib.suppress(OSError):
            file = newest / "error.txt"
            file.write_text("".join(traceback.format_exception(error)), errors="backslashreplace")
            return file
    return None


def _mark(sweep: Sweep, folder: Path, finished: bool) -> None:
    mark = {"where": str(sweep.output.root), "finished": finished, "plan": _plan_id(sweep)}
    commit_json(folder / _MARK, {**mark, "versions": versions()})
