"""The package as a wheel, installed into an empty folder and used from there: nothing of the clone is needed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from support.sweeps import PATIENCE, ROOT, weights, words


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy: what an earlier build has left in the clone cannot get in."""
    source, made = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("hpmkd", "tune_configs"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    pip("wheel", "--no-deps", "--no-build-isolation", "-w", str(made), str(source))
    return next(made.glob("*.whl"))


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where it is installed; the libraries that it needs are those of the tests."""
    folder = tmp_path_factory.mktemp("site")
    pip("install", "--no-deps", "--no-index", "--target", str(folder), str(wheel))
    return folder


def pip(*words: str) -> None:
    done = subprocess.run([sys.executable, "-m", "pip", "-q", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def python(site: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """An interpreter that finds the installed copy, in an empty working folder."""
    folder.mkdir(exist_ok=True)
    return subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_it_holds_all_packages_modes_and_templates(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    wanted = [path for path in (ROOT / "hpmkd").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert {str(path.relative_to(ROOT)) for path in wanted} <= names
    assert {f"hpmkd/tune_configs/{path.name}" for path in (ROOT / "tune_configs").glob("*")} <= names
    assert not [name for name in names if name.startswith(("tests", "docs"))]


def test_the_packages_in_pyproject_are_those_in_the_folders() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    folders = {str(path.parent.relative_to(ROOT)).replace(os.sep, ".") for path in ROOT.glob("hpmkd/**/__init__.py")}
    assert set(settings["packages"]) == folders | {"hpmkd.tune_configs"}


def test_dry_run_of_the_default_mode(site: Path, tmp_path: Path) -> None:
    done = python(site, tmp_path / "empty", "-c", "import hpmkd; print(hpmkd.__file__)")
    assert Path(done.stdout.strip()).is_relative_to(site)
    done = python(site, tmp_path / "empty", str(site / "bin" / "hpmkd"), "run", "-n")
    assert done.returncode == 0, done.stderr
    assert "student_Digits_HPM-KD_run3.pt" in done.stdout
    assert str(tmp_path / "empty" / "results" / "quick") in done.stdout


def test_a_mode_of_the_users_own(site: Path, tmp_path: Path) -> None:
    (tmp_path / "work" / "tune_configs").mkdir(parents=True)
    (tmp_path / "work" / "tune_configs" / "mine.yaml").write_text("datasets: [Digits]\nbaselines: [AT]\nruns: 1\n")
    done = python(site, tmp_path / "work", "-m", "hpmkd", "run", "--mode", "mine", "-n")
    assert done.returncode == 0, done.stderr
    assert "student_Digits_AT_run1.pt" in done.stdout


@pytest.mark.slow
def test_a_tiny_sweep_and_its_report(site: Path, tmp_path: Path, cache_dir: Path) -> None:
    output = tmp_path / "out"
    words_ = words(output, cache_dir, "--baselines", "Direct", "TraditionalKD")
    done = python(site, tmp_path / "empty", "-m", "hpmkd", "run", *words_)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(weights(output)) == 3
    done = python(site, tmp_path / "empty", "-m", "hpmkd", "report", str(output))
    assert done.returncode == 0, done.stderr
    assert (output / "report.html").is_file()
