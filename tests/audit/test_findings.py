"""What lies on disk against the plan."""

from __future__ import annotations

import errno
import json
import os
import pickle
from pathlib import Path

import pytest
import torch
from support.builders import make_config, make_jobs

from hpmkd.audit.findings import archive, audit, describe_finding, headers, mismatch, quarantine
from hpmkd.errors import EnvironmentProblem
from hpmkd.plan.job import Job
from hpmkd.store import inspection, result_file
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.result_file import commit
from hpmkd.store.sidecar import sidecar_path

TEACHER, ASSISTANT, STUDENT = "teacher_Digits", "assistant_Digits_TAKD", "student_Digits_TAKD_run1"


def write(job: Job, output: OutputDir, parents: dict[str, str], seed: int = 0) -> str:
    """A file as the trial of `job` leaves it; returns the identity of its weights."""
    meta = {"key": job.key, "recipe": job.recipe(), "fingerprint": job.fingerprint, "parents": parents}
    state = {"w": torch.full((2,), float(seed))}
    return commit(output.model_file(job), state, 90.0, 1.0, meta).metadata["weights_sha256"]


@pytest.fixture
def jobs() -> dict[str, Job]:
    return make_jobs(make_config(baselines=["TAKD"]))


@pytest.fixture
def output(tmp_path: Path, jobs: dict[str, Job]) -> OutputDir:
    """Teacher, assistant and student, all done."""
    out = OutputDir(tmp_path)
    teacher = write(jobs[TEACHER], out, {})
    assistant = write(jobs[ASSISTANT], out, {TEACHER: teacher})
    write(jobs[STUDENT], out, {ASSISTANT: assistant})
    return out


def states(jobs: dict[str, Job], output: OutputDir) -> list[str]:
    return [finding.state for finding in audit(jobs.values(), output).values()]


def test_all_done(jobs: dict[str, Job], output: OutputDir) -> None:
    findings = audit(jobs.values(), output)
    assert states(jobs, output) == ["good"] * 3
    assert describe_finding(findings[STUDENT], findings) == "done (90.00%)"
    assert mismatch(findings, output) is None


def test_missing_and_waiting(jobs: dict[str, Job], output: OutputDir) -> None:
    for key in (ASSISTANT, STUDENT):
        output.model_file(jobs[key]).unlink()
    findings = audit(jobs.values(), output)
    assert describe_finding(findings[ASSISTANT], findings) == "missing"
    assert describe_finding(findings[STUDENT], findings) == f"missing; waits for {ASSISTANT}"


def test_a_missing_parent_does_not_touch_a_finished_child(jobs: dict[str, Job], output: OutputDir) -> None:
    output.model_file(jobs[TEACHER]).unlink()
    assert states(jobs, output) == ["missing", "good", "good"]


def test_damaged(jobs: dict[str, Job], output: OutputDir) -> None:
    path = output.model_file(jobs[STUDENT])
    path.write_bytes(path.read_bytes()[:-5])
    findings = audit(jobs.values(), output)
    assert "truncated" in describe_finding(findings[STUDENT], findings)
    first = quarantine(findings[STUDENT], output)
    path.write_bytes(b"again")
    second = quarantine(inspection.inspect_job(jobs[STUDENT], output), output)
    assert (first.name, second.name) == (f"{STUDENT}.1.pt", f"{STUDENT}.2.pt")
    assert "truncated" in json.loads(Path(f"{first}.reason.json").read_text())["reason"]
    assert not path.exists()
    assert not sidecar_path(path).exists()


def test_a_model_under_another_name_is_not_believed(jobs: dict[str, Job], output: OutputDir) -> None:
    output.model_file(jobs[ASSISTANT]).replace(output.model_file(jobs[STUDENT]))
    sidecar_path(output.model_file(jobs[ASSISTANT])).replace(sidecar_path(output.model_file(jobs[STUDENT])))
    finding = inspection.inspect_job(jobs[STUDENT], output)
    assert (finding.state, finding.reason) == ("damaged", f"holds another model: {ASSISTANT}")


