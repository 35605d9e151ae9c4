"""The script for half an hour with a GPU, with stand-ins."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import gpu
import pytest
from gpu_workers import Row

SCRIPT = Path(__file__).resolve().with_name("gpu_half_hour.sh")


def half_hour(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    given = {**os.environ, "PYTHON": sys.executable, "DEVICE": "cpu", **env}
    return subprocess.run([str(SCRIPT), *words], capture_output=True, text=True, env=given)


def test_the_script_says_what_its_steps_are() -> None:
    subprocess.run(["bash", "-n", str(SCRIPT)], check=True)
    done = half_hour()
    assert done.returncode == 0
    assert [line.split()[0] for line in done.stdout.splitlines()[1:]] == list("12345")
    limits = [int(line.split()[1]) for line in done.stdout.splitlines()[1:]]
    assert sum(limits) <= 1800
    assert max(limits) < 600
    assert half_hour("6").returncode != 0
    assert half_hour("2", "/dev/null", LIMIT="600").returncode != 0


@pytest.mark.slow
def test_a_step_of_the_script(tmp_path: Path) -> None:
    """With little time: its parts measure less, or say that they do not, and it ends in time."""
    start = time.monotonic()
    done = half_hour("2", str(tmp_path), LIMIT="45")
    assert time.monotonic() - start < 65
    kept = json.loads((tmp_path / "2-core.json").read_text())
    errors = [row for row in kept["rows"] if not row.get("error", "stopped after").startswith("stopped after")]
    assert errors == [], done
    assert kept["finished"]
    parts = {"machine", "images", "core", "kernels", "settings", "formats", "loop", "evaluation", "methods"}
    assert {row["part"] for row in kept["rows"]} == parts
    assert len([row for row in kept["rows"] if row["part"] == "settings"]) in (1, len(gpu.SETTINGS))


@pytest.mark.slow
def test_the_whole_half_hour_with_stand_ins(tmp_path: Path) -> None:
    done = half_hour("all", str(tmp_path))
    assert done.returncode == 0, done
    rows: list[Row] = []
    for file in sorted(tmp_path.glob("*.json")):
        kept = json.loads(file.read_text())
        assert kept["finished"], file
        rows += kept["rows"]
    assert len(list(tmp_path.glob("*.json"))) == 5
    assert [row for row in rows if "error" in row] == []
    assert {row["part"] for row in rows} >= set(gpu.PARTS)
    tests = next(row for row in rows if row["part"] == "tests")
    assert tests["passed"] > 85
    assert {row["fault"] for row in rows if row.get("ok")} >= {"capture_fails", "out_of_memory", "killed_and_resumed"}
    assert next(row for row in rows if row["part"] == "sweep")["models"] == 2
