"""What a report says of settings that were chosen on validation images."""

from __future__ import annotations

from pathlib import Path

from support.frames import make_output

from hpmkd.analysis.report.tunings import tuned
from hpmkd.audit.sweep_dir import open_saved


def said(root: Path, cache_dir: Path, *baselines: str, **more: object) -> dict[str, str]:
    make_output(root, cache_dir, lambda job: 90.0, baselines=list(baselines), **more)
    return dict(tuned(open_saved(root)))


def test_a_search_is_named_with_all_that_it_is_for(tmp_path: Path, cache_dir: Path) -> None:
    lines = said(
        tmp_path, cache_dir, "Direct", "TraditionalKD", "TraditionalKD-adaptive", "HPM-KD", "HPM-KD-noAdaptive"
    )
    assert lines == {
        "search on Digits, for TraditionalKD-adaptive, HPM-KD": "4 settings on validation images (successive halving "
        "of TraditionalKD, likelihood): kd.temperature 2",
        "settings not tuned": "Direct, TraditionalKD, HPM-KD-noAdaptive: as the config says",
    }


def test_each_run_may_have_one_of_its_own(tmp_path: Path, cache_dir: Path) -> None:
    lines = said(tmp_path, cache_dir, "HPM-KD", runs=2, teacher__per_run=True)
    assert list(lines) == ["search on Digits, run 1, for HPM-KD", "search on Digits, run 2, for HPM-KD"]


def test_where_nothing_is_chosen_that_is_said(tmp_path: Path, cache_dir: Path) -> None:
    assert said(tmp_path, cache_dir, "Direct", "TraditionalKD") == {
        "settings not tuned": "those of all baselines: as the config says"
    }
