"""Trials on a GPU that are killed: one that resumes, and one among neighbours. Faults of `gpu_one_fault.py`.

PYTHONPATH=.:tests python tests/benchmarks/gpu_kills.py cuda FOLDER    # one such trial; its state is in the folder
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from gpu_machine import mps
from gpu_workers import Ended, Row, Worker, one_row_each
from support.tapes import StandInTape, in_memory, record_steps
from support.trainings import make, saved

from hpmkd.cluster.mps_control import MpsRefused
from hpmkd.store.payload import weights_hash
from hpmkd.training.device import prepare_device
from hpmkd.training.train import Training

# cuBLAS is deterministic only with workspaces of a fixed size, and reads this when CUDA starts.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
EPOCHS, _KILLED_AFTER = 12, 5


def trained(device: torch.device, tape: type[StandInTape] = StandInTape, **more: Any) -> Training:
    """A small training whose steps are recorded."""
    made = make(more.pop("method", "TraditionalKD"), device=device, epochs=EPOCHS, **more)
    return record_steps(in_memory(made), tape) if device.type == "cpu" else made


def _until(device: torch.device, folder: str, waits: bool) -> None:
    """Trains in deterministic mode, from the state in a file if there is one, and keeps its state after each epoch.

    With `waits` it waits for a line after the first epoch.
    """
    prepare_device(device, deterministic=True)
    training, file = trained(device, method="FitNets"), Path(folder) / "state.pt"
    if file.is_file():
        training.load_state_dict(torch.load(file, map_location=device, weights_only=True))
    for result in training.epochs():
        torch.save(saved(training), file.with_suffix(".new"))
        file.with_suffix(".new").replace(file)
        print(json.dumps({"epoch": result.epoch}), flush=True)
        if waits and result.epoch == 1:
            sys.stdin.readline()
    state = {name: value.cpu() for name, value in training.model.state_dict().items()}
    print(json.dumps({"weights": weights_hash(state)}), flush=True)


def killed_and_resumed(device: torch.device) -> Row:
    """Killed in the middle and resumed in another process: the same weights, bit for bit."""

    def work(folder: str, kill_after: int | None) -> str | None:
        worker, until = Worker(command(device, folder)), time.monotonic() + 60
        try:
            while True:
                row = one_row_each([worker], until)[0]
                if "weights" in row:
                    return str(row["weights"])
                if row["epoch"] == kill_after:
                    worker.process.kill()
                    return None
        finally:
            worker.stop()

    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        whole = work(one, None)
        work(other, _KILLED_AFTER)
        resumed = work(other, None)
    return {"uninterrupted": whole, "resumed": resumed, "ok": whole == resumed}


def neighbour_killed(device: torch.device, env: dict[str, str] | None = None) -> Row:
    """Of three trials on one GPU one is killed: the other two go on."""
    with tempfile.TemporaryDirectory() as folder:
        folders = [Path(folder, str(number)) for number in range(3)]
        for path in folders:
            path.mkdir()
        until = time.monotonic() + 60
        workers = [Worker(command(device, path, "waits"), env) for path in folders]
        try:
            one_row_each(workers, until)
            for worker in workers:
                worker.tell("go")
            one_row_each(workers[:1], until)
            workers[0].process.kill()
            found = [_end(worker, until) for worker in workers[1:]]
        finally:
            for worker in workers:
                worker.stop()
    return {"neighbours": found, "ok": all("weights" in row for row in found) and len({str(row) for row in found}) == 1}


def _end(worker: Worker, until: float) -> Row:
    try:
        while "weights" not in (row := one_row_each([worker], until)[0]):
            pass
    except Ended as end:
        return end.about
    return row


def neighbour_killed_under_mps(device: torch.device) -> Row:
    """The same as clients of one MPS daemon, where published advice says that a crash may take neighbours along."""
    try:
        with mps() as env:
            return neighbour_killed(device, env)
    except MpsRefused as reason:
        return {"skipped": str(reason)}


def command(*words: object) -> list[str]:
    """The command of such a trial."""
    return [sys.executable, __file__, *(str(word) for word in words)]


def main(words: list[str]) -> int:
    """One trial."""
    device = torch.device(words[0])
    torch.set_num_threads(1)
    _until(device, words[1], "waits" in words)
    return 0


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    os._exit(code)  # what a failed GPU says of the end of a process is no finding
