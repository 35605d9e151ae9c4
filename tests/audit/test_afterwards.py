"""What a sweep still has to do when everything is trained, on outputs made by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support import benches, representations
from support.frames import CHOOSE, make_output

from hpmkd.audit import timed_workers
from hpmkd.audit.findings import headers
from hpmkd.audit.status import read_status
from hpmkd.cli.main import main
from hpmkd.store import latency_file, memorised_file, speedup_file
from hpmkd.store.memorised_file import Memorised
from hpmkd.store.output_dir import OutputDir

Put = Callable[[OutputDir], None]


def said(root: Path) -> list[str]:
    return [str(step) for step in read_status(root).after]


def ask(output: OutputDir, only: str = "") -> None:
    for key, header in headers(output).items():
        if only in key:
            memorised_file.write(output.memorised_file(key), Memorised(5, 1, 2), key, str(header.weights))


def time_latencies(output: OutputDir, weights: str | None = None, complete: bool = True) -> None:
    made = benches.latencies(lambda *_: 0.01)
    own = weights or str(next(iter(headers(output).values())).weights)
    subjects = tuple(replace(one, weights_sha256=own) for one in made.subjects)
    latency_file.write(replace(made, subjects=subjects, complete=complete), output.latency_file)


def time_sweep(output: OutputDir, repeats: int = 3) -> None:
    made = benches.speedups(lambda workers, repeat: 1.0, workers=(1, 2))
    weights = {key: str(one.weights) for key, one in headers(output).items()}
    runs = tuple(one for one in made.runs if one.repeat <= repeats)
    speedup_file.write(replace(made, weights=weights, runs=runs), output.speedup_file)


def test_a_sweep_that_ends_with_its_training_has_nothing_after_it(tmp_path: Path, cache_dir: Path) -> None:
    make_output(tmp_path, cache_dir, lambda job: 90.0, **CHOOSE)
    assert (said(tmp_path), read_status(tmp_path).command) == ([], None)


@pytest.mark.parametrize(
    ("asked", "half", "whole", "words", "told"),
    [
        (
            {"data__label_noise": [None, "sym0.4"]}, lambda out: ask(out, "sym0.4_Direct"), ask,
            "networks asked about wrong labels", ("0 of 8", "2 of 8", "8 of 8"),
        ),
        (
            {"record__representations": True}, None, lambda out: representations.put_all(out, lambda *_: 0.5),
            "networks compared in what they make of images", ("0 of 8", "0 of 8", "8 of 8"),
        ),
        (
            {"bench__latency": True}, lambda out: time_latencies(out, complete=False), time_latencies,
            "measurement of latencies", ("0 of 1", "0 of 1", "1 of 1"),
        ),
        (
            {"bench__workers": [1, 2], "bench__repeats": 3}, lambda out: time_sweep(out, 1), time_sweep,
            "timed runs of the whole sweep", ("0 of 6", "2 of 6", "6 of 6"),
        ),
    ],
    ids=["wrong labels", "representations", "latencies", "timed runs"],
)  # fmt: skip
def test_each_step_is_counted_until_it_is_done(
    asked: dict[str, Any], half: Put | None, whole: Put, words: str, told: tuple[str, str, str], tmp_path: Path,
    cache_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(timed_workers, "cores", lambda: 2)
    output, _, _ = make_output(tmp_path / "one", cache_dir, lambda job: 90.0, **CHOOSE, **asked)
    for put, count in zip((None, half, whole), told, strict=True):
        if put is not None:
            put(output)
        assert said(output.root) == [f"{count} {words}"]
        is_open = count == told[0] or put is half
        assert read_status(output.root).command == (f"hpmkd run --restore {output.root}" if is_open else None)
        assert main(["status", str(output.root)]) == 0
        text = capsys.readouterr().out
        assert f"after the training: {count} {words}\n" in text
        assert ("continue with: " in text) == is_open
        assert main(["status", str(tmp_path)]) == 0
        assert f"│ {'stopped' if is_open else 'done'} " in capsys.readouterr().out


def test_what_was_measured_of_other_weights_is_to_be_done(tmp_path: Path, cache_dir: Path) -> None:
    asked = {"bench__latency": True, "bench__workers": [1], "bench__repeats": 3, "data__label_noise": ["sym0.4"]}
    output, _, jobs = make_output(tmp_path, cache_dir, lambda job: 90.0, **CHOOSE, **asked)
    ask(output)
    time_latencies(output, weights="of another")
    made = benches.speedups(lambda workers, repeat: 1.0, workers=(1,))
    speedup_file.write(replace(made, weights=dict.fromkeys(jobs, "of another")), output.speedup_file)
    memorised_file.write(
        output.memorised_file("teacher_Digits@sym0.4"), Memorised(5, 1, 2), "teacher_Digits@sym0.4", "of another"
    )
    assert [text.split(" of ")[0] for text in said(tmp_path)] == ["7", "0", "0"]


def test_a_network_that_is_missing_is_counted_among_those_to_ask(tmp_path: Path, cache_dir: Path) -> None:
    asked: dict[str, Any] = {"data__label_noise": ["sym0.4"], "record__representations": True}
    output, _, _ = make_output(
        tmp_path, cache_dir, lambda job: None if job.baseline == "TAKD" else 90.0, **CHOOSE, **asked
    )
    ask(output)
    representations.put_all(output, lambda *_: 0.5)
    assert [text.split()[:3] for text in said(tmp_path)] == [["5", "of", "8"]] * 2


@pytest.mark.parametrize("name", ["latency_file", "speedup_file"])
@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": 99}', '{"format": 1}', '{"format": 1, "runs": 3}'])
def test_a_damaged_measurement_is_told_and_breaks_nothing(
    name: str, content: str, tmp_path: Path, cache_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: dict[str, Any] = {"bench__latency": True, "bench__workers": [1]}
    output, _, _ = make_output(tmp_path, cache_dir, lambda job: 90.0, **CHOOSE, **asked)
    path: Path = getattr(output, name)
    path.write_text(content)
    assert main(["status", str(tmp_path)]) == 0
    (line,) = (one for one in capsys.readouterr().out.splitlines() if "cannot be read" in one)
    assert line.startswith("after the training: 0 of ")
    assert str(path) in line
    assert line.endswith(": move it away and measure again")
    assert main(["status", str(tmp_path), "--json"]) == 0
    after = json.loads(capsys.readouterr().out)["after"]
    assert [bool(one["problem"]) for one in after] == [name == "latency_file", name == "speedup_file"]
