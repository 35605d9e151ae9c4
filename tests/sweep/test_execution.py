"""What is said when a sweep is stopped."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from hpmkd.sweep.execution import exit_message


@pytest.mark.parametrize(
    ("mirror", "elsewhere"),
    [
        (None, ""),
        ("s3://bucket/full", "; on another machine: hpmkd run --restore s3://bucket/full"),
        ("s3://bucket/full?region=x&a=b", "; on another machine: hpmkd run --restore 's3://bucket/full?region=x&a=b'"),
        ("/mnt/my backup", "; on another machine: hpmkd run --restore file:///mnt/my%20backup"),
    ],
)
def test_how_to_go_on(mirror: str | None, elsewhere: str, tmp_path: Path) -> None:
    plan = tmp_path / "sweep.yaml"
    before = exit_message("hpmkd run", tmp_path, plan, signal.SIGINT, mirror=mirror)
    assert before == "stopped by SIGINT; run the same command to start again"
    plan.touch()
    said = exit_message("hpmkd run", tmp_path, plan, signal.SIGTERM, mirror=mirror)
    assert said == f"stopped by SIGTERM; continue with: hpmkd run --restore {tmp_path}{elsewhere}"
