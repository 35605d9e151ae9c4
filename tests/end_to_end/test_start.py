"""How the program is started: files beside it and in the working folder, and a Python that is too old."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pyarrow import parquet
from support.pictures import table
from support.sweeps import PATIENCE, ROOT, weights, words

# Of the standard library, of torch's and Ray's needs, and what data and sweep import lazily.
NAMES = [
    "random",
    "queue",
    "torch",
    "types",
    "typing",
    "enum",
    "copy",
    "numpy",
    "pyarrow",
    "PIL",
    "email",
    "token",
    "hpmkd",
]
STARTS = ["run_sweep.py", "hpmkd/__init__.py", "hpmkd/__main__.py"]


@pytest.fixture
def full_of_traps(tmp_path: Path) -> Path:
    """A working folder whose files have the names of modules; whoever imports one says so."""
    folder = tmp_path / "work"
    folder.mkdir()
    for name in NAMES:
        (folder / f"{name}.py").write_text(f"raise SystemExit('the {name}.py of the working folder was imported')")
    return folder


def environment() -> dict[str, str]:
    """Without paths of the tests' own: the clone is found by the file that is started."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return {**kept, "PYTHONDONTWRITEBYTECODE": "1"}  # Python 2 would leave it beside the source


@pytest.mark.slow
def test_a_sweep_imports_nothing_from_the_working_folder(full_of_traps: Path, tmp_path: Path) -> None:
    """Driver, decoder and Ray's workers, with a data set of the user's that is decoded for the first time."""
    images = tmp_path / "Own"
    images.mkdir()
    for part, count in (("train", 60), ("test", 12)):
        parquet.write_table(table(count, 16), images / f"{part}.parquet")
    given = words(tmp_path / "out", tmp_path / "cache", "--baselines", "Direct", "--datasets", str(images))
    given += ["--data.train_images", "30"]
    done = subprocess.run(
        [sys.executable, str(ROOT / "run_sweep.py"), *given],
        cwd=full_of_traps, env=environment(), capture_output=True, text=True, timeout=PATIENCE,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(weights(tmp_path / "out")) == {"teacher_Own.pt", "student_Own_Direct_run1.pt"}


@pytest.mark.parametrize("where", ["beside it", "in the working folder"])
@pytest.mark.parametrize("module", [False, True])
def test_the_first_process_imports_nothing_from_there_either(where: str, module: bool, full_of_traps: Path) -> None:
    """A clone that is started from itself, with such files in it. What Python's own start imports cannot be helped."""
    for name in ("hpmkd", *(["types", "typing", "enum", "copy", "email", "token"] if module else [])):
        (full_of_traps / f"{name}.py").unlink()
    for name in ("hpmkd", "tune_configs"):
        (full_of_traps / name).symlink_to(ROOT / name)
    script = full_of_traps / "run_sweep.py"
    script.write_text((ROOT / "run_sweep.py").read_text())
    if module and where == "beside it":
        pytest.skip("a module is started from the working folder")
    command = ["-m", "hpmkd", "run"] if module else [str(script)]
    folder = full_of_traps if where == "in the working folder" else "/"
    done = subprocess.run(
        [sys.executable, *command, "--print_config"], cwd=folder, env=environment(), capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "datasets" in done.stdout


@pytest.mark.parametrize("name", STARTS)
def test_an_older_python_can_read_what_tells_it_so(name: str) -> None:
    ast.parse((ROOT / name).read_text(), feature_version=(3, 7))


def old_pythons() -> list[Path]:
    """Pythons before 3.11 beside the one that runs, where somebody has installed them side by side."""
    versions = Path(sys.base_prefix).parent
    found = [path / "bin" / "python" for path in versions.iterdir() if path.name[:1] in "23"]
    return sorted(one for one in found if one.exists() and _version(one.parts[-3]) < (3, 11))


def _version(name: str) -> tuple[int, ...]:
    return tuple(int(part) if part.isdigit() else 99 for part in name.split(".")[:2])


@pytest.mark.parametrize("start", [["run_sweep.py"], ["-m", "hpmkd", "status"]])
def test_an_older_python_is_told_so_in_one_line(start: list[str]) -> None:
    pythons = old_pythons()
    if not pythons:
        pytest.skip("there is no older Python here")
    for python in pythons:
        done = subprocess.run([str(python), *start], cwd=ROOT, env=environment(), capture_output=True, text=True)
        assert done.returncode == 3, python
        assert done.stderr.startswith("error: hpmkd needs Python 3.11 or newer; this is "), python
        assert done.stderr.count("\n") == 1