def test_other_settings_are_stale_and_explained(output: OutputDir) -> None:
    now = make_jobs(make_config(baselines=["TAKD"], fit__lr=0.5, fit__batch_size=32))
    findings = audit(now.values(), output)
    assert {finding.state for finding in findings.values()} == {"stale"}
    assert findings[TEACHER].reason == "`fit.batch_size` 64 -> 32; `fit.lr` 0.001 -> 0.5"
    error = mismatch(findings, output)
    assert error is not None
    assert error.exit_code == 4
    assert "(3 models: teacher_Digits.pt, assistant_Digits_TAKD.pt, student_Digits_TAKD_run1.pt)" in str(error)
    more = [finding.note("") for finding in findings.values()]
    every = {f"{number}": more[number % 3] for number in range(5)}
    assert "(5 models: " in str(mismatch(every, output))
    assert "and 2 more)" in str(mismatch(every, output))
    moved = archive(findings.values(), output)
    assert [path.name for path in moved] == [f"{key}.1.pt" for key in now]
    assert all(sidecar_path(path).exists() for path in moved)
    assert list(output.models.iterdir()) == []


def test_only_the_parents_settings_changed(output: OutputDir) -> None:
    now = make_jobs(make_config(baselines=["TAKD"], fit__teacher_epochs=7))
    assert audit(now.values(), output)[STUDENT].reason == "its teacher's settings changed"


def test_more_of_anything_is_no_change(output: OutputDir) -> None:
    more = {"baselines": ["TAKD", "AT"], "runs": 3, "datasets": ["Digits", "MNIST"]}
    for changes in ({name: value} for name, value in more.items()):
        now = make_jobs(make_config(**{"baselines": ["TAKD"], **changes}))
        findings = audit(now.values(), output)
        done = [key for key, finding in findings.items() if finding.state == "good"]
        assert sorted(done) == sorted((TEACHER, ASSISTANT, STUDENT))
        assert len(findings) > 3
        assert mismatch(findings, output) is None


def test_a_child_of_other_weights_is_stale(jobs: dict[str, Job], output: OutputDir) -> None:
    """The same recipe on another machine gives other weights: what was trained from the old ones says so."""
    write(jobs[TEACHER], output, {}, seed=1)
    findings = audit(jobs.values(), output)
    assert [finding.state for finding in findings.values()] == ["good", "stale", "stale"]
    assert findings[ASSISTANT].reason.startswith("teacher_Digits.pt was trained again")
    assert findings[STUDENT].reason == "trained from assistant_Digits_TAKD.pt, which is stale"


@pytest.mark.parametrize("what", ["a folder", "a link that leads nowhere", "foreign pickle", "empty", "zeros"])
def test_whatever_lies_there_is_moved_aside(jobs: dict[str, Job], output: OutputDir, what: str) -> None:
    path = output.model_file(jobs[STUDENT])
    size = path.stat().st_size
    path.unlink()
    if what == "a folder":
        path.mkdir()
    elif what == "a link that leads nowhere":
        path.symlink_to("nowhere")
    else:
        content = {"foreign pickle": pickle.dumps({"w": [1, 2]}), "empty": b"", "zeros": bytes(size)}
        path.write_bytes(content[what])
    finding = inspection.inspect_job(jobs[STUDENT], output)
    assert finding.state == "damaged"
    target = quarantine(finding, output)
    assert os.path.lexists(target)
    assert not os.path.lexists(path)
    reason = json.loads(Path(f"{target}.reason.json").read_text())["reason"]
    assert reason == finding.reason
    assert what in reason or what in ("foreign pickle", "empty", "zeros")
    assert inspection.inspect_job(jobs[STUDENT], output).state == "missing"


def test_the_dry_runs_audit_changes_nothing(jobs: dict[str, Job], output: OutputDir) -> None:
    for job in jobs.values():
        sidecar_path(output.model_file(job)).unlink()
    findings = audit(jobs.values(), output, repair=False)
    assert {finding.state for finding in findings.values()} == {"good"}
    assert not list(output.models.glob("*.json"))
    audit(jobs.values(), output)
    assert len(list(output.models.glob("*.json"))) == 3


def test_a_disk_that_does_not_answer_ends_the_audit(
    jobs: dict[str, Job], output: OutputDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(path: Path) -> str:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(result_file, "file_hash", broken)
    with pytest.raises(EnvironmentProblem, match="EIO"):
        audit(jobs.values(), output)
    assert headers(output) == {}


def test_headers_of_all_valid_files(jobs: dict[str, Job], output: OutputDir) -> None:
    (output.models / "odd.pt").write_bytes(b"odd")
    assert set(headers(output)) == set(jobs)
