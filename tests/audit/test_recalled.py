"""What comes from the shared memory: as a trial decides it, said before."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.frames import make_output

from hpmkd.audit.findings import audit, describe_finding
from hpmkd.audit.recalled import recalled
from hpmkd.audit.status import read_status
from hpmkd.cli.main import main
from hpmkd.config.sweep import SweepConfig, memory_folder
from hpmkd.plan.job import Job
from hpmkd.store.output_dir import OutputDir, trial_folder
from hpmkd.store.shared_cache import keep

CHOOSE = {"baselines": ["HPM-KD", "TAKD"], "runs": 1, "resources__device": "cpu", "teacher__arch": "resnet8"}
TEACHER, ASSISTANT = "teacher_Digits", "assistant_Digits_TAKD"


def filled(tmp_path: Path, accuracy: float = 90.0) -> None:
    """An earlier sweep has put its teacher and its assistant there."""
    output, config, jobs = make_output(
        tmp_path / "earlier", tmp_path / "cache", lambda job: None if job.role == "student" else accuracy, **CHOOSE
    )
    for key in (TEACHER, ASSISTANT):
        keep(memory_folder(config.data), jobs[key], output, "cpu")


def found(output: OutputDir, config: SweepConfig, jobs: dict[str, Job]) -> set[str]:
    return set(recalled(config, audit(list(jobs.values()), output, repair=False), output))


def test_dry_run_and_status_say_what_comes_from_the_memory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    filled(tmp_path)
    output, config, jobs = make_output(tmp_path / "new", tmp_path / "cache", lambda job: None, **CHOOSE)
    findings = audit(list(jobs.values()), output, repair=False)
    memory = recalled(config, findings, output)
    assert set(memory) == {TEACHER, ASSISTANT}
    assert describe_finding(findings[TEACHER], findings, memory) == "missing: it comes from the shared memory"
    assert describe_finding(findings["student_Digits_TAKD_run1"], findings, memory).startswith("missing; waits for")
    status = {one.key: one for one in read_status(output.root).models}
    assert [key for key, one in status.items() if one.in_memory] == [TEACHER, ASSISTANT]
    assert main(["status", str(output.root)]) == 0
    assert f"from the shared memory, when they are needed: {TEACHER}, {ASSISTANT}" in capsys.readouterr().out
    assert main(["run", "--restore", str(output.root), "-n"]) == 0
    rows = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if "missing" in line}
    assert rows[f"{TEACHER}.pt"].endswith("missing: it comes from the shared memory")


def test_with_another_teacher_here_an_assistant_is_trained(tmp_path: Path) -> None:
    filled(tmp_path)
    here = make_output(tmp_path / "new", tmp_path / "cache", lambda job: 50.0 if job.key == TEACHER else None, **CHOOSE)
    assert found(*here) == set()
    alike = {TEACHER: 90.0}
    same = make_output(tmp_path / "same", tmp_path / "cache", lambda job: alike.get(job.key), **CHOOSE)
    assert found(*same) == {ASSISTANT}


def test_what_was_deleted_here_is_trained_again(tmp_path: Path) -> None:
    filled(tmp_path)
    output, config, jobs = make_output(tmp_path / "new", tmp_path / "cache", lambda job: None, **CHOOSE)
    (output.tune / "round000" / trial_folder(jobs[TEACHER]) / "checkpoint_000000").mkdir(parents=True)
    assert found(output, config, jobs) == {ASSISTANT}


def test_another_kind_of_device_has_nothing_there(tmp_path: Path) -> None:
    filled(tmp_path)
    here = make_output(
        tmp_path / "new", tmp_path / "cache", lambda job: None, **{**CHOOSE, "resources__device": "cuda"}
    )
    assert found(*here) == set()
