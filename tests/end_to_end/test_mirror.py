"""A sweep with a mirror, whose machine is lost: another goes on from the mirror alone."""

from __future__ import annotations

import shutil
import signal
import time
from pathlib import Path

import pytest
from support.s3 import S3Server, every
from support.sweeps import Launch, everything, flip, restore, start, weights

from hpmkd.cluster.stop_signals import StopSignals
from hpmkd.config.programme import FILE as PROGRAMME
from hpmkd.errors import EXIT_UNMIRRORED, ConfigMismatch
from hpmkd.files import commit_bytes
from hpmkd.mirror.session import Mirror
from hpmkd.programme.mirrored_plans import copy_list
from hpmkd.store.output_dir import OutputDir
from hpmkd.sweep.mirroring import closed

STUDENT = "student_Digits_TraditionalKD_run1"
LONG = ["--baselines", "TraditionalKD", "--student-epochs", "150", "--record.checkpoint_overhead", "1"]


def test_nothing_finished_is_trained_again(
    s3: S3Server, tmp_path: Path, cache_dir: Path, small_ray: None, capfd: pytest.CaptureFixture[str]
) -> None:
    """On an empty machine: by `--restore URI`, and by the same command; then with one copy damaged."""
    out, two = tmp_path / "out", ["--baselines", "Direct", "TraditionalKD"]
    assert start(out, cache_dir, *two, "--mirror", s3.uri()) == 0
    before = weights(out)
    curves = {path.name: path.read_text() for path in (out / "progress").iterdir()}
    shutil.rmtree(out)
    capfd.readouterr()
    assert restore(s3.uri(), "-o", str(out)) == 0  # type: ignore[arg-type]
    said = capfd.readouterr().out
    assert f"fetched the plan of {s3.uri()}" in said
    assert "fetched 3 finished files" in said
    assert "saved" not in said
    assert weights(out) == before
    assert {path.name: path.read_text() for path in (out / "progress").iterdir()} == curves
    shutil.rmtree(out)
    assert start(out, cache_dir, *two, "--mirror", s3.uri()) == 0
    assert "saved" not in capfd.readouterr().out
    flip(out / "models" / f"{STUDENT}.pt")
    assert restore(out) == 0
    assert "saved" not in capfd.readouterr().out, "damaged here, good there"
    shutil.rmtree(out)
    key = f"run7/models/{STUDENT}.pt"
    s3.client.put_object(Bucket="sweeps", Key=key, Body=s3.content(f"models/{STUDENT}.pt")[:500])
    assert start(out, cache_dir, *two, "--mirror", s3.uri()) == 0
    assert capfd.readouterr().out.count("saved student") == 1
    assert weights(out) == before


