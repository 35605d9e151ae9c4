"""Grids of settings: which baselines they are, and which grids mean nothing."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from support.builders import make_config, make_jobs

from hpmkd.config.request import Request
from hpmkd.errors import UsageError
from hpmkd.plan.catalog import baselines_of
from hpmkd.sweep.resolution import resolve


def labels(*grids: dict[str, Any], baselines: tuple[str, ...] = (), **config: Any) -> list[str]:
    return [one.label for one in baselines_of(make_config(baselines=list(baselines), vary=list(grids), **config))]


def test_every_combination_is_a_baseline_with_words() -> None:
    found = labels({"baselines": ["TraditionalKD", "AT"], "kd.temperature": [2, 4, 8], "kd.alpha": [0.5, 0.9]})
    words = ["-T2-a0.5", "-T2", "-a0.5", "", "-T8-a0.5", "-T8"]  # T is 4 and alpha 0.9 in the config
    assert found == [f"{name}{word}" for name in ("TraditionalKD", "AT") for word in words]


def test_a_grid_joins_the_baselines_and_other_grids() -> None:
    first = {"baselines": ["TraditionalKD"], "kd.temperature": [2, 4]}
    second = {"baselines": ["TraditionalKD"], "kd.temperature": [2, 3], "kd.alpha": [0.9]}
    found = labels(first, second, baselines=("Direct", "TraditionalKD"))
    assert found == ["Direct", "TraditionalKD", "TraditionalKD-T2", "TraditionalKD-T3"]


def test_switches_and_entries_with_words() -> None:
    keys = ("hpmkd.chain", "hpmkd.multi_teacher", "hpmkd.meta_temperature", "hpmkd.adaptive")
    found = labels({"baselines": ["HPM-KD"], **{key: [True, False] for key in keys}})
    assert len(set(found)) == 16
    assert found[0] == "HPM-KD"
    assert found[-1] == "HPM-KD-noChain-noMultiTeacher-noMetaTemp-noAdaptive"
    found = labels({"baselines": ["HPM-KD-noAdaptive"], "kd.temperature": [2], "hpmkd.weighting": ["uniform"]})
    assert found == ["HPM-KD-uniform-noAdaptive-T2"]
    assert labels({"baselines": ["TraditionalKD-adaptive"], "adaptive.part": [0.2, 0.5]}) == [
        "TraditionalKD-adaptive-part0.2", "TraditionalKD-adaptive",
    ]  # fmt: skip


def test_cells_that_are_one_baseline_are_one() -> None:
    found = labels({"baselines": ["HPM-KD"], "hpmkd.multi_teacher": [True, False], "hpmkd.teachers": [2, 3]})
    assert found == ["HPM-KD", "HPM-KD-M3", "HPM-KD-noMultiTeacher"]
    lengths = labels({"baselines": ["HPM-KD", "HPM-KD-noMultiTeacher"], "hpmkd.chain_length": [None, 0, 1, 2]})
    assert lengths[:4] == ["HPM-KD", "HPM-KD-noChain", "HPM-KD-chain1", "HPM-KD-chain2"]
    assert lengths[5] == "HPM-KD-noChain-noMultiTeacher"


@pytest.mark.parametrize(
    ("grid", "parts"),
    [
        ({"baselines": ["Direct"], "kd.alpha": [0.5]}, ["'Direct' does not depend on `kd.alpha`"]),
        ({"baselines": ["TAKD"], "hpmkd.teachers": [2, 3]}, ["does not depend on `hpmkd.teachers`", "takd.steps"]),
        ({"baselines": ["HPM-KD"], "kd.temperature": [2, 4]}, ["'HPM-KD' does not depend on `kd.temperature`"]),
        ({"baselines": ["HPM-KD-noChain"], "hpmkd.chain": [True]}, ["sets `hpmkd.chain` by a word", "noChain"]),
        ({"baselines": ["AT-T2"], "kd.temperature": [2]}, ["sets `kd.temperature` by a word", "T2"]),
        ({"baselines": ["Foo"], "kd.alpha": [0.5]}, ["vary: 'Foo': unknown baseline"]),
        ({"baselines": ["AT-foo"], "kd.alpha": [0.5]}, ["vary: 'AT-foo' has an unknown word 'foo'"]),
    ],
)
def test_grids_that_are_refused(grid: dict[str, Any], parts: list[str], tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        labels(grid)
    for part in parts:
        assert part in str(caught.value)
    for request, place in (
        (Request("quick", str(tmp_path), overrides={"vary": grid}), "command line, --vary: vary"),
        (
            Request("quick", str(tmp_path), overrides={"vary": grid}, places={"vary": "settings, vary"}),
            "settings, vary:",
        ),
    ):
        with pytest.raises(UsageError) as caught:
            resolve(request)
        assert str(caught.value).startswith(place)


def test_null_is_a_value_only_where_the_config_says_null() -> None:
    grid = {"baselines": ["HPM-KD"], "hpmkd.chain_length": [None, 2]}
    assert labels(grid) == ["HPM-KD", "HPM-KD-chain2"]
    with pytest.raises(UsageError, match="None has no word"):
        labels(grid, hpmkd__chain_length=3)


def test_a_bad_name_is_said_where_it_was_written(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("datasets: [Digits]\nbaselines: [Direct-T2]\n")
    with pytest.raises(UsageError, match=r"mine\.yaml: baselines: 'Direct-T2' has an unknown word"):
        resolve(Request(str(file), str(tmp_path / "out")))


def test_every_cell_is_a_model_of_its_own() -> None:
    grids = [
        {"baselines": ["TraditionalKD", "TAKD"], "kd.temperature": [1, 2, 4, 8], "kd.alpha": [0.1, 0.5, 0.9]},
        {"baselines": ["HPM-KD"], "hpmkd.chain_length": [0, 1, 2, 3], "hpmkd.teachers": [1, 2, 3]},
        {"baselines": ["KD-Ensemble"], "hpmkd.teachers": [1, 2, 3]},
    ]
    jobs = make_jobs(make_config(baselines=["Direct"], vary=grids, hpmkd__teachers=5, hpmkd__chain_length=4))
    students = [job for job in jobs.values() if job.role == "student"]
    assert len(students) == 1 + 2 * 12 + 12 + 3
    for one, other in itertools.combinations(students, 2):
        assert one.fingerprint != other.fingerprint, (one.key, other.key)
    assert len({job.seed for job in students}) == 1, "all of run 1"


def test_more_values_later_leave_what_is_there_as_it_was() -> None:
    def jobs(temperatures: list[float]) -> dict[str, str]:
        grid = {"baselines": ["TraditionalKD", "TAKD"], "kd.temperature": temperatures}
        return {key: job.fingerprint for key, job in make_jobs(make_config(baselines=[], vary=grid)).items()}

    few, many = jobs([2, 8]), jobs([1, 2, 3, 8])
    assert many | few == many
    assert len(many) == len(few) + 2 + 4
