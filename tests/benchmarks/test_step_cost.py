"""What a step of every method costs on a CPU: the benchmark has a row for each."""

from __future__ import annotations

from pathlib import Path

import pytest
import step_cost

from hpmkd.methods.build import DISTILLERS


def test_every_method_has_a_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = step_cost.main(["--batch", "8", "--steps", "1", "--turns", "1", "--json", str(tmp_path / "x.json")])
    assert [row["method"] for row in rows] == list(DISTILLERS)
    assert all(row["times_direct"] > 0 for row in rows)
    own = {row["method"]: row["parameters"] for row in rows}
    assert own["Direct"] == own["DKD"] == own["AT"] == 0
    assert own["CTKD"] == 1
    # A second student; two projections to 128 dimensions, of embeddings of 100 and 500.
    assert (own["DML"], own["CRD"]) == (56_890, 128 * (100 + 1) + 128 * (500 + 1))
    assert len(capsys.readouterr().out.splitlines()) == 2 + len(DISTILLERS)
    assert (tmp_path / "x.json").exists()
