"""Many files are looked at in their order, the large ones by threads."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from hpmkd.store import inspection


def test_large_files_are_looked_at_by_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspection, "_LARGE", 5)
    paths = [tmp_path / f"{number}.pt" for number in range(40)]
    for number, path in enumerate(paths[:-1]):  # the last is not there
        path.write_bytes(bytes(number % 9))
    threads: dict[Path, str] = {}

    def look(path: Path) -> str:
        threads[path] = threading.current_thread().name
        return path.name

    assert inspection.side_by_side(look, paths, lambda path: path) == [path.name for path in paths]
    elsewhere = {path for path, thread in threads.items() if thread != threading.current_thread().name}
    assert elsewhere == {path for number, path in enumerate(paths[:-1]) if number % 9 >= 5}


@pytest.mark.parametrize("number_of_bytes", [0, 8])
def test_what_a_look_raises_is_raised(number_of_bytes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspection, "_LARGE", 5)
    path = tmp_path / "a.pt"
    path.write_bytes(bytes(number_of_bytes))

    def fail(one: Path) -> str:
        raise OSError(5, "Input/output error", str(one))

    with pytest.raises(OSError, match="Input/output"):
        inspection.side_by_side(fail, [path], lambda one: one)
