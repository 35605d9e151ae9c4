"""Paths that are not there are told before anything that takes seconds is imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_LOOK = """
import sys
from hpmkd.cli.main import main
code = main(sys.argv[1:])
heavy = [name for name in ("torch", "pandas", "matplotlib", "scipy") if name in sys.modules]
sys.exit(f"imported {heavy}" if heavy else code)
"""


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["report", "results/nothing"], "no such folder"),
        (["report", "results/nothing", "--watch"], "no such folder"),
        (["export", "results/nothing.pt", "--to", "onnx"], "no such file or folder"),
        (["export", "results/x.pt.json", "--to", "onnx"], "the sidecar of x.pt"),
        (["bench", "latency", "results/nothing"], "a .pt file of a sweep, or a sweep's folder"),
        (["bench", "latency", "."], "no sweep here"),
        (["measure", "results/nothing"], "no such folder"),
        (["show", "results/nothing.pt"], "no such file"),
    ],
    ids=lambda one: "-".join(one) if isinstance(one, list) else "",
)
def test_they_are_told_at_once(words: list[str], told: str, tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", _LOOK, *words], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    assert told in done.stderr
