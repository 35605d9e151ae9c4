"""A real sweep where a container gives a user no home and no usable temp folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.sweeps import PATIENCE, ROOT, SMALL, weights

UID = 42042
# This user may read everything, such as a Python in root's home, and write nothing but what is his.
AS_NOBODY = [
    "setpriv", "--reuid", str(UID), "--regid", str(UID), "--clear-groups",
    "--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search",
]  # fmt: skip


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that this user may write, outside of root's."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("only root can become another user")
    if subprocess.run([*AS_NOBODY, sys.executable, "-c", ""], capture_output=True).returncode:
        pytest.skip("capabilities cannot be given here")
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    os.chown(folder, UID, UID)
    yield folder
    shutil.rmtree(folder)
    for left in Path("/tmp").glob(f"*{UID}"):
        shutil.rmtree(left)


@pytest.mark.slow
@pytest.mark.parametrize("home", ["/", pytest.param(None, marks=pytest.mark.slow)])
def test_a_user_without_a_home_runs_the_quick_sweep(home: str | None, place: Path) -> None:
    """`docker run --user 42042`, with a temp folder that is too long for sockets on top."""
    temp = place / ("x" * 60)
    temp.mkdir()
    os.chown(temp, UID, UID)
    env = {name: value for name, value in os.environ.items() if name not in ("HOME", "XDG_CACHE_HOME")}
    env |= {"PYTHONPATH": str(ROOT), "TMPDIR": str(temp), **({"HOME": home} if home else {})}
    words = ["--resources.device", "cpu", "--baselines", "Direct", *SMALL]
    command = [*AS_NOBODY, sys.executable, str(ROOT / "run_sweep.py"), "--mode", "quick", *words]
    done = subprocess.run(command, capture_output=True, text=True, cwd=place, env=env, timeout=PATIENCE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(weights(place / "results" / "quick")) == {"teacher_Digits.pt", "student_Digits_Direct_run1.pt"}
    assert done.stderr.count("the cache is ") == 1
    assert str(temp / f"hpmkd-cache-{UID}") in done.stderr
    assert "too long for sockets" in done.stdout
    left = [one for one in Path("/tmp").glob("hpmkd-*-ray-*") if one.stat().st_uid == UID]
    assert not left, "Ray's folder is removed"
