"""Users without a home, as in a container whose user is in no list."""

from __future__ import annotations

from pathlib import Path

import pytest


def set_home(monkeypatch: pytest.MonkeyPatch, home: str | None) -> None:
    """Gives this process a home; None: neither `HOME` nor the list of users has one."""
    if home is not None:
        monkeypatch.setenv("HOME", home)
        return

    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)
