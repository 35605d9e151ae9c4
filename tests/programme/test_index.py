"""The index page: what each mode says first."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from hpmkd.analysis.section import Section
from hpmkd.programme.index import compose


def report(*sections: str) -> Any:
    """As much of a report as the page asks for."""
    return SimpleNamespace(
        sections=tuple(Section(name, name.title(), (f"about {name}",)) for name in sections),
        conclusions=("compared",),
        missing=(),
        failures=(),
        frame=pd.DataFrame({"planned": [True, True], "recalled": [True, False], "train_seconds": [5.0, 60.0]}),
        facts=(),
        table=lambda name: None,
    )


@pytest.mark.parametrize(
    ("mode", "sections", "said"),
    [
        ("chain_cpu", ("costs", "chain"), ["about chain", "about costs", "compared"]),
        ("full", ("costs",), ["compared", "about costs"]),
        ("full", (), ["compared"]),
    ],
)
def test_what_a_mode_is_about_comes_first(mode: str, sections: tuple[str, ...], said: list[str]) -> None:
    page = compose("title", [mode, "later"], {mode: report(*sections)})
    first, later = page.entries
    assert [sentence for _, sentence in first.sentences] == said
    assert (first.models, first.is_there, later.models, later.is_there) == ("2 models", True, "not started", False)
    assert page.totals.startswith("1 model trained in 0:01"), "what came from the shared memory is not counted again"
    assert all(not found for _, found in page.claims)
