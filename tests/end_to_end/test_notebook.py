"""The notebook of the README, executed in a kernel of its own."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest
from support.sweeps import tiny

import hpmkd

FILE = Path(hpmkd.__file__).parent / "notebooks" / "quick.ipynb"


def cells() -> list[str]:
    """Source of each code cell."""
    book = json.loads(FILE.read_text(encoding="utf-8"))
    return ["".join(cell["source"]) for cell in book["cells"] if cell["cell_type"] == "code"]


def test_it_is_kept_without_outputs() -> None:
    book = json.loads(FILE.read_text(encoding="utf-8"))
    assert all(not cell.get("outputs") and cell.get("execution_count") is None for cell in book["cells"])
    for source in cells():
        ast.parse(source.replace("%matplotlib inline\n", ""))
    assert all(len(line) <= 120 for source in cells() for line in source.splitlines())


@pytest.mark.slow
def test_it_runs_and_goes_on_after_a_restart_of_the_kernel(tmp_path: Path, cache_dir: Path) -> None:
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    output = tmp_path / "out"
    settings = tiny(cache_dir) | {"baselines": ["Direct", "AT"], "runs": 2}
    texts = []
    for _ in ("first", "restarted"):
        book = nbformat.read(FILE, as_version=4)
        place = next(i for i, cell in enumerate(book.cells) if "parameters" in cell.metadata.get("tags", []))
        book.cells[place].source = f"MODE, OUTPUT, SETTINGS = 'quick', {str(output)!r}, {settings!r}"
        nbclient.NotebookClient(book, timeout=900, resources={"metadata": {"path": str(tmp_path)}}).execute()
        texts.append("".join(_printed(cell) for cell in book.cells))
        kinds = [kind for cell in book.cells for out in cell.get("outputs", []) for kind in out.get("data", {})]
        assert kinds.count("image/png") >= 5, "figures"
        assert kinds.count("text/html") >= 2, "the table at the sweep's end, and the results"
        assert not [out for cell in book.cells for out in cell.get("outputs", []) if out.output_type == "error"]
    first, again = texts
    assert "every model is there" in first
    assert first.count(", saved ") == 5
    assert len(first.splitlines()) < 60, "no flood"
    assert (again.count("not trained again"), again.count(", saved ")) == (5, 0)


def _printed(cell: Any) -> str:
    return "".join(out.text for out in cell.get("outputs", []) if out.output_type == "stream")
