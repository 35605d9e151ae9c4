"""The README is short, its links lead somewhere, and it gives the lines that CI runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
INSTALL = "python3 -m venv .venv && . .venv/bin/activate && pip install -e "


def test_it_stays_short() -> None:
    assert len(README.splitlines()) <= 200
    assert len((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").splitlines()) <= 60


@pytest.mark.parametrize("rest", [". && python run_sweep.py", "'.[dev]' && python -m pytest"])
def test_both_install_lines(rest: str) -> None:
    """`.ci/run` takes the second one from here."""
    assert README.splitlines().count(INSTALL + rest) == 1


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_to_files_resolve(name: str) -> None:
    """mkdocs checks those inside `docs/` only."""
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", (ROOT / name).read_text(encoding="utf-8"))
    missing = [link for link in links if "://" not in link and not (ROOT / link).exists()]
    assert not missing


def test_the_picture_is_small_and_needs_nothing_else() -> None:
    (picture,) = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", README)
    text = (ROOT / picture).read_text(encoding="utf-8")
    assert picture.endswith(".svg")
    assert len(text.encode()) < 100_000
    assert "<image" not in text


@pytest.mark.parametrize("name", ["LICENSE", "pyproject.toml", "run_sweep.py", "tune_configs/quick.yaml"])
def test_files_it_relies_on(name: str) -> None:
    assert (ROOT / name).is_file()


def test_people_and_ci_check_alike() -> None:
    check = ROOT / ".ci" / "check"
    assert check.stat().st_mode & 0o111
    assert ".ci/check" in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    words = check.read_text(encoding="utf-8")
    for part in ("ruff check", "ruff format --check", "mypy", "test_layers.py", "mkdocs build --strict"):
        assert part in words
