"""What `hpmkd status` prints."""

from __future__ import annotations

import datetime
import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.frames import CHOOSE, epoch, make_output, put_model, teacher_only

from hpmkd.audit.forecast import seconds_left
from hpmkd.audit.status import read_status
from hpmkd.cli.main import main
from hpmkd.store.lock import locked
from hpmkd.store.progress_log import Recorder


def test_table_lines_and_exit_code(tmp_path: Path, cache_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output, _, _ = make_output(tmp_path, cache_dir, teacher_only, **CHOOSE)
    assert main(["status", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert "1 of 8 models done" in text
    assert "waiting: 2 models for assistant_Digits_TAKD" in text
    assert f"hpmkd run --restore {tmp_path}" in text.splitlines()[-1]
    assert "\x1b" not in text
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in text.splitlines() if line.startswith("│")]
    assert ["TAKD", "0/2", "", "2", "", "", ""] in rows
    assert ["AT", "0/2", "", "", "2", "", ""] in rows
    Recorder(output).failed("student_Digits_AT_run2", "boom")
    assert main(["status", str(tmp_path)]) == 1
    assert "failed: student_Digits_AT_run2, boom" in capsys.readouterr().out


def test_json_is_all_of_it(tmp_path: Path, cache_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_output(tmp_path, cache_dir, teacher_only, **CHOOSE)
    assert main(["status", str(tmp_path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["counts"] == {"done": 1, "ready": 5, "waiting": 2}
    assert len(found["models"]) == 8


def test_watch_follows_until_the_sweep_ends(
    tmp_path: Path, cache_dir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    output, _, jobs = make_output(tmp_path, cache_dir, teacher_only, baselines=["Direct"])
    lock = locked(output)
    lock.__enter__()
    steps = iter(
        [
            lambda: None,
            lambda: Recorder(output).record(epoch(1, 2, job="student_Digits_Direct_run1")),
            lambda: put_model(output, jobs["student_Digits_Direct_run1"], 80.0, {}),
            lambda: lock.__exit__(None, None, None),
        ]
    )
    monkeypatch.setattr(time, "sleep", lambda seconds: next(steps)())
    assert main(["status", str(tmp_path), "--watch", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["counts"].get("done", 0) for line in lines] == [1, 1, 2, 2]
    assert [line["sweep"] for line in lines] == ["running", "running", "running", "stopped"]
    assert lines[1]["counts"]["running"] == 1


def test_every_must_be_more_than_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", str(tmp_path), "--every", "0"]) == 2
    assert "--every: expected more than 0 seconds" in capsys.readouterr().err


def test_it_starts_without_what_is_slow(tmp_path: Path, cache_dir: Path) -> None:
    make_output(tmp_path, cache_dir, teacher_only, **CHOOSE)
    code = "import sys; from hpmkd.cli.main import main; main(['status', sys.argv[1]]); "
    code += "print([name for name in ('torch', 'ray', 'pandas', 'numpy', 'sklearn') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_table_at_any_width(
    width: int, tmp_path: Path, cache_dir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    names = ["HPM-KD-noMetaTemp", "HPM-KD-noChain", "HPM-KD-noAdaptive", "TraditionalKD-adaptive"]
    make_output(tmp_path, cache_dir, teacher_only, baselines=names, runs=2)
    assert main(["status", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    table = [line for line in text.splitlines() if len(line) <= width]
    words = re.split(r"[\s┃]+", "\n".join(table))
    assert all(word in words for word in ("model", "done", "running", "waiting", "to", "do", "failed", "stale"))
    joined = re.sub(r"[\s│]|\d/\d|\d", "", "".join(table))
    assert all(name in joined for name in names)
    assert "…" not in text


def test_a_running_sweep_says_how_long_it_takes(
    tmp_path: Path, cache_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A teacher took 10 s; of the first student four of ten epochs took 8 s, so 12 s are left, and others follow."""
    output, _, _ = make_output(tmp_path, cache_dir, teacher_only, **CHOOSE, fit__student_epochs=10)
    recorder = Recorder(output)
    assert seconds_left(read_status(tmp_path)) is None, "no sweep runs"
    with locked(output):
        recorder.started("student_Digits_Direct_run1")
        for number in range(1, 5):
            recorder.record(epoch(number, 10, job="student_Digits_Direct_run1"))
        log = output.progress / "student_Digits_Direct_run1.jsonl"
        now = datetime.datetime.now(datetime.UTC)
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        for line in lines:
            ago = 8 if line["event"] == "started" else 0
            line["time"] = (now - datetime.timedelta(seconds=ago)).isoformat(timespec="seconds")
        log.write_text("".join(json.dumps(line) + "\n" for line in lines))
        left = seconds_left(read_status(tmp_path))
        assert left is not None
        # 12 s for this one, 20 s for its sister; four more students and an assistant, by their work.
        assert 12 + 20 < left < 12 + 20 + 6 * 80
        assert main(["status", str(tmp_path)]) == 0
        assert re.search(r"1 of 8 models done, about 0:0\d:\d\d left; a sweep is running", capsys.readouterr().out)
