"""The notebooks of the package: kept clean; that of the README executed in a kernel of its own."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
from support.notebooks import FOLDER, executed, outputs, printed
from support.sweeps import tiny

each_notebook = pytest.mark.parametrize("file", sorted(FOLDER.glob("*.ipynb")), ids=lambda file: file.stem)
MADE_UP = {"/content/drive"}  # Colab's name for the mounted Drive, the same for everyone


def cells(file: Path) -> list[str]:
    """Source of each code cell, lines that are not Python left out."""
    from IPython.core.inputtransformer2 import TransformerManager

    book = json.loads(file.read_text(encoding="utf-8"))
    sources = ["".join(cell["source"]) for cell in book["cells"] if cell["cell_type"] == "code"]
    assert all(len(line) <= 120 for source in sources for line in source.splitlines())
    return [TransformerManager().transform_cell(source) for source in sources]


@each_notebook
def test_it_is_kept_without_outputs(file: Path) -> None:
    nbformat = pytest.importorskip("nbformat")
    nbformat.validate(nbformat.read(file, as_version=4))
    book = json.loads(file.read_text(encoding="utf-8"))
    assert all(not cell.get("outputs") and cell.get("execution_count") is None for cell in book["cells"])
    assert all(set(cell["metadata"]) <= {"tags"} for cell in book["cells"])
    assert book["metadata"]["kernelspec"]["name"] == "python3"
    assert book["metadata"]["language_info"] == {"name": "python"}, "no version of somebody's Python"


@each_notebook
def test_its_code_is_python_without_paths_of_a_machine(file: Path) -> None:
    nodes = [node for source in cells(file) for node in ast.walk(ast.parse(source))]
    texts = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    assert {text for text in texts if text.startswith(("/", "~", "C:"))} <= MADE_UP


@each_notebook
def test_each_cell_is_explained(file: Path) -> None:
    """A cell of code has one of words before it; nothing hides what it prints, or that it failed."""
    book = json.loads(file.read_text(encoding="utf-8"))
    kinds = [cell["cell_type"] for cell in book["cells"]]
    silent = [cell for before, cell in zip(kinds, book["cells"][1:], strict=False) if before == cell["cell_type"]]
    source = "".join("".join(cell["source"]) for cell in book["cells"] if cell["cell_type"] == "code")
    assert len([cell for cell in silent if cell["cell_type"] == "code"]) <= 1, "the parameters and the first step"
    assert not [word for word in ("%%", "!", "capture", "/dev/null", "--quiet") if word in source]


@pytest.mark.slow
def test_it_runs_and_goes_on_after_a_restart_of_the_kernel(tmp_path: Path, cache_dir: Path) -> None:
    settings = tiny(cache_dir) | {"baselines": ["Direct", "AT"], "runs": 2}
    parameters = f"MODE, OUTPUT, SETTINGS = 'quick', {str(tmp_path / 'out')!r}, {settings!r}"
    texts = []
    for _ in ("first", "restarted"):
        book = executed("quick.ipynb", parameters, tmp_path)
        texts.append(printed(book))
        kinds = [kind for out in outputs(book) for kind in out.get("data", {})]
        assert kinds.count("image/png") >= 5, "figures"
        assert kinds.count("text/html") >= 2, "the table at the sweep's end, and the results"
        assert not [out for out in outputs(book) if out.output_type == "error"]
    first, again = texts
    assert "every model is there" in first
    assert first.count(", saved ") == 5
    assert len(first.splitlines()) < 60, "no flood"
    assert (again.count("not trained again"), again.count(", saved ")) == (5, 0)
