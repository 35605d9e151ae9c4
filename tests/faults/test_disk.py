"""Disks that are full or read-only, as the system itself makes them."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from support.builders import make_config, make_jobs
from support.sweeps import restore, stamps, start, weights

import hpmkd
from hpmkd.cli.main import main
from hpmkd.errors import EnvironmentProblem
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.sidecar import sidecar_path
from hpmkd.training.trial import run_job

TEACHER, STUDENT = "teacher_Digits.pt", "student_Digits_Direct_run1.pt"
Mount = Callable[[str], None]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[tuple[Path, Mount]]:
    """A disk of its own in memory, and a function that changes its options (`size=1m`, `ro`)."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(options: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)

    if shutil.which("mount") is None or os.geteuid() != 0:
        pytest.skip("only root can mount")
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "none", str(folder)], capture_output=True)
    if done.returncode:
        pytest.skip(f"no tmpfs here: {done.stderr.decode().strip()}")
    yield folder, mount
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.slow
@pytest.mark.usefixtures("small_ray")
def test_a_full_disk_costs_only_what_does_not_fit(
    disk: tuple[Path, Mount], cache_dir: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The student fits; neither an epoch checkpoint of the teacher nor the teacher does.

    It is trained to its end all the same, twice, and with more space the same command trains it alone.
    """
    folder, mount = disk
    mount("size=1m")
    more = ["--baselines", "Direct", "--teacher-epochs", "10", "--student-epochs", "1"]
    assert start(folder / "out", cache_dir, *more) == 3
    message = capfd.readouterr().err
    assert "No space left on device" in message
    assert f"{folder / 'out' / 'models' / TEACHER}: cannot be written" in message
    assert "bytes free" in message
    assert "Traceback" not in message
    before = stamps(folder / "out")
    assert list(before) == [STUDENT]
    first = weights(folder / "out")
    assert [path for path in (folder / "out").rglob(".tmp-*") if path.is_file()] == []
    mount("size=64m")
    assert restore(folder / "out") == 0
    assert stamps(folder / "out")[STUDENT] == before[STUDENT]
    assert weights(folder / "out").items() > first.items()


def test_a_full_disk_at_the_start(
    disk: tuple[Path, Mount], cache_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, mount = disk
    mount("size=16k")
    (folder / "ballast").write_bytes(bytes(16384 - 4096))
    with pytest.raises(OSError, match="No space"):
        (folder / "more").write_bytes(bytes(8192))
    assert start(folder / "out", cache_dir, "--baselines", "Direct") == 3
    assert capsys.readouterr().err.startswith(f"error: {folder}")


def test_a_read_only_output(
    disk: tuple[Path, Mount], cache_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing can be trained there; everything that only reads works, sidecars or not."""
    folder, mount = disk
    config = make_config(data__cache_dir=str(cache_dir), baselines=["Direct"])  # the networks of the command below
    output = OutputDir(folder / "out")
    for job in make_jobs(config).values():
        list(run_job(job, output, config.data, torch.device("cpu")))
    sidecar_path(output.models / STUDENT).unlink()
    mount("ro")
    assert start(output.root, cache_dir, "--baselines", "Direct") == 3
    assert f"error: {output.root}: cannot be used as the output folder" in capsys.readouterr().err
    assert start(output.root, cache_dir, "--baselines", "Direct", "-n") == 0
    assert "2 done" in capsys.readouterr().out
    assert main(["verify", str(output.root)]) == 0
    assert main(["show", str(output.models / STUDENT)]) == 0
    assert hpmkd.model_checkpoint_exists(output.models / STUDENT)
    with pytest.raises(EnvironmentProblem, match="EROFS"):
        hpmkd.save_model_checkpoint(torch.nn.Linear(2, 2), output.models / STUDENT, 1.0, 1.0)
    mount("rw")
    assert hpmkd.model_checkpoint_exists(output.models / STUDENT)


@pytest.mark.parametrize("code", ["EIO", "ENOSPC", "EDQUOT"])
def test_a_trial_whose_disk_fails_leaves_nothing_behind(
    tmp_path: Path, cache_dir: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    config = make_config(cache_dir, baselines=["Direct"], fit__student_epochs=1)
    job = make_jobs(config)["student_Digits_Direct_run1"]

    def fail(descriptor: int) -> None:
        raise OSError(getattr(errno, code), code)

    inner = os.fsync
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(EnvironmentProblem, match=code) as caught:
        list(run_job(job, OutputDir(tmp_path), config.data, torch.device("cpu")))
    assert caught.value.exit_code == 3
    assert list(tmp_path.rglob("*.*")) == []
    monkeypatch.setattr(os, "fsync", inner)
    assert list(run_job(job, OutputDir(tmp_path), config.data, torch.device("cpu")))[-1].status == "trained"
