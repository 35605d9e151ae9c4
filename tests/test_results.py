"""Model files -> tables."""

from __future__ import annotations

import io
import math
from pathlib import Path

import pandas as pd
import pytest
import torch
from rich.console import Console

from hpmkd import results
from hpmkd.output import Output
from hpmkd.store.choice_file import save_choice
from hpmkd.store.model_file import save_model


@pytest.fixture
def output(tmp_path: Path) -> Output:
    """A teacher at 80 %, three Direct students, one AT student and one that is no longer planned."""
    out = Output(tmp_path)
    accuracies = {"teacher_D": 80.0, "student_D_AT_run1": 76.0, "student_D_Old_run1": 10.0}
    accuracies |= {
        f"student_D_Direct_run{run}": value for run, value in zip((1, 2, 3), (70.0, 72.0, 71.0), strict=True)
    }
    for number, (key, accuracy) in enumerate(accuracies.items()):
        role, dataset, *rest = key.split("_")
        meta = {"role": role, "dataset": dataset, "baseline": rest[0] if rest else None, "epochs": 2}
        meta["run"] = int(rest[1][3:]) if rest else None
        meta["parents"] = {"teacher_D": "", "choice_D": ""} if "AT" in key else {}
        save_model({"w": torch.zeros(2)}, out.models / f"{key}.pt", accuracy, 10.0 + number, meta)
    (out.models / "student_D_Direct_run4.pt").write_bytes(b"torn")
    save_choice(out.models / "choice_D.json", {}, [], 60.0, 5.0, {"role": "choice", "parents": {"teacher_D": ""}})
    return out


PLANNED = ["teacher_D", "student_D_AT_run1", *(f"student_D_Direct_run{run}" for run in (1, 2, 3))]


def test_one_row_per_valid_file(output: Output) -> None:
    frame = results.collect(output, PLANNED)
    assert len(frame) == 6
    assert frame.set_index("file").loc["student_D_Direct_run2.pt", "accuracy_pct"] == 72.0
    assert frame.loc[~frame["planned"], "file"].tolist() == ["student_D_Old_run1.pt"]


def test_summary_against_hand_counts(output: Output) -> None:
    table = results.summary(results.collect(output, PLANNED)).set_index("baseline")
    assert list(table.index) == ["teacher", "AT", "Direct"]
    direct = table.loc["Direct"]
    assert (direct["runs"], direct["mean_pct"], direct["sd_pct"]) == (3, 71.0, pytest.approx(1.0))
    assert direct["retention_pct"] == pytest.approx(100 * 71 / 80)
    assert direct["train_seconds"] == pytest.approx((13 + 14 + 15) / 3)
    assert math.isnan(table.loc["AT", "sd_pct"])
    assert direct["total_seconds"] == pytest.approx(13 + 14 + 15)
    assert table.loc["AT", "total_seconds"] == pytest.approx(11 + 10 + 5)


def test_written_files_agree(output: Output) -> None:
    frame = results.collect(output, PLANNED)
    results.write(frame, output)
    csv, parquet = pd.read_csv(output.root / "results.csv"), pd.read_parquet(output.root / "results.parquet")
    assert csv["accuracy_pct"].tolist() == parquet["accuracy_pct"].tolist() == frame["accuracy_pct"].tolist()


def test_table_follows_the_order_of_the_config(output: Output) -> None:
    (table,) = results.tables(results.collect(output, PLANNED), ["Direct", "AT"])
    text = io.StringIO()
    Console(file=text, width=100).print(table)
    lines = [line.split("│")[1].strip() for line in text.getvalue().splitlines() if line.startswith("│")]
    assert lines == ["teacher", "Direct", "AT"]


def test_no_models_no_tables(tmp_path: Path) -> None:
    frame = results.collect(Output(tmp_path), [])
    assert frame.empty
    assert results.tables(frame, ["Direct"]) == []
    results.write(frame, Output(tmp_path))
    assert (tmp_path / "results.csv").read_text().startswith("file,dataset")
