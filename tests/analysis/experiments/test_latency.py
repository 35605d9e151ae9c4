"""The section on efficiency: what is planted is said, what is not trusted too, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.benches import latencies
from support.frames import compose_report, make_frame

from hpmkd.analysis.experiments import latency
from hpmkd.analysis.plots.style import render
from hpmkd.analysis.report.write import html, markdown
from hpmkd.analysis.section import Section
from hpmkd.audit.sweep_dir import Saved
from hpmkd.store import latency_file
from hpmkd.store.latency_file import Latencies
from hpmkd.store.output_dir import OutputDir

FRAME = make_frame({"Direct": [70.0, 71.0]})
LEVEL = {"big": 8.0, "middle": 4.0, "small": 1.0}


def milliseconds(network: str, runtime: str, batch: int) -> float:
    """Onnx twice as fast; a batch of eight as slow as three calls."""
    return 1e-3 * LEVEL[network] * (0.5 if runtime == "onnx" else 1.0) * (3 if batch == 8 else 1)


def section_of(found: Latencies, root: Path) -> Section:
    latency_file.write(found, root / "latency.json")
    section = latency.section(FRAME, [], Saved(OutputDir(root), None, ()))
    assert section is not None
    return section


def test_planted_speeds_are_said(tmp_path: Path) -> None:
    section = section_of(latencies(milliseconds), tmp_path)
    first, second, runtimes, batches, control, roles = section.sentences
    assert re.match(
        r"middle against big \(4.0 times fewer multiply-adds and 9.0 times fewer parameters\): (1.99|2.0\d) times as "
        r"fast, 95 % (1.9\d|2.0\d) to 2.0\d \(eager, cpu, 1 thread, batch size 1\)\.",
        first,
    )
    assert "small against big (16.0 times fewer" in second
    assert runtimes == "The fastest runtime (cpu, 1 thread, batch size 1): onnx for big, middle and small."
    assert re.search(r"small 26\d\d at 8 \((99\d|100\d) at 1\)", batches)
    assert "equal within 5% in all 4 cases" in control
    assert roles == "Training seconds by role: student 67 %, teacher 33 %."
    assert section.errors == ()
    assert [one.name for one in section.tables] == ["latency", "latency-networks", "latency-roles"]
    assert [one.name for one in section.drawings] == ["latency", "throughput", "latency-compression"]
    table = section.tables[0].frame.set_index(["network", "runtime", "batch"])
    assert table.loc[("small", "onnx", 8), "p50"] == pytest.approx(1.5, rel=0.02)
    assert table.loc[("small", "onnx", 8), "peak_mib"] == 8
    assert table.loc[("big", "onnx", 1), "speedup"] == 1


def test_equal_networks_are_not_said_to_differ(tmp_path: Path) -> None:
    section = section_of(latencies(lambda network, runtime, batch: 1e-3), tmp_path)
    assert "no difference beyond 5% is shown" in section.sentences[0]
    assert any("That one runtime is faster than the others is not shown" in text for text in section.sentences)


def test_an_untrusted_measurement_says_so_everywhere(tmp_path: Path) -> None:
    section = section_of(latencies(milliseconds, planted=1.2), tmp_path)
    (error,) = section.errors
    assert error.startswith("Not to be trusted: in 4 of 4 cases")
    assert "ratio 1.2" in error
    assert all("not to be trusted" in text for text in section.sentences[:2])
    assert not any("Control:" in text for text in section.sentences)
    assert any("not shown for any network" in text for text in section.sentences)
    assert set(section.folded[0].frame["finding"]) == {"not trusted"}
    assert set(section.tables[0].frame["mark"]) == {"?"}
    assert section.tables[0].columns["mark"][0] == "?"
    trusted = section_of(latencies(milliseconds), tmp_path)
    assert set(trusted.tables[0].frame["mark"]) == {""}


def test_a_stopped_measurement_says_so(tmp_path: Path) -> None:
    assert (
        section_of(latencies(milliseconds, complete=False), tmp_path)
        .sentences[0]
        .startswith("The measurement was stopped")
    )


def test_one_network_and_one_batch_size(tmp_path: Path) -> None:
    section = section_of(latencies(lambda *_: 0.001, names=("only",), runtimes=("eager",)), tmp_path)
    assert [one.name for one in section.drawings] == ["latency", "throughput"]


def test_it_stands_in_the_report(tmp_path: Path) -> None:
    latency_file.write(latencies(milliseconds, names=("big", "middle", "small")), tmp_path / "latency.json")
    report = compose_report(FRAME, tmp_path)
    assert '<section id="efficiency">' in html(report)
    assert "## Efficiency at inference" in markdown(report)
    figures = {one.name: one.figure for one in report.all_drawings}
    assert render(figures["latency"], "svg") == render(figures["latency"], "svg")


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": 99}', '{"format": 1, "settings": 3}'])
def test_a_damaged_file_is_told_of(text: str, tmp_path: Path) -> None:
    (tmp_path / "latency.json").write_text(text)
    section = latency.section(FRAME, [], Saved(OutputDir(tmp_path), None, ()))
    assert section is not None
    assert "cannot be read" in section.errors[0]


def test_without_a_file_there_is_no_section(tmp_path: Path) -> None:
    assert latency.section(FRAME, [], Saved(OutputDir(tmp_path), None, ())) is None
