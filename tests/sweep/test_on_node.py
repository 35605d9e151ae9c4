"""A worker trains only where the output is, with the software of the sweep."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.builders import make_config

from hpmkd.errors import EnvironmentProblem
from hpmkd.store.output_dir import OutputDir
from hpmkd.sweep import on_node
from hpmkd.sweep.on_node import NOTHING, Needs, needs_of, ready_node


@pytest.fixture(autouse=True)
def waited(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    seconds: list[float] = []
    monkeypatch.setattr(on_node.time, "sleep", seconds.append)
    return seconds


@pytest.fixture
def output(tmp_path: Path) -> OutputDir:
    (tmp_path / "sweep.yaml").write_text("runs: 1\n")
    return OutputDir(tmp_path)


def test_as_it_is_here(output: OutputDir, waited: list[float]) -> None:
    software = needs_of(make_config(resources__address="10.0.0.1:6379"), None).software
    assert software is not None
    assert set(software) == {"hpmkd", "python", "torch", "numpy"}
    assert all(software.values())
    with ready_node(output, Needs(software)) as branch:
        assert branch is None
    assert waited == []


def test_a_private_ray_is_not_asked(tmp_path: Path, waited: list[float]) -> None:
    assert needs_of(make_config(), None) == NOTHING
    with ready_node(OutputDir(tmp_path / "none"), NOTHING) as branch:
        assert branch is None
    assert waited == []


@pytest.mark.parametrize("name", ["hpmkd", "python", "torch", "numpy"])
def test_other_software(name: str, output: OutputDir, waited: list[float]) -> None:
    """After a while, in which the driver takes the node out: else it would be given one trial after the other."""
    software = needs_of(make_config(resources__address="10.0.0.1:6379"), None).software
    assert software is not None
    with (
        pytest.raises(EnvironmentProblem, match=f"another {name}"),
        ready_node(output, Needs({**software, name: "0.0.1"})),
    ):
        pytest.fail("it would train")
    assert waited == [10.0]


def test_no_output(tmp_path: Path, waited: list[float]) -> None:
    software = needs_of(make_config(resources__address="10.0.0.1:6379"), None).software
    with (
        pytest.raises(EnvironmentProblem, match="does not share"),
        ready_node(OutputDir(tmp_path), Needs(software)),
    ):
        pytest.fail("it would train")
    assert waited == [10.0]
