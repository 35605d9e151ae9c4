"""A sweep on Digits whose runs have teachers of their own, trained from end to end; then with one more run."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from support.builders import make_config, make_jobs

from hpmkd.audit.results import collect, summary
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.result_file import verify
from hpmkd.training.trial import run_job

BASELINES = ["Direct", "TAKD", "HPM-KD-noSharedMemory-M2"]


def train(output: OutputDir, cache_dir: Path, runs: int) -> dict[str, str]:
    """Trains what is missing; model -> identity of its weights."""
    config = make_config(cache_dir, baselines=BASELINES, runs=runs, teacher__per_run=True, kd__logits="cached")
    jobs = make_jobs(config)
    for job in jobs.values():
        *_, last = run_job(job, output, config.data, torch.device("cpu"))
        assert last.status in ("trained", "found")
    return {key: str(verify(output.model_file(job)).weights) for key, job in jobs.items()}


def test_each_run_learns_from_its_own_teachers_and_more_runs_change_nothing(tmp_path: Path, cache_dir: Path) -> None:
    output = OutputDir(tmp_path)
    first = train(output, cache_dir, runs=1)
    both = train(output, cache_dir, runs=2)
    assert {key: both[key] for key in first} == first
    teachers = {key: weights for key, weights in both.items() if key.startswith("teacher_")}
    assert len(teachers) == len(set(teachers.values())) == 4
    frame = collect(output, None)
    for row in frame[frame["role"] == "student"].to_dict("records"):
        above = str(row["ancestors"]).split()
        assert all(stem.endswith(f"_run{row['run']}") for stem in above)
        assert bool(above) == (row["baseline"] != "Direct")
        if row["agreement_with"]:
            assert row["agreement_with"] == f"teacher_Digits_run{row['run']}"
    table = summary(frame).set_index("baseline")
    own = frame.set_index("file")["accuracy_pct"]
    shares = [100 * own[f"student_Digits_Direct_run{run}.pt"] / own[f"teacher_Digits_run{run}.pt"] for run in (1, 2)]
    assert table["retention_pct"]["Direct"] == pytest.approx(sum(shares) / 2)
    output.models.joinpath("teacher_Digits_run2.pt").unlink()
    assert train(output, cache_dir, runs=2) == both
