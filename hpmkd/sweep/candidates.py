"""What Ray workers run of a tuning: a trial for each of the settings that are tried, and the file at its end."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ray import tune

from hpmkd.audit.sweep_dir import Sweep, open_sweep
from hpmkd.config.sweep import memory_folder
from hpmkd.plan.events import EpochEnded, StepsSaved
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.search_file import SearchResult
from hpmkd.sweep.device_setup import set_up
from hpmkd.sweep.on_node import Software, need_node
from hpmkd.sweep.pauses import Pauses, wait_for_the_end
from hpmkd.sweep.reports import to_report

if TYPE_CHECKING:
    from hpmkd.training.candidate import Judged

# What a report says beside the epoch: the number of the settings, themselves, and what they came to.
NUMBER, SETTINGS, EPOCH, LOSS = "number", "settings", "tune_epoch", "tune_loss"


def try_candidate(
    config: dict[str, Any], output: str, device: str, gpu_share: float, key: str, software: Software | None = None
) -> None:
    """Trains a student of the tuning `key` with `config["settings"]`; reports where candidates are compared."""
    import torch

    from hpmkd.store.epoch_checkpoint import SaveSchedule
    from hpmkd.training.candidate import try_settings

    need_node(OutputDir(Path(output)), software)
    sweep, where = open_sweep(Path(output)), torch.device(device)
    job, before = sweep.by_key[key], tune.get_checkpoint()
    set_up(where, job, sweep.config.resources, gpu_share)
    schedule = SaveSchedule(sweep.config.record.checkpoint_overhead)
    pauses = Pauses(schedule, sweep.output.stop_file)
    about = {name: config[name] for name in (NUMBER, SETTINGS) if name in config}

    def report(event: EpochEnded | StepsSaved, save: Callable[[Path], None], judged: Judged | None = None) -> None:
        start, values = time.monotonic(), about | _values(judged)
        with tempfile.TemporaryDirectory(prefix=sweep.output.scratch_prefix) as folder:
            save(Path(folder))
            tune.report({**to_report(event), **values}, checkpoint=tune.Checkpoint.from_directory(folder))
        schedule.saved(time.monotonic() - start)
        if event.saved_to_stop:
            wait_for_the_end(sweep.output.stop_file)

    def pause(save: Callable[[Path], None], at: StepsSaved) -> None:
        why = pauses.due()
        if why:
            report(replace(at, saved_to_stop=why == "stop"), save)

    epochs = try_settings(
        job, config[SETTINGS], sweep.output, sweep.config.data, device=where, graph=sweep.config.resources.cuda_graph,
        candidates=(Path(before.path),) if before is not None else (), pause=pause,
    )  # fmt: skip
    for tried in epochs:
        stopping = sweep.output.stop_file.exists()
        if tried.judged is not None or stopping or schedule.due():
            report(EpochEnded(key, tried.result, saved_to_stop=stopping), tried.save, tried.judged)


def _values(judged: Judged | None) -> dict[str, Any]:
    if judged is None:
        return {}
    return {
        EPOCH: judged.epoch, LOSS: judged.loss, "standard_error": judged.standard_error,
        "accuracy_pct": judged.accuracy_pct, "seconds": judged.train_seconds,
    }  # fmt: skip


def was_made_before(output: str, key: str, device: str) -> bool:
    """Whether the shared memory has it; then it is in the output now. One that this sweep had and lost is made again:
    that is what deleting a file asks for."""
    import torch

    from hpmkd.training.candidate import recall_tuning

    sweep = open_sweep(Path(output))
    memory, had = _memory(sweep, key), sweep.output.tuning(sweep.by_key[key]).is_dir()
    return (
        memory is not None and not had and recall_tuning(sweep.by_key[key], sweep.output, memory, torch.device(device))
    )


def note_chosen(output: str, key: str, device: str, found: Mapping[str, Any]) -> None:
    """Commits the file. `found`: `chosen`, `evidence`, `accuracy_pct`, `train_seconds`."""
    import torch

    from hpmkd.training.candidate import commit_tuning

    sweep = open_sweep(Path(output))
    commit_tuning(
        sweep.by_key[key], SearchResult(found["chosen"], found["evidence"]), sweep.output, sweep.config.data,
        device=torch.device(device), accuracy_pct=found["accuracy_pct"], train_seconds=found["train_seconds"],
        memory=_memory(sweep, key),
    )  # fmt: skip


def _memory(sweep: Sweep, key: str) -> Path | None:
    return memory_folder(sweep.config.data) if sweep.by_key[key].shared else None
