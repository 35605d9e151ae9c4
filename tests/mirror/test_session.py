"""The mirror of an output while it grows: copies, fetches, and a network that fails in every way."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.s3 import S3Server, every, for_a_while, sometimes
from support.sweeps import flip, weights

from hpmkd.audit.sweep_dir import open_sweep
from hpmkd.cli.main import main
from hpmkd.config.mirror import CLAIM
from hpmkd.errors import ConfigMismatch, MirrorProblem
from hpmkd.mirror import claim, download, retries
from hpmkd.mirror.retries import patiently
from hpmkd.mirror.session import Mirror
from hpmkd.store.inspection import inspect_job
from hpmkd.store.output_dir import OutputDir, trial_folder

TEACHER = "models/teacher_Digits.pt"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "LONGEST_SECONDS", 0.3)
    monkeypatch.setattr(claim, "_SETTLE_SECONDS", 0.05)


def files(root: Path) -> dict[str, bytes]:
    """What is to be copied of an output."""
    found = (path for path in root.rglob("*") if path.is_file() and not path.name.startswith("."))
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in found}


def there(s3: S3Server) -> dict[str, bytes]:
    return {name: s3.content(name) for name in s3.names() if name != CLAIM}


def copied(out: Path, uri: str, seconds: float = 60.0) -> list[str]:
    """By a mirror that is opened, started and closed; what is left."""
    mirror = Mirror(OutputDir(out), uri)
    mirror.start()
    return mirror.close(seconds)


def epoch_of(out: Path, job, number: int = 3) -> Path:
    """A saved epoch as a trial leaves it; only its names matter here."""
    folder = out / "tune" / "round000" / trial_folder(job) / f"checkpoint_00000{number}"
    folder.mkdir(parents=True)
    (folder / "epoch.pt").write_bytes(b"state" * number)
    (folder / "epoch.json").write_text("{}")
    return folder


@pytest.mark.parametrize("where", ["s3", "folder"])
def test_everything_and_only_what_changed(
    out: Path, s3: S3Server, tmp_path: Path, where: str, caplog: pytest.LogCaptureFixture
) -> None:
    uri = s3.uri() if where == "s3" else str(tmp_path / "copy")
    (out / "quarantine").mkdir()
    (out / "quarantine" / "x.pt").write_bytes(b"damaged")
    (out / ".sweep.lock").touch()
    assert copied(out, uri) == []
    wanted = {name: data for name, data in files(out).items() if not name.startswith("quarantine")}
    found = there(s3) if where == "s3" else {k: v for k, v in files(tmp_path / "copy").items() if k != CLAIM}
    assert found == wanted
    if where == "s3":
        s3.asked.clear()
        (out / "results.csv").write_text("new")
        assert copied(out, uri) == []
        assert s3.content("results.csv") == b"new"
        # The claim taken and given back, and one file: each written and read again; one listing.
        assert s3.asked.total() <= 25
    assert not caplog.records


@pytest.mark.parametrize(
    "fault",
    [
        sometimes(0.3, "500"), sometimes(0.4, "torn", "PUT POST"), sometimes(0.2, "403"),
        for_a_while(3.0, "500"), for_a_while(3.0, "403"), for_a_while(2.0, "torn", "PUT POST"),
        pytest.param(sometimes(0.1, "stall", "PUT"), marks=pytest.mark.slow),
    ],
    ids=["500", "torn", "403", "outage", "credentials", "tearing", "stall"],
)  # fmt: skip
def test_faults_cost_retries_and_no_file(out: Path, s3: S3Server, fault: Callable[[str, str], str | None]) -> None:
    mirror = Mirror(OutputDir(out), s3.uri())
    s3.fault = fault
    mirror.start()
    time.sleep(1.0)
    (out / "results.csv").write_text("written meanwhile")
    assert mirror.close(90.0) == []
    s3.fault = lambda method, path: None
    assert there(s3) == files(out)


def test_a_bucket_that_becomes_read_only(out: Path, s3: S3Server, caplog: pytest.LogCaptureFixture) -> None:
    """One warning, however often it is tried; what is left is told at the end, and completed later."""
    mirror = Mirror(OutputDir(out), s3.uri())
    s3.fault = every(1, "403", "PUT POST")
    mirror.start()
    time.sleep(2.0)
    left = mirror.close(1.0)
    assert TEACHER in left
    assert "injected" in str(mirror.problem) or "ACCESS_DENIED" in str(mirror.problem)
    assert len([one for one in caplog.records if one.levelname == "WARNING"]) == 1
    s3.fault = lambda method, path: None
    assert main(["mirror", str(out), s3.uri()]) == 0
    assert there(s3) == files(out)


@pytest.mark.parametrize("fault", ["403", "500"])
def test_nothing_begins_with_a_mirror_that_cannot_be_used(
    out: Path, s3: S3Server, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hpmkd.mirror.session._OPEN_SECONDS", 0.5)
    s3.fault = every(1, fault)
    with pytest.raises(MirrorProblem) as caught:
        Mirror(OutputDir(out), s3.uri())
    assert caught.value.exit_code == 3
    assert caught.value.todo


def test_a_damaged_file_is_never_put_over_a_good_one(out: Path, s3: S3Server) -> None:
    assert copied(out, s3.uri()) == []
    good = s3.content(TEACHER)
    flip(out / TEACHER)
    copied(out, s3.uri())
    assert s3.content(TEACHER) == good


def test_what_was_deleted_there_is_copied_again(out: Path, s3: S3Server) -> None:
    copied(out, s3.uri())
    s3.client.delete_object(Bucket="sweeps", Key=f"run7/{TEACHER}")
    assert copied(out, s3.uri()) == []
    assert there(s3) == files(out)


def test_results_are_fetched_only_where_they_are_good(out: Path, s3: S3Server, tmp_path: Path) -> None:
    copied(out, s3.uri())
    before, sweep = weights(out), open_sweep(out)
    names = [f"models/{job.file_name}" for job in sweep.jobs]
    damaged, other = names[1], names[2]
    s3.client.put_object(Bucket="sweeps", Key=f"run7/{damaged}", Body=s3.content(damaged)[:-9])
    s3.client.put_object(Bucket="sweeps", Key=f"run7/{other}", Body=s3.content(TEACHER))
    for path in (out / "models").iterdir():
        path.unlink()
    mirror = Mirror(OutputDir(out), s3.uri())
    found = mirror.download.results(sweep.jobs)
    mirror.close(0.0)
    good = {job.file_name for job in sweep.jobs} - {Path(damaged).name, Path(other).name}
    assert {one.file for one in found} == good
    assert {path.name for path in OutputDir(out).model_files()} == good
    assert all(inspect_job(job, OutputDir(out)).good for job in sweep.jobs if job.file_name in good)
    assert {name: before[name] for name in weights(out)} == weights(out)
    assert not list(out.glob(".tmp-*"))


def test_epochs_come_and_go(out: Path, s3: S3Server) -> None:
    """Those of what is not finished; the older one is removed there when it is removed here."""
    sweep = open_sweep(out)
    student, teacher = sweep.jobs[-1], sweep.jobs[0]
    (out / "models" / student.file_name).unlink()
    older, newer = epoch_of(out, student), epoch_of(out, student, 4)
    epoch_of(out, teacher)
    copied(out, s3.uri())
    state, about = f"{newer.relative_to(out)}/epoch.pt", f"{newer.relative_to(out)}/epoch.json"
    assert {state, about, f"{older.relative_to(out)}/epoch.pt"} < set(s3.names())
    assert not [name for name in s3.names() if trial_folder(teacher) in name]
    shutil.rmtree(older)
    copied(out, s3.uri())
    assert [name for name in s3.names() if name.startswith("tune/")] == [about, state]
    shutil.rmtree(out / "tune")
    mirror = Mirror(OutputDir(out), s3.uri())
    assert mirror.download.epochs([student]) == 1
    mirror.close(0.0)
    assert (newer / "epoch.pt").read_bytes() == b"state" * 4


def test_threads_end(out: Path, s3: S3Server) -> None:
    copied(out, s3.uri())
    assert not [one for one in threading.enumerate() if one.name.startswith("hpmkd-mirror")]


def other_settings(out: Path, name: str) -> bytes:
    """The same model as another recipe would have made it: whole, under the same name."""
    from hpmkd.store.result_file import commit, load

    header, state = load(out / name)
    recipe = {**header.metadata["recipe"], "fit.lr": 0.5}
    about = {**header.metadata, "recipe": recipe, "fingerprint": "f" * 64}
    target = out.parent / "other" / Path(name).name
    commit(target, state, accuracy=1.0, train_time=1.0, metadata=about)
    return target.read_bytes()


def test_models_of_other_settings_are_never_written_over(out: Path, s3: S3Server) -> None:
    """Of another sweep that was mirrored there, whose plan is gone."""
    body = other_settings(out, TEACHER)
    s3.client.put_object(Bucket="sweeps", Key=f"run7/{TEACHER}", Body=body)
    mirror = Mirror(OutputDir(out), s3.uri())
    with pytest.raises(ConfigMismatch, match="1 model of other settings") as caught:
        mirror.need_its_models(open_sweep(out).jobs)
    assert "`fit.lr` 0.5 -> " in str(caught.value)
    mirror.close(0.0)
    assert main(["mirror", str(out), s3.uri()]) == 4
    assert s3.content(TEACHER) == body
    assert not list(out.glob(".tmp-*"))


def test_the_mirror_of_another_sweep(out: Path, s3: S3Server) -> None:
    """By its plan, before anything is written over it; machines may be others, and there may be more runs."""
    copied(out, s3.uri())
    other = out.parent / "another"
    other.mkdir()
    text = (out / "sweep.yaml").read_text()
    for change in (("runs: 1", "runs: 0"), ("seed: ", "seed: 9"), ("[TAKD, ", "[Direct, ")):
        assert change[0] in text
        (other / "sweep.yaml").write_text(text.replace(*change))
        with pytest.raises(ConfigMismatch, match="the mirror of another sweep"):
            Mirror(OutputDir(other), s3.uri())
    assert s3.content("sweep.yaml") == text.encode()
    assert not [one for one in threading.enumerate() if one.name.startswith("hpmkd-mirror")]
    (out / ".mirror.jsonl").unlink()
    assert copied(out, s3.uri()) == [], "of this sweep, though nobody knows it any more"
    (out / "sweep.yaml").write_text(text.replace("runs: 1", "runs: 7"))
    (out / ".mirror.jsonl").unlink()
    assert copied(out, s3.uri()) == [], "with more runs than before"


def test_epochs_of_what_another_machine_has_finished_are_removed(out: Path, s3: S3Server) -> None:
    teacher = open_sweep(out).jobs[0]
    name = f"tune/round000/{trial_folder(teacher)}/checkpoint_000001/epoch.pt"
    s3.client.put_object(Bucket="sweeps", Key=f"run7/{name}", Body=b"x")
    copied(out, s3.uri())
    assert name in s3.names(), "that it was finished was not known before"
    copied(out, s3.uri())
    assert name not in s3.names()


def test_epochs_go_when_the_model_is_copied(out: Path, s3: S3Server) -> None:
    """Also where Tune has kept them here."""
    student = open_sweep(out).jobs[-1]
    file = out / "models" / student.file_name
    aside = shutil.move(file, out.parent / "aside")
    folder = epoch_of(out, student)
    copied(out, s3.uri())
    assert [name for name in s3.names() if name.startswith("tune/")]
    shutil.move(aside, file)
    copied(out, s3.uri())
    assert not [name for name in s3.names() if name.startswith("tune/")]
    assert folder.is_dir()


def test_a_disk_that_is_away_for_a_while(out: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """As a mounted folder is: the copy goes on when it is there again."""
    copy = tmp_path / "disk" / "copy"
    copy.parent.mkdir()
    mirror = Mirror(OutputDir(out), str(copy))
    shutil.rmtree(copy.parent)
    copy.parent.write_text("not mounted")
    mirror.start()
    time.sleep(1.5)
    assert mirror.problem is not None
    assert mirror._thread.is_alive()
    copy.parent.unlink()
    deadline = time.monotonic() + 30
    while mirror.problem is not None:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert mirror.close(30.0) == []
    assert (copy / TEACHER).read_bytes() == (out / TEACHER).read_bytes()


def test_an_interrupted_fetch_tries_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while a network fails: nobody waits for the patience of its threads."""
    tries: list[str] = []

    def interrupted(name: str, over: threading.Event) -> None:
        if name == "first":
            raise KeyboardInterrupt
        tries.append(name)
        patiently(failing, 120.0, over)

    def failing() -> None:
        raise MirrorProblem("no network")

    with pytest.raises(KeyboardInterrupt):
        download._side_by_side(interrupted, ["first", *"abc", *map(str, range(50))])
    deadline = time.monotonic() + 20
    while [one for one in threading.enumerate() if one.name.startswith("ThreadPoolExecutor")]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert len(tries) < 50
