"""What Ray workers run of a tuning: a trial for each of the settings that are tried, and the file at its end."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ray import tune

from hpmkd.audit.sweep_dir import Sweep, open_sweep
from hpmkd.config.sweep import memory_folder
from hpmkd.plan.events import EpochEnded, StepsSaved
from hpmkd.plan.job import Job
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.search_file import SearchResult
from hpmkd.sweep.device_setup import set_up
from hpmkd.sweep.on_node import NOTHING, Needs, ready_node
from hpmkd.sweep.pauses import Pauses, wait_for_the_end
from hpmkd.sweep.reports import to_report

if TYPE_CHECKING:
    from hpmkd.mirror.branch import Branch
    from hpmkd.training.candidate import Judged

# What a report says beside the epoch: the number of the settings, themselves, and what they came to.
NUMBER, SETTINGS, EPOCH, LOSS = "number", "settings", "tune_epoch", "tune_loss"


def try_candidate(
    config: dict[str, Any], output: str, device: str, gpu_share: float, key: str, needs: Needs = NOTHING
) -> None:
    """Trains a student of the tuning `key` with `config["settings"]`; reports where candidates are compared."""
    with ready_node(OutputDir(Path(output)), needs) as branch:
        _try(config, open_sweep(Path(output)), device, gpu_share, key=key, branch=branch)


def _try(
    config: dict[str, Any], sweep: Sweep, device: str, gpu_share: float, *, key: str, branch: Branch | None
) -> None:
    import torch

    from hpmkd.store.epoch_checkpoint import SaveSchedule
    from hpmkd.training.candidate import try_settings

    job, where = sweep.by_key[key], torch.device(device)
    keeper = _Keeper(job, sweep.output, branch)
    set_up(where, job, sweep.config.resources, gpu_share)
    schedule = SaveSchedule(sweep.config.record.checkpoint_overhead)
    pauses = Pauses(schedule, sweep.output.stop_file)
    about = {name: config[name] for name in (NUMBER, SETTINGS) if name in config}

    def report(event: EpochEnded | StepsSaved, save: Callable[[Path], None], judged: Judged | None = None) -> None:
        start, values = time.monotonic(), about | _values(judged)
        keeper.report({**to_report(event), **values}, save)
        schedule.saved(time.monotonic() - start)
        if event.saved_to_stop:
            wait_for_the_end(sweep.output.stop_file)

    def pause(save: Callable[[Path], None], at: StepsSaved) -> None:
        why = pauses.due()
        if why:
            report(replace(at, saved_to_stop=why == "stop"), save)

    epochs = try_settings(
        job, config[SETTINGS], sweep.output, sweep.config.data, device=where, graph=sweep.config.resources.cuda_graph,
        candidates=keeper.before(), pause=pause,
    )  # fmt: skip
    for tried in epochs:
        stopping = sweep.output.stop_file.exists()
        if tried.judged is not None or stopping or schedule.due():
            report(EpochEnded(key, tried.result, saved_to_stop=stopping), tried.save, tried.judged)


class _Keeper:
    """Keeps the states of a candidate, by Tune; where a node may not see what Tune saves, by the branch."""

    def __init__(self, job: Job, output: OutputDir, branch: Branch | None) -> None:
        self.job, self.output, self.branch = job, output, branch
        self.part = f"{tune.get_context().get_trial_id()}_"  # a tuning that is started anew has other ones

    def before(self) -> tuple[Path, ...]:
        """Where an earlier attempt may have left one."""
        if self.branch is not None:
            self.branch.fetch(self.job, self.part)
            return self.branch.states(self.job, self.part)
        found = tune.get_checkpoint()
        return (Path(found.path),) if found is not None else ()

    def report(self, values: dict[str, Any], save: Callable[[Path], None]) -> None:
        """To Tune, with a new state."""
        if self.branch is not None:
            self.branch.keep_state(self.job, save, self.part)
            tune.report(values)
            return
        with tempfile.TemporaryDirectory(prefix=self.output.scratch_prefix) as folder:
            save(Path(folder))
            tune.report(values, checkpoint=tune.Checkpoint.from_directory(folder))


def _values(judged: Judged | None) -> dict[str, Any]:
    if judged is None:
        return {}
    return {
        EPOCH: judged.epoch, LOSS: judged.loss, "standard_error": judged.standard_error,
        "accuracy_pct": judged.accuracy_pct, "seconds": judged.train_seconds,
    }  # fmt: skip


def was_made_before(output: str, key: str, device: str, needs: Needs = NOTHING) -> bool:
    """Whether the shared memory has it; then it is in the output now. One that this sweep had and lost is made again:
    that is what deleting a file asks for."""
    import torch

    from hpmkd.training.candidate import recall_tuning

    with _made_there(output, key, needs) as (sweep, job):
        memory, had = _memory(sweep, key), sweep.output.tuning(job).is_dir()
        return memory is not None and not had and recall_tuning(job, sweep.output, memory, torch.device(device))


def note_chosen(output: str, key: str, device: str, found: Mapping[str, Any], needs: Needs = NOTHING) -> None:
    """Commits the file. `found`: `chosen`, `evidence`, `accuracy_pct`, `train_seconds`."""
    import torch

    from hpmkd.training.candidate import commit_tuning

    with _made_there(output, key, needs) as (sweep, job):
        commit_tuning(
            job, SearchResult(found["chosen"], found["evidence"]), sweep.output, sweep.config.data,
            device=torch.device(device), accuracy_pct=found["accuracy_pct"], train_seconds=found["train_seconds"],
            memory=_memory(sweep, key),
        )  # fmt: skip


@contextlib.contextmanager
def _made_there(output: str, key: str, needs: Needs) -> Iterator[tuple[Sweep, Job]]:
    """Around what makes the file of a tuning, which then is where the driver finds it, too."""
    with ready_node(OutputDir(Path(output)), needs) as branch:
        sweep = open_sweep(Path(output))
        job = sweep.by_key[key]
        if branch is not None:
            branch.fetch(job)
        yield sweep, job
        if branch is not None and sweep.output.model_file(job).is_file():
            branch.send_result(job)


def _memory(sweep: Sweep, key: str) -> Path | None:
    return memory_folder(sweep.config.data) if sweep.by_key[key].shared else None
