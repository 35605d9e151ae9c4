"""Command lines of tiny sweeps, and what tests ask of the outputs."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from hpmkd.cli.main import run_command

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 900  # seconds; a busy machine is no failure
Launch = Callable[..., "subprocess.Popen[str]"]  # see the fixture `launch`
SMALL = ["--train-images", "200", "--teacher-epochs", "2", "--student-epochs", "2", "--runs", "1"]
ALONE = ["--resources.device", "cpu", "--max-concurrent", "1"]
CONTRACT = """
--mode --datasets --dataset --baselines --runs --train-images --teacher-epochs --student-epochs -o --output --restore
--resume -n --dry-run --data-dir --gpus-per-trial --cpus-per-trial --max-concurrent --address --force -v -q --version
--print_config --help
"""


def words(output: Path, cache_dir: Path, *more: str) -> list[str]:
    """A sweep over Digits that takes seconds; what stands in `more` wins.

    One worker: its start takes longer than all of its models.
    """
    return ["-o", str(output), "--data.cache_dir", str(cache_dir), *ALONE, *SMALL, *more]


def start(output: Path, cache_dir: Path, *more: str) -> int:
    """Runs such a sweep in this process; the exit code."""
    return run_command(words(output, cache_dir, *more), "run_sweep.py")


def restore(output: Path, *more: str) -> int:
    """`--restore` in this process; the exit code."""
    return run_command(["--restore", str(output), *more], "run_sweep.py")


def weights(output: Path) -> dict[str, str]:
    """Model file -> identity of its weights, recomputed from the tensors and compared with what the file says."""
    from hpmkd.store.payload import weights_hash

    found = {}
    for path in sorted((output / "models").glob("*.pt")):
        saved = torch.load(path)
        found[path.name] = weights_hash(saved["model_state_dict"])
        assert saved["metadata"]["weights_sha256"] == found[path.name]
    return found


def stamps(output: Path) -> dict[str, int]:
    """Model file -> time of its last change (ns): whoever is trained again gets another one."""
    return {path.name: path.stat().st_mtime_ns for path in (output / "models").glob("*.pt")}


def trained_again_without(both: Path, name: str) -> None:
    """One model of `both/out` is deleted, the output moved, the user's files in `both/mine` are gone: it is trained
    again from what the output has, alone, and all weights are as they were."""
    shutil.rmtree(both / "mine")
    out = Path(shutil.move(both / "out", both / "moved"))
    before, times = weights(out), stamps(out)
    (out / "models" / name).unlink()
    assert restore(out) == 0
    assert weights(out) == before
    assert {key for key, time in stamps(out).items() if time != times[key]} == {name}


def damage(output: Path, missing: str, short: str, flipped: str) -> None:
    """Deletes one model, truncates another, flips a byte in the middle of a third."""
    (output / "models" / missing).unlink()
    with (output / "models" / short).open("r+b") as file:
        file.truncate(1000)
    flip(output / "models" / flipped)


def flip(path: Path) -> None:
    """Changes one bit in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def everything(folder: Path) -> dict[str, Any]:
    """Names, times and contents: a command that only reads leaves all of it as it was."""
    return {
        str(path.relative_to(folder)): (path.lstat().st_mtime_ns, path.read_bytes() if path.is_file() else None)
        for path in folder.rglob("*")
    }


def tiny(cache_dir: Path) -> dict[str, Any]:
    """A teacher and one student, an epoch each."""
    return {
        "baselines": ["Direct"], "runs": 1, "data.train_images": 100, "data.cache_dir": str(cache_dir),
        "fit.teacher_epochs": 1, "fit.student_epochs": 1, "resources.device": "cpu",
    }  # fmt: skip
