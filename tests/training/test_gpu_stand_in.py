"""`test_gpu.py` where there is no GPU: it holds, and torch, numpy, pytest's plugins and hypothesis are all it needs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
REFUSED = ["ray", "pydantic", "pydantic_core", "yaml", "psutil", "filelock", "pandas", "scipy", "sklearn", "pyarrow"]
REFUSED += ["PIL", "torchvision", "tensorboard", "tensorboardX", "jsonargparse", "rich", "matplotlib", "jinja2"]
ALONE = f"import sys; sys.modules.update(dict.fromkeys({REFUSED})); import pytest; sys.exit(pytest.main(sys.argv[1:]))"


def run(*words: str, **env: str) -> tuple[int, str]:
    """Exit code and output of pytest in a Python that has nothing but what torch and pytest need."""
    command = [sys.executable, "-c", ALONE, str(TESTS / "training" / "test_gpu.py"), "-n", "0", "-q", *words]
    options = {"cwd": TESTS.parent, "capture_output": True, "text": True}
    path = os.pathsep.join([str(TESTS.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": path, **env}, check=False, **options)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.slow
def test_every_test_for_gpus_holds_on_the_cpu_with_stand_ins() -> None:
    code, output = run("-x", HPMKD_GPU_TESTS="cpu")
    assert code == 0, output
    passed, skipped = (int(re.search(rf"(\d+) {word}", output).group(1)) for word in ("passed", "skipped"))
    assert passed > 180
    assert skipped < 40  # of which most ask CUDA itself


def test_without_a_gpu_they_are_skipped() -> None:
    code, output = run(HPMKD_GPU_TESTS="", CUDA_VISIBLE_DEVICES="")
    assert code == 0, output
    assert "skipped" in output
    assert "passed" not in output
