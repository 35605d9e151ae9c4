"""Which baselines of a sweep are a grid, whoever wrote them down."""

from __future__ import annotations

from typing import Any

import pytest
from support.builders import make_config

from hpmkd.audit.chosen import KEYS
from hpmkd.audit.grids import Grid, grids_of, name_without, root_of
from hpmkd.plan.catalog import baseline_of


def grids(**config: Any) -> list[Grid]:
    return grids_of(make_config(**config), KEYS)


def test_a_grid_of_vary_with_the_cell_that_the_config_says() -> None:
    vary = {"baselines": ["TraditionalKD"], "kd.temperature": [2, 4], "kd.alpha": [0.5, 0.9]}
    (grid,) = grids(baselines=["Direct"], vary=[vary])
    assert (grid.name, grid.keys, grid.usual) == ("TraditionalKD", ("kd.temperature", "kd.alpha"), (4.0, 0.9))
    assert grid.cells[grid.usual] == "TraditionalKD"
    assert grid.cells[(2.0, 0.5)] == "TraditionalKD-T2-a0.5"
    assert grid.text("TraditionalKD-T2-a0.5") == "T = 2, alpha = 0.5"
    assert grid.values("kd.temperature") == [2.0, 4.0]


def test_names_written_by_hand_are_one_too_and_switches_keep_grids_apart() -> None:
    names = ["AT", "AT-beta1000", "HPM-KD-noAdaptive-T2", "HPM-KD-noAdaptive", "HPM-KD-noChain-noAdaptive-T2"]
    found = {grid.name: grid for grid in grids(baselines=[*names, "TAKD-adaptive", "TAKD"])}
    assert list(found) == ["AT", "HPM-KD-noAdaptive"]
    assert found["AT"].keys == ("at.beta",)
    assert found["AT"].usual == (100.0,)
    assert found["HPM-KD-noAdaptive"].cells == {(2.0,): "HPM-KD-noAdaptive-T2", (4.0,): "HPM-KD-noAdaptive"}


def test_modes_are_axes_and_what_a_cell_does_not_read_is_no_value() -> None:
    vary = {"baselines": ["HPM-KD"], "hpmkd.weighting": ["uniform", "attention"], "hpmkd.entropy_bonus": [0.1, 0.5]}
    (grid,) = grids(baselines=[], vary=[vary], hpmkd__teachers=2)
    assert set(grid.keys) == {"hpmkd.weighting", "hpmkd.entropy_bonus"}
    at = grid.keys.index("hpmkd.entropy_bonus")
    assert sorted(str(values[at]) for values in grid.cells) == ["0.1", "0.5", "None"]
    assert grid.values("hpmkd.entropy_bonus") == [0.1, 0.5, None]


def test_what_the_config_leaves_to_each_baseline_has_a_usual_cell() -> None:
    vary = {"baselines": ["HPM-KD", "KD-Ensemble"], "hpmkd.teachers": [1, 2, 4]}
    usual = {grid.name: (grid.usual, grid.cells[grid.usual]) for grid in grids(baselines=[], vary=[vary])}
    assert usual == {"HPM-KD": ((1,), "HPM-KD"), "KD-Ensemble": ((2,), "KD-Ensemble")}


def test_without_a_config_nothing_is_known_of_what_names_leave_out() -> None:
    assert grids_of(None, KEYS) == []
    assert grids(baselines=["Direct", "TAKD", "HPM-KD"]) == []


@pytest.mark.parametrize(
    ("label", "keys", "name"),
    [
        ("AT-beta1000", {"at.beta"}, "AT"),
        ("FitNets-beta1", {"fitnets.beta"}, "FitNets"),
        ("HPM-KD-noChain-noMultiTeacher", {"hpmkd.chain", "hpmkd.chain_length"}, "HPM-KD-noMultiTeacher"),
        ("HPM-KD-noMultiTeacher-chain3", {"hpmkd.chain", "hpmkd.chain_length"}, "HPM-KD-noMultiTeacher"),
        ("TraditionalKD-adaptive-reduction2", {"adaptive.reduction_factor"}, "TraditionalKD-adaptive"),
        ("KD-Budget-M4", {"hpmkd.teachers"}, "KD-Budget"),
    ],
)
def test_names_without_the_words_of_some_keys(label: str, keys: set[str], name: str) -> None:
    assert name_without(baseline_of(make_config(), label), keys) == name
    assert label.startswith(root_of(label))
