"""The pages that are made from the code hold all of it, and the drawing of the imports is current."""

from __future__ import annotations

import importlib
import subprocess
import sys
from types import ModuleType

import pytest
from support.pages import ROOT

import hpmkd
from hpmkd import errors
from hpmkd.cli.main import COMMANDS
from hpmkd.cli.parser import build_parser
from hpmkd.config.keys import leaves

DRAW = [sys.executable, str(ROOT / "docs" / "draw_imports.py")]


@pytest.fixture
def reference(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The generators in `docs/`."""
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    return importlib.import_module("reference")


@pytest.fixture
def rooms(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The graph of imports."""
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    return importlib.import_module("rooms")


def test_every_config_key_and_mode(reference: ModuleType) -> None:
    page = reference.config_page()
    for key, field in leaves():
        row = next(line for line in page.splitlines() if line.startswith(f"| `{key}` "))
        assert str(field.description).replace("|", "\\|") in row
    for path in (ROOT / "tune_configs").glob("*.yaml"):
        assert f"### {path.stem}\n" in page
    assert "| `fit.gamma` | `float > 0` | `0.1` |" in page
    assert "| `data.train_images` | `int\\|null >= 1` | `null` |" in page


def test_every_command_and_flag(reference: ModuleType) -> None:
    page = reference.command_page()
    for name in COMMANDS:
        assert f"usage: hpmkd {name}" in page
    known = {flag for action in build_parser("x")._actions for flag in action.option_strings}
    assert known <= {word.strip(",[]") for word in page.split()}


def test_every_exit_code(reference: ModuleType) -> None:
    page = reference.exit_code_page()
    codes = [value for name, value in vars(errors).items() if name.startswith("EXIT_")]
    for code in (*codes, 129, 130, 143):
        assert f"| `{code}` |" in page
    for kind in errors.HpmkdError.__subclasses__():
        assert kind.__name__ in page


def test_every_file_of_an_output(reference: ModuleType) -> None:
    page = reference.files_page()
    for name in ("sweep.yaml", "models", "tune", "quarantine", "archive", "tensorboard"):
        assert f"| `OUTPUT/{name}` |" in page
    assert all(f"`{column}`" in page for column in ("accuracy_pct", "train_seconds", "fingerprint"))
    assert '"accuracy": 97.5' in page


def test_everything_that_the_reference_shows_exists(reference: ModuleType) -> None:
    sources = reference.sources
    for name in [name for group in (sources.API, sources.FORMATS) for names in group.values() for name in names]:
        sources.resolve(name)
    shown = {name.rpartition(".")[2] for names in sources.API.values() for name in names}
    assert set(hpmkd.__all__) - {"__version__"} <= shown


def test_the_drawing_is_current() -> None:
    done = subprocess.run([*DRAW, "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_floors_and_arrows(rooms: ModuleType) -> None:
    arrows = rooms.arrows()
    assert "errors" in rooms.floors()[1]
    assert "errors" in arrows["cli"]
    assert not arrows["errors"]
    assert all(rooms.floor(below) < rooms.floor(room) for room, names in arrows.items() for below in names)
    for room, below in arrows.items():
        reached, todo = set(), list(rooms.needed(room))
        while todo:
            name = todo.pop()
            if name not in reached:
                reached.add(name)
                todo += rooms.needed(name)
        assert below <= reached, f"{room}: the drawing loses an arrow"
