"""What tests of data sets share."""

from __future__ import annotations

import pytest

from hpmkd.data import decoders


@pytest.fixture
def helpers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three, from the first image on."""
    monkeypatch.setattr(decoders, "_ALONE_SECONDS", -1.0)
    monkeypatch.setattr(decoders, "cores", lambda: 3)
