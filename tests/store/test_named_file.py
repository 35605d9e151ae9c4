"""Model files as users name them, and what is said of others."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpmkd.errors import UsageError
from hpmkd.store.named_file import need_network_file, refuse_sidecar


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("none.pt", "no such file or folder"),
        ("folder", "a folder"),
        ("search_D.json", "another kind of result"),
        ("logits_D.npy", "another kind of result"),
    ],
)
def test_what_is_no_network_file(name: str, found: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for there in ("search_D.json", "logits_D.npy"):
        (tmp_path / there).write_bytes(b"")
    with pytest.raises(UsageError, match="no model file") as error:
        need_network_file(tmp_path / name)
    assert error.value.found == found
    assert "sweep's folder" not in str(error.value)
    with pytest.raises(UsageError, match="or a sweep's folder"):
        need_network_file(tmp_path / name, or_folder=True)


@pytest.mark.parametrize("suffix", [".pt", ".npy"])
def test_a_sidecar_is_not_its_model(suffix: str, tmp_path: Path) -> None:
    for check in (refuse_sidecar, need_network_file):
        with pytest.raises(UsageError, match="the sidecar of") as error:
            check(tmp_path / f"x{suffix}.json")
        assert error.value.todo == f"name {tmp_path / 'x'}{suffix}"
    refuse_sidecar(tmp_path / "search_D.json")
