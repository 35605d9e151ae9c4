"""Images are decoded in a process of its own, where torch is not loaded yet; errors come back as they are."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from pyarrow import parquet
from support.pictures import table

from hpmkd.config.sweep import DataConfig
from hpmkd.data.catalog import Dataset
from hpmkd.data.decode import FORMAT

SWEEP = """
import sys
from hpmkd.data import cache
from hpmkd.config.load import validate
from hpmkd.errors import HpmkdError
config = validate({"datasets": [sys.argv[1]], "baselines": ["Direct"], "data": {"cache_dir": sys.argv[2]}}, "test")
try:
    (spec,) = cache.describe(config)
    print(spec.channels, spec.image_size, spec.classes, spec.images, cache.prepare(spec, config.data)[:1] != "")
except HpmkdError as error:
    print(type(error).__name__, error.exit_code, error)
print("torch" in sys.modules)
"""


def command(source: str | Path, cache: Path, before: str = "") -> list[str]:
    return [sys.executable, "-c", before + SWEEP, str(source), str(cache)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A user's own data set."""
    made = tmp_path / "Own"
    made.mkdir()
    for part, count, first in (("train", 12, 0), ("test", 6, 12)):
        parquet.write_table(table(count, 16, first), made / f"{part}.parquet")
    return made


def test_a_process_without_torch_stays_without(folder: Path, tmp_path: Path) -> None:
    """From any working directory, and again from the cache."""
    for _ in range(2):
        done = subprocess.run(command(folder, tmp_path / "cache"), capture_output=True, text=True, cwd=tmp_path)
        assert (done.stdout.split(), done.stderr) == (["3", "16", "3", "12", "True", "False"], "")
    kept = {path.suffix for path in (tmp_path / "cache").glob(f"Own-*-v{FORMAT}.*")}
    assert kept == {".json", ".pt", ".png", ".npy", ".lock"}


def test_nothing_is_imported_from_the_working_folder(folder: Path, tmp_path: Path) -> None:
    """`python script.py` of a user whose folder has a `random.py`: his script may want it, the decoder must not."""
    for name in ("random", "queue", "torch", "typing", "io", "numpy", "pyarrow", "PIL", "hpmkd"):
        (tmp_path / f"{name}.py").write_text(f"raise SystemExit('imported {name}')")
    work = command(folder, tmp_path / "cache")
    # Only from then on: an editable installation is found after what stands in sys.path, in his process as in any.
    work[2] = work[2].replace("config = ", f"sys.path.append({str(tmp_path)!r}); config = ", 1)
    done = subprocess.run([work[0], "-P", *work[1:]], capture_output=True, text=True, cwd=tmp_path)
    assert (done.stdout.split(), done.stderr) == (["3", "16", "3", "12", "True", "False"], "")


def test_errors_are_those_of_the_reader(folder: Path, tmp_path: Path) -> None:
    (folder / "test.parquet").write_bytes(b"PAR1")
    done = subprocess.run(command(folder, tmp_path / "cache"), capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"EnvironmentProblem 3 {folder / 'test.parquet'}: corrupt Parquet file\n  expected: ")
    assert done.stderr == ""


KILLED = """
import subprocess
real = subprocess.Popen.communicate
def communicate(self, *given, **named):
    self.kill()
    return real(self, *given, **named)
subprocess.Popen.communicate = communicate
"""


def test_a_decoder_that_is_killed(folder: Path, tmp_path: Path) -> None:
    done = subprocess.run(command(folder, tmp_path / "cache", KILLED), capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"EnvironmentProblem 3 {folder}: the process that decodes the images ended without")
    assert "found: exit code -9" in done.stdout
    assert not list((tmp_path / "cache").glob("*.pt"))


def test_ctrl_c_ends_the_decoder_too(folder: Path, tmp_path: Path) -> None:
    """As from a terminal, at its very start; only the first process says anything."""
    process = subprocess.Popen(
        command(folder, tmp_path / "cache"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, process_group=0
    )
    start = time.monotonic()
    while not (found := psutil.Process(process.pid).children()) and time.monotonic() - start < 60:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert found
    assert (said.count("Traceback"), "KeyboardInterrupt" in said) == (1, True)
    start = time.monotonic()
    while any(map(_lives, found)) and time.monotonic() - start < 10:
        time.sleep(0.02)
    assert not any(map(_lives, found))


# The second argument of the decoder's start is its parent; the reader of images waits longer than any test.
SLOW = """
from hpmkd.data import decode
decode._START = decode._START.replace("answer(int", "import time, hpmkd.data.decode as d\\nd._decode = lambda *work: ("
    "open(work[1].with_suffix('.begun'), 'w').close(), time.sleep(300))\\nanswer(int")
"""


def test_a_decoder_ends_with_its_parent(folder: Path, tmp_path: Path) -> None:
    """Killed outright, while it decodes: the next start must not decode beside it."""
    cache = tmp_path / "cache"
    process = subprocess.Popen(command(folder, cache, SLOW), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    start = time.monotonic()
    while not list(cache.glob("*.begun")) and process.poll() is None and time.monotonic() - start < 60:
        time.sleep(0.02)
    (decoder,) = psutil.Process(process.pid).children()
    assert _lives(decoder)
    process.kill()
    process.wait()
    try:
        decoder.wait(timeout=20)
    finally:
        if _lives(decoder):
            decoder.kill()


def test_a_decoder_whose_parent_was_gone_before_it_began(folder: Path, tmp_path: Path) -> None:
    """Its work is there already, in the pipe; it does none of it."""
    work = pickle.dumps((Dataset("Own", "hpmkd.data.folder:read", source=str(folder)), tmp_path / "x.pt", DataConfig()))
    words = [sys.executable, "-c", "import sys; from hpmkd.data import decode; decode.answer(int(sys.argv[1]))", "1"]
    done = subprocess.run(words, input=work, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, (tmp_path / "x.pt").exists()) == (1, b"", False)


def test_a_decoder_that_nobody_asks_or_waits_for_says_nothing(folder: Path, tmp_path: Path) -> None:
    """Its parent was stopped before it had sent the work, or while it was done."""
    words = [sys.executable, "-m", "hpmkd.data.decode"]
    done = subprocess.run(words, input=b"", capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    work = pickle.dumps((Dataset("Own", "hpmkd.data.folder:read", source=str(folder)), tmp_path / "x.pt", DataConfig()))
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(words, input=work, stdout=writer, stderr=subprocess.PIPE, timeout=60, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


def _lives(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
