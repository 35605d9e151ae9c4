"""The section on speed-up: planted serial parts are found, and the words follow the numbers."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from support.benches import speedups
from support.frames import compose_report, make_frame

from hpmkd.analysis.experiments import speedup
from hpmkd.analysis.report.write import html
from hpmkd.analysis.section import Section
from hpmkd.audit.sweep_dir import Saved
from hpmkd.bench.speedup_table import mean, rows
from hpmkd.store import speedup_file
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.speedup_file import Speedups

FRAME = make_frame({"Direct": [70.0, 71.0]})


def amdahl(workers: int, repeat: int) -> float:
    """100 s, a fifth of it serial, a little different in each repeat."""
    return 100 * (0.2 + 0.8 / workers) * (1 + 0.01 * repeat)


def section_of(found: Speedups, root: Path) -> Section:
    speedup_file.write(found, root / "speedup.json")
    section = speedup.section(FRAME, [], Saved(OutputDir(root), None, ()))
    assert section is not None
    return section


def test_a_planted_serial_part_is_found(tmp_path: Path) -> None:
    section = section_of(speedups(amdahl), tmp_path)
    table = section.tables[0].frame.set_index("workers")
    assert table["serial"].to_dict() == pytest.approx({1: math.nan, 2: 0.2, 4: 0.2}, nan_ok=True)
    assert table["speedup"].to_dict() == pytest.approx({1: 1.0, 2: 1 / 0.6, 4: 2.5})
    assert table["efficiency"].to_dict() == pytest.approx({1: 1.0, 2: 1 / 1.2, 4: 0.625})
    # T1 is 102 s on average, the longest way takes 20 s.
    assert table["least"].to_dict() == pytest.approx({1: 102.0, 2: 51.0, 4: 25.5})
    assert table["most"].to_dict() == pytest.approx({1: 1.0, 2: 2.0, 4: 4.0})
    assert section.sentences[0].startswith(
        "With 2 workers the sweep is 1.67 times as fast (95 % 1.67 to 1.67, 3 repeats"
    )
    assert "serial fraction 0.200" in section.sentences[1]
    assert "no number of workers makes it more than 5.1 times as fast" in section.sentences[2]
    assert "weights of all 7 networks were equal in all 9 runs" in section.sentences[3]
    assert [one.name for one in section.drawings] == ["speedup"]


def test_the_bound_of_a_long_way(tmp_path: Path) -> None:
    table = section_of(speedups(amdahl, path=60.0), tmp_path).tables[0].frame.set_index("workers")
    assert table.loc[4, "least"] == 60
    assert table.loc[4, "most"] == pytest.approx(1.7)


def test_noise_shows_nothing(tmp_path: Path) -> None:
    noise = {(1, 1): 100.0, (1, 2): 70.0, (1, 3): 110.0}
    section = section_of(speedups(lambda workers, repeat: noise.get((workers, repeat), 90.0)), tmp_path)
    assert section.sentences[0].endswith("; that it is faster or slower is not shown.")


def test_unfinished_and_left_out(tmp_path: Path) -> None:
    whole = speedups(amdahl)
    found = replace(whole, runs=whole.runs[:2], left_out=("8 workers: there are 4 cores, 1 for each",))
    section = section_of(found, tmp_path)
    assert "one repeat shows nothing" in section.sentences[0]
    assert any(text.startswith("7 runs not done yet") for text in section.sentences)
    assert any("8 workers: there are 4 cores" in text for text in section.sentences)
    only = section_of(replace(whole, workers=(1,), runs=whole.runs[:1]), tmp_path)
    assert any("nothing to compare" in text for text in only.sentences)
    assert only.drawings == ()


def test_repeats_are_paired() -> None:
    """A machine that is twice as slow in the second repeat changes no speed-up."""
    found = speedups(lambda workers, repeat: 100 * (2.0 if repeat == 2 else 1.0) / workers)
    assert [value for row in rows(found) for value in row.speedup] == pytest.approx([1, 1, 1, 2, 2, 2, 4, 4, 4])


def test_intervals_by_hand() -> None:
    # t(0.975, 2) = 4.302653, sd 1: 2 +- 4.302653 / sqrt 3.
    assert mean([1.0, 2.0, 3.0]) == pytest.approx((2.0, 2 - 2.484138, 2 + 2.484138), abs=1e-5)


def test_it_stands_in_the_report_and_a_damaged_file_is_told_of(tmp_path: Path) -> None:
    speedup_file.write(speedups(amdahl), tmp_path / "speedup.json")
    assert '<section id="speedup">' in html(compose_report(FRAME, tmp_path))
    (tmp_path / "speedup.json").write_text('{"format": 1}')
    section = speedup.section(FRAME, [], Saved(OutputDir(tmp_path), None, ()))
    assert section is not None
    assert "cannot be read" in section.errors[0]
    assert speedup.section(FRAME, [], Saved(OutputDir(tmp_path / "x"), None, ())) is None
