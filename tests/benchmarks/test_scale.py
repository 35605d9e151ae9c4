"""The benchmark of scale: each part does its work, and grows as it says."""

from __future__ import annotations

import json
from pathlib import Path

import plan_cost
import pytest
import scale
import scale_driver
import scale_files


@pytest.mark.slow
def test_each_part_says_how_it_grows(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--models", "1", "2000", "--parts", "plan", "wait", "state"]
    assert scale.main(words) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["count"] for line in lines[2:]] == [2, 2001, 1, 2000]
    for first, second in zip(lines[::2], lines[1::2], strict=True):
        assert "growth" not in first
        each = [one["seconds"] / one["count"] for one in (first, second)]
        assert second["growth"] == pytest.approx(each[1] / each[0], rel=0.02)
    assert lines[3]["ms_per_ask"] < 1, "thousands that wait are not asked"
    assert lines[5]["megabytes_written"] == pytest.approx(2000 * 0.011, rel=0.1)


@pytest.mark.slow
def test_files_are_checked_copied_and_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert scale.main(["--models", "1", "--parts", "start", "mirror", "s3"]) == 0
    start, mirror, s3 = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert start["seconds"] == pytest.approx(start["check_seconds"] + start["table_seconds"], rel=0.05)
    assert mirror["count"] == start["count"]
    assert mirror["copied"] == 6 * mirror["count"], "model, records, curve, answers, two sidecars; nothing of Tune's"
    assert (s3["list_requests"], s3["requests_per_file"]) == (1, 3)


@pytest.mark.parametrize("places", [1, 7, 10_000])
def test_the_driver_gives_every_job_whatever_runs_beside_it(places: int, tmp_path: Path) -> None:
    jobs = plan_cost.plan(scale_files.make_config(1))
    assert len({job.key for job in jobs}) == len(jobs)
    result = scale_driver.drive(jobs, places, tmp_path)
    assert result["ms_per_trial"] == pytest.approx(1000 * result["seconds"] / len(jobs))
    assert len(list((tmp_path / "progress").iterdir())) == len(jobs)
