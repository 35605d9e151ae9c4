"""The README says what is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.sweeps import CONTRACT

from hpmkd.cli.parser import build_parser, parse
from hpmkd.data.catalog import DATASETS
from hpmkd.plan.catalog import BASELINES

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TABLE = [line for line in README.splitlines() if line.startswith("| `-")]


def test_the_table_of_flags_is_complete_and_true() -> None:
    named = set(re.findall(r"(?<![\w-])(--?[a-z][a-z_-]*)", " ".join(line.split(" | ")[0] for line in TABLE)))
    known = {flag for action in build_parser("x")._actions for flag in action.option_strings}
    assert named <= known
    assert set(CONTRACT.split()) <= named


def test_its_sweep_commands_parse() -> None:
    commands = re.findall(r"^python run_sweep.py (.*?)\s*(?:#.*)?$", README, re.MULTILINE)
    assert len(commands) >= 5
    for command in commands:
        parse(command.split(), "run_sweep.py")


def test_it_names_every_method_and_data_set() -> None:
    rows = re.findall(r"^\| `([A-Z][\w-]+)` \| .* \|$", README, re.MULTILINE)
    assert rows == list(BASELINES)
    for name in DATASETS:
        assert f"`{name}`" in README


def test_ci_runs_the_line_that_the_readme_gives() -> None:
    line = "python3 -m venv .venv && . .venv/bin/activate && pip install -e '.[dev]' && python -m pytest"
    assert README.splitlines().count(line) == 1


@pytest.mark.parametrize("name", ["LICENSE", "pyproject.toml", "run_sweep.py", "tune_configs/quick.yaml"])
def test_files_it_relies_on(name: str) -> None:
    assert (ROOT / name).is_file()