@pytest.mark.slow
def test_a_lost_machine(
    s3: S3Server, tmp_path: Path, cache_dir: Path, launch: Launch, small_ray: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in the middle of a training, its folder gone: from the newest epoch that was copied, to the same bits."""
    whole = tmp_path / "whole"
    assert start(whole, cache_dir, *LONG) == 0
    process = launch(*LONG, "--mirror", s3.uri())
    deadline = time.monotonic() + 200
    while not [name for name in s3.names() if STUDENT in name and name.endswith("epoch.json")]:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    out = tmp_path / "out"
    shutil.move(out, tmp_path / "lost")
    monkeypatch.setattr("hpmkd.mirror.claim.SILENT_SECONDS", 5.0)
    assert start(out, cache_dir, *LONG, "--mirror", s3.uri()) == 0
    assert weights(out) == weights(whole)
    epochs = (out / "progress" / f"{STUDENT}.jsonl").read_text()
    assert '"epoch": 150' in epochs
    begun = list((out / "tune").glob(f"round000/{STUDENT}-*/checkpoint_*"))
    assert begun, "the epoch of the lost machine was fetched"


@pytest.mark.slow
def test_what_is_not_copied_is_said(
    s3: S3Server, tmp_path: Path, cache_dir: Path, small_ray: None, capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """A network that fails for good costs no model; `hpmkd mirror` is named, and completes the copy."""
    monkeypatch.setattr("hpmkd.sweep.mirroring._CLOSE_SECONDS", 2.0)
    failing = every(1, "500", "PUT POST")
    s3.fault = lambda method, path: failing(method, path) if path.endswith(".pt") else None
    assert start(tmp_path / "out", cache_dir, "--baselines", "Direct", "--mirror", s3.uri()) == EXIT_UNMIRRORED
    said = capfd.readouterr().err
    assert "not copied there yet" in said
    assert f"hpmkd mirror {tmp_path / 'out'} '{s3.uri()}'" in said
    assert len(weights(tmp_path / "out")) == 2
    s3.fault = lambda method, path: None
    assert restore(tmp_path / "out") == 0
    assert {f"models/{name}" for name in weights(tmp_path / "out")} < set(s3.names())


@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        (["--mirror", "s3://key:secret@b/x"], 2, "contains a key or password"),
        (["--mirror", "nonsense://b/x"], 2, "not known"),
        (["--restore", "file:///nothing/here"], 2, "no sweep in file:///nothing/here"),
        (["--mirror", "/proc/1/nothing"], 3, "/proc/1/nothing: cannot"),
    ],
)
def test_refused(
    flags: list[str], code: int, said: str, tmp_path: Path, cache_dir: Path, capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("hpmkd.mirror.session._OPEN_SECONDS", 0.5)
    assert start(tmp_path / "out", cache_dir, "--baselines", "Direct", *flags) == code
    assert said in capfd.readouterr().err


@pytest.mark.slow
def test_a_programme(tmp_path: Path, cache_dir: Path, small_ray: None, capfd: pytest.CaptureFixture[str]) -> None:
    """Each of its modes in a folder of its own there, and the list of them."""
    for name in ("one", "two"):
        (tmp_path / f"{name}.yaml").write_text("datasets: [Digits]\nbaselines: [Direct]\n")
    (tmp_path / "both.yaml").write_text("programme: [one.yaml, two.yaml]\n")
    out, copy = tmp_path / "out", tmp_path / "copy"
    words = ["--mode", str(tmp_path / "both.yaml"), "--mirror", str(copy)]
    assert start(out, cache_dir, *words) == 0
    assert (copy / "programme.yaml").is_file()
    before = {name: weights(out / name) for name in ("one", "two")}
    shutil.rmtree(out)
    capfd.readouterr()
    assert start(out, cache_dir, *words) == 0
    assert "saved" not in capfd.readouterr().out
    assert {name: weights(out / name) for name in ("one", "two")} == before
    shutil.rmtree(out)
    assert restore(copy.as_uri(), "-o", str(out)) == 0  # type: ignore[arg-type]
    assert {name: weights(out / name) for name in ("one", "two")} == before


@pytest.mark.slow
def test_named_in_the_mode_and_other_settings(
    tmp_path: Path, cache_dir: Path, small_ray: None, capfd: pytest.CaptureFixture[str]
) -> None:
    """A mode's own file names the mirror, too; what other settings made there goes to the archive."""
    mode, out, copy = tmp_path / "mine.yaml", tmp_path / "out", tmp_path / "copy"
    mode.write_text(f"datasets: [Digits]\nbaselines: [Direct]\nrecord: {{mirror: {copy}}}\n")
    words = ["--mode", str(mode)]
    assert start(out, cache_dir, *words) == 0
    old = (copy / "models" / "teacher_Digits.pt").read_bytes()
    shutil.rmtree(out)
    capfd.readouterr()
    assert start(out, cache_dir, *words) == 0
    assert "fetched 2 finished files" in capfd.readouterr().out
    shutil.rmtree(out)
    changed = [*words, "--teacher-epochs", "3"]
    assert start(out, cache_dir, *changed) == 4
    assert "`fit.epochs` 2 -> 3" in capfd.readouterr().err
    shutil.rmtree(out)
    assert start(out, cache_dir, *changed, "--force") == 0
    assert (copy / "models" / "teacher_Digits.pt").read_bytes() != old
    assert old in [path.read_bytes() for path in (copy / "archive").glob("teacher*.pt")]
    newer = (copy / "models" / "teacher_Digits.pt").read_bytes()
    shutil.rmtree(out)
    assert start(out, cache_dir, *words, "--teacher-epochs", "1", "--force") == 0
    archived = [path.read_bytes() for path in (copy / "archive").glob("teacher*.pt")]
    assert {old, newer} <= set(archived), "what an empty machine archives takes no name that is taken there"


def test_the_mirror_of_another_programme(tmp_path: Path) -> None:
    """Its list stays; that of the same one, with more modes than before, is replaced."""

    def programme(folder: str, *names: str) -> Path:
        for name in names:
            commit_bytes(tmp_path / folder / name / "sweep.yaml", f"runs: {len(folder)}".encode())
        commit_bytes(tmp_path / folder / PROGRAMME, f"programme: [{', '.join(names)}]\n".encode())
        return tmp_path / folder / PROGRAMME

    copy = tmp_path / "copy"
    copy_list(str(copy), programme("first", "one", "two"))
    before = everything(copy)
    assert {"programme.yaml", "one/sweep.yaml", "two/sweep.yaml"} <= before.keys()
    with pytest.raises(ConfigMismatch, match="the mirror of another programme") as caught:
        copy_list(str(copy), programme("another", "one", "three"))
    assert "the modes one, two; here they are one, three" in str(caught.value)
    assert everything(copy) == before
    copy_list(str(copy), programme("first", "one", "two", "three"))
    assert (copy / "three" / "sweep.yaml").is_file()
    assert (copy / "one" / "sweep.yaml").read_text() == "runs: 5"
    copy_list(str(copy), programme("another", "three"), force=True)
    assert "one" not in (copy / PROGRAMME).read_text()


@pytest.mark.slow
def test_a_programme_whose_machine_is_lost_in_its_first_mode(
    tmp_path: Path, cache_dir: Path, launch: Launch, small_ray: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second mode was not begun; the mirror knows it all the same."""
    for name in ("one", "two"):
        (tmp_path / f"{name}.yaml").write_text("datasets: [Digits]\nbaselines: [Direct]\n")
    (tmp_path / "both.yaml").write_text("programme: [one.yaml, two.yaml]\n")
    copy, out = tmp_path / "copy", tmp_path / "out"
    process = launch("--mode", str(tmp_path / "both.yaml"), "--mirror", str(copy), "--teacher-epochs", "40")
    deadline = time.monotonic() + 200
    while not (copy / "one" / "sweep.yaml").exists() or not list(out.glob("one/tune/round*/*")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    shutil.move(out, tmp_path / "lost")
    monkeypatch.setattr("hpmkd.mirror.claim.SILENT_SECONDS", 5.0)
    assert restore(copy.as_uri(), "-o", str(out)) == 0  # type: ignore[arg-type]
    assert {name: len(weights(out / name)) for name in ("one", "two")} == {"one": 2, "two": 2}


@pytest.mark.parametrize("caught", [None, signal.SIGTERM])
def test_a_failure_and_a_signal_come_first(
    caught: signal.Signals | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Of exit codes; what is not copied is said all the same."""
    output, stop = OutputDir(tmp_path / "out"), StopSignals()
    commit_bytes(output.config_file, b"x")
    mirror = Mirror(output, str(tmp_path / "copy"))
    mirror.close(0.0)
    monkeypatch.setattr(mirror, "close", lambda seconds: ["sweep.yaml"])
    stop.caught = caught
    assert closed(mirror, output, stop, 1) == 1
    assert closed(mirror, output, stop, 0) == (EXIT_UNMIRRORED if caught is None else 0)
    assert caplog.text.count("1 file not copied there yet (sweep.yaml)") == 2
