"""Trials side by side in the GPU benchmark, and MPS with a stand-in for its control."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import gpu_machine
import gpu_side_by_side
import pytest
from gpu_workers import Row
from support.processes import python

from hpmkd.cluster.mps_control import CONTROL, MpsRefused

TRIAL = """
print(json.dumps({"ready": True}), flush=True)
sys.stdin.readline()
if COUNT == 2 and NUMBER == 1:
    sys.exit("CUDA error: out of memory")
print(json.dumps({"images_s": 100 if "CUDA_MPS_PIPE_DIRECTORY" in os.environ else 50}), flush=True)
"""


def trials(counts: list[int], seconds: float = 120.0) -> list[Row]:
    rows: list[Row] = []
    made: list[int] = []

    def command(name: str, options: Any, seconds: float, share: float) -> list[str]:
        made.append(round(1 / share))
        return python(f"COUNT, NUMBER = {made[-1]}, {len(made) % made[-1]}\n{TRIAL}")

    gpu_side_by_side.run(argparse.Namespace(trials=counts, device="cpu"), seconds, rows.append, command)
    return rows


def test_a_trial_that_dies_ends_its_row_and_no_other() -> None:
    one, two, four, mps = trials([1, 2, 4])
    assert (one["images_s"], one["ratio_to_first"]) == (50, 1.0)
    assert (two["exit_code"], two["last_line"]) == (1, "CUDA error: out of memory")
    assert (four["images_s"], four["slowest_images_s"], four["ratio_to_first"]) == (200, 50, 4.0)
    assert "not on this machine" in mps["skipped"]


@pytest.fixture
def control(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that stands in for the one that controls MPS; the file in which it notes what it is asked."""
    program, notes = tmp_path / "bin" / CONTROL, tmp_path / "notes"
    program.parent.mkdir()
    note = f'echo "$CUDA_MPS_PIPE_DIRECTORY|$CUDA_MPS_LOG_DIRECTORY|$*|$line" >> {notes}'
    program.write_text(
        f'#!/bin/sh\n[ "$1" = -d ] || read -r line\n{note}\n[ "$line" = get_server_list ] && echo 4711\n'
        f"[ -e {tmp_path}/broken ] || exit 0\n"
        'echo "[Control] no device" > "$CUDA_MPS_LOG_DIRECTORY/control.log"\nexit 1\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(gpu_machine, "try_client", lambda work, env: "")
    return notes


def test_mps_has_folders_of_its_own_and_ends(control: Path) -> None:
    with gpu_machine.mps() as env:
        folders = [Path(env[f"CUDA_MPS_{kind}_DIRECTORY"]) for kind in ("PIPE", "LOG")]
        assert all(path.is_dir() for path in folders)
        assert gpu_machine.mps_servers(env) == 1
    assert not any(path.exists() for path in folders)
    asked = [line.split("|") for line in control.read_text().splitlines()]
    assert {tuple(line[:2]) for line in asked} == {tuple(str(path) for path in folders)}
    assert [line[2] or line[3] for line in asked] == ["-d", "get_server_list", "get_server_list", "quit"]


def test_mps_that_does_not_start_says_why(control: Path) -> None:
    (control.parent / "broken").touch()
    with pytest.raises(MpsRefused, match=r"-d: \[Control\] no device"), gpu_machine.mps():
        pass


def test_side_by_side_without_and_with_mps(control: Path) -> None:
    rows = trials([1, 4])
    assert [(row["mps"], row["trials"], row["images_s"]) for row in rows] == [
        (False, 1, 50),
        (False, 4, 200),
        (True, 1, 100),
        (True, 4, 400),
    ]
    assert rows[-1]["mps_servers"] == 1
    assert control.read_text().rstrip().endswith("quit")


def test_on_a_gpu_a_row_begins_only_if_it_can_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """16 trials are not ready within 12 s."""
    options = argparse.Namespace(trials=[1, 4, 16], device="cuda", timed_seconds=3.0)
    least = [gpu_side_by_side.least(options, count) for count in options.trials]
    assert least[0] > 12
    assert least[2] > 20
    assert gpu_side_by_side.fewest(options) == least[0]
    monkeypatch.setenv("PATH", "/nowhere")
    rows: list[Row] = []
    gpu_side_by_side.run(options, least[0] - 1, rows.append, lambda *given, **named: python("sys.exit(3)"))
    assert [row["trials"] for row in rows if not row["mps"]] == [1, 4, 16]
    assert all("left for it" in row["skipped"] for row in rows if not row["mps"])
    rows.clear()
    gpu_side_by_side.run(options, least[0] + 5, rows.append, lambda *given, **named: python("sys.exit(3)"))
    assert ["error" in row for row in rows] == [True, True, False, False], "what one does not use, the next one has"


def test_the_driver_is_asked_through_its_own_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert gpu_machine.driver() == {"driver": None, "compute_mode": None} or gpu_machine.shutil.which("nvidia-smi")
    program = tmp_path / "nvidia-smi"
    program.write_text('#!/bin/sh\necho "580.10, Exclusive_Process"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert gpu_machine.driver() == {"driver": "580.10", "compute_mode": "Exclusive_Process"}
