"""The dry run: the grid with its axes, and the time."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.builders import make_config, make_jobs

from hpmkd.audit.estimate import Estimate
from hpmkd.cli.main import main, run_command
from hpmkd.data.cache import describe, prepare
from hpmkd.plan.catalog import baselines_of
from hpmkd.sweep.dry_run import grid_lines, hours, network_lines, time_line

GRID = """\
datasets: [Digits, Digits@n100]
baselines: [Direct, HPM-KD-chain2]
vary: {baselines: [TraditionalKD], kd.temperature: [8, 2], kd.alpha: [0.5, 0.9]}
pairs: {a: {}, b: {student: {arch: lenet5, channels: [2, 3, 10]}}}
runs: 3
"""


def test_a_whole_grid(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text(GRID)
    words = ["--mode", "mine.yaml", "-n", "-o", "out", "--data.cache_dir", "cache", "--resources.device", "cpu"]
    assert run_command(words, "run_sweep.py") == 0
    lines = capsys.readouterr().out.splitlines()
    start = lines.index("the grid:")
    assert [" ".join(line.split()) for line in lines[start + 1 : start + 8]] == [
        "data sets 1 Digits",
        "conditions 2 none, n100",
        "pairs 2 a, b",
        "baselines 6 Direct, HPM-KD-chain2, TraditionalKD-T8-a0.5, TraditionalKD-T8, TraditionalKD-T2-a0.5, "
        "TraditionalKD-T2",
        "runs 3 1 to 3",
        "kd.alpha 2 0.5, 0.9",
        "kd.temperature 3 2, 4, 8",
    ]
    assert lines[start + 8] == ("  makes 72 students, 10 logits caches, 4 searches, 8 assistants, 2 teachers")
    assert lines[start + 9].startswith("about ")
    assert "models at a time (from multiply-adds" in lines[start + 9] or "model at a time" in lines[start + 9]
    assert lines[-2] == f"96 models in {tmp_path}/out: 0 done, 96 to train"
    assert lines[-1].startswith("dry run: nothing was trained")
    assert len([line for line in lines[:start] if ".pt" in line]) == 72 + 8 + 2
    assert not (tmp_path / "out").exists()


def test_students_that_end_in_their_teachers_classifier_are_counted_with_the_projector() -> None:
    lines = network_lines(list(make_jobs(make_config(baselines=["Direct", "SimKD"], runs=2)).values()))
    assert lines[-1] == (
        "    student of SimKD: lenet5 10-20-100, 256,890 parameters, 1.68 times fewer parameters and 3.21 times fewer "
        "multiply-adds than the teacher"
    )
    assert "SimKD" not in "".join(network_lines(list(make_jobs(make_config(baselines=["Direct"])).values())))


def test_a_tuning_says_how_many_settings_it_tries(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--baselines", "Direct-tuned", "--tune.trials", "7", "--data.cache_dir", str(tmp_path / "cache")]
    assert run_command(["-n", "-o", str(tmp_path / "out"), *words], "run_sweep.py") == 0
    (line,) = (one for one in capsys.readouterr().out.splitlines() if one.startswith("search_Digits_Direct-tuned.json"))
    assert line.split(None, 1)[1] == "missing; tries 7 settings"


def test_networks_and_both_real_ratios() -> None:
    plain = [" ".join(line.split()) for line in network_lines(list(make_jobs(make_config(baselines=["AT"])).values()))]
    assert plain == [
        "the networks:",
        "Digits:",
        "teacher lenet5 20-50-500, 431,080 parameters",
        "student lenet5 10-20-100, 38,390 parameters: 11.2 times fewer parameters and 4.61 times fewer multiply-adds "
        "than the teacher",
    ]
    more = {"datasets": ["Digits", "Digits@n100"], "baselines": ["Direct"], "data__train_images": None}
    lines = network_lines(list(make_jobs(make_config(ratios=[2, 20], **more)).values()))
    assert [line.strip() for line in lines[1::3]] == ["Digits+r2, Digits@n100+r2:", "Digits+r20, Digits@n100+r20:"]
    assert lines[3].endswith("2 times fewer parameters and 1.04 times more multiply-adds than the teacher"), "by width"
    assert network_lines([]) == []


def test_a_long_list_of_values_is_cut_and_whole_numbers_are_a_range() -> None:
    config = make_config(
        baselines=[], vary={"baselines": ["AT"], "at.beta": [float(one) for one in range(1, 90)]}, runs=9
    )
    lines = grid_lines(list(make_jobs(config).values()), baselines_of(config))
    assert all(len(line) < 150 for line in lines)
    (said,) = [line for line in lines if line.strip().startswith("baselines")]
    shown, _, rest = said.rpartition(" and ")
    assert rest == f"{89 - shown.count('AT-beta')} more"
    assert [line.split()[-3:] for line in lines if "runs" in line] == [["1", "to", "9"]]


def test_values_are_written_as_in_yaml_and_a_single_one_is_no_axis() -> None:
    grid = {"baselines": ["HPM-KD"], "hpmkd.chain": [True, False], "hpmkd.teachers": [2]}
    config = make_config(baselines=[], vary=grid)
    lines = [" ".join(line.split()) for line in grid_lines(list(make_jobs(config).values()), baselines_of(config))]
    assert "hpmkd.chain 2 false, true" in lines
    assert not [line for line in lines if line.startswith("hpmkd.teachers")]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.1, "1 s"), (89.0, "89 s"), (300.0, "5 min"), (3600 * 2.26, "2.3 h"), (3600 * 1234.0, "1,234 h")],
)
def test_times_for_people(seconds: float, text: str) -> None:
    assert hours(seconds) == text


def test_the_line_about_time() -> None:
    line = time_line(Estimate(7200.0, 2, 3, "from 5 measured models"))
    assert line == ("about 2.0 h on this machine, 2 models at a time (from 5 measured models; the shared memory has 3)")
    short = time_line(Estimate(24.0, 2, 0, "from 5 measured models", ray=11.5))
    assert short.startswith("about 24 s on this machine, of which about 12 s are Ray's start and end, 2 models at a")
    assert "Ray" not in time_line(Estimate(7200.0, 2, 0, "from 5 measured models", ray=11.5))
    assert time_line(Estimate(float("nan"), 1, 0, "nothing was measured on this GPU yet")) == (
        "how long it takes is not known: nothing was measured on this GPU yet"
    )


def test_what_follows_the_trainings_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["--mode", "quick", "-n", "-o", "out", "--data.cache_dir", "cache", "--baselines", "Direct", "--runs", "2"]
    assert run_command(words, "run_sweep.py") == 0
    assert "images is compared" not in capsys.readouterr().out
    assert run_command([*words, "--record.representations", "true"], "run_sweep.py") == 0
    assert "then what 3 networks make of images is compared, some seconds each" in capsys.readouterr().out


def test_conditions_of_images_that_nobody_has_decoded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What cannot be known is said; once the images are there, what they come to is."""
    words = ["run", "-n", "-o", str(tmp_path / "out"), "--datasets", "Digits", "--baselines", "Direct", "--runs", "1"]
    words += ["--data.imbalance", "[null, exp10]", "--data.cache_dir", str(tmp_path / "cache")]
    assert main(words) == 0
    said = capsys.readouterr()
    assert "not looked at: the images of Digits@exp10 were never decoded" in said.out
    config = make_config(tmp_path / "cache", datasets=["Digits@exp10"])
    prepare(describe(config)[0], config.data)
    capsys.readouterr()
    assert main(words) == 0
    said = capsys.readouterr()
    assert "not looked at" not in said.out
    assert "Digits@exp10: " in said.err
