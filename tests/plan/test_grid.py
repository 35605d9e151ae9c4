"""Grids of settings: which baselines they are, and which grids mean nothing."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from support.builders import FULL, make_config, make_jobs

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
    found = labels({"baselines": ["HPM-KD-noAdaptive"], "kd.temperature": [2], "hpmkd.weighting": ["uniform"]}, **FULL)
    assert found == ["HPM-KD-uniform-noAdaptive-T2"]
    assert labels({"baselines": ["TraditionalKD-adaptive"], "adaptive.part": [0.2, 0.5]}) == [
        "TraditionalKD-adaptive-part0.2", "TraditionalKD-adaptive",
    ]  # fmt: skip


def test_cells_that_are_one_baseline_are_one() -> None:
    found = labels({"baselines": ["HPM-KD"], "hpmkd.multi_teacher": [True, False], "hpmkd.teachers": [2, 3]}, **FULL)
    assert found == ["HPM-KD", "HPM-KD-M3", "HPM-KD-noMultiTeacher"]
    grid = {"baselines": ["HPM-KD", "HPM-KD-noMultiTeacher"], "hpmkd.chain_length": [None, 0, 1, 2]}
    lengths = labels(grid, **FULL)
    assert lengths[:4] == ["HPM-KD", "HPM-KD-noChain", "HPM-KD-chain1", "HPM-KD-chain2"]
    assert lengths[5] == "HPM-KD-noChain-noMultiTeacher"


@pytest.mark.parametrize(
    ("grid", "parts"),
    [
        ({"baselines": ["Direct"], "kd.alpha": [0.5]}, ["'Direct' does not depend on `kd.alpha`"]),
        ({"baselines": ["TAKD"], "hpmkd.teachers": [2, 3]}, ["does not depend on `hpmkd.teachers`", "takd.steps"]),
        ({"baselines": ["HPM-KD"], "hpmkd.gate_steps": [2]}, ["'HPM-KD' does not depend on `hpmkd.gate_steps`"]),
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
        (Request("quick", str(tmp_path), overrides={"vary": grid}), "command line, --vary: '"),
        (
            Request("quick", str(tmp_path), overrides={"vary": grid}, places={"vary": "settings, vary"}),
            "settings, vary: '",
        ),
    ):
        with pytest.raises(UsageError) as caught:
            resolve(request)
        assert str(caught.value).startswith(place)


def test_null_is_a_value_only_where_the_config_says_null() -> None:
    grid = {"baselines": ["HPM-KD"], "hpmkd.chain_length": [None, 2]}
    assert labels(grid, **FULL) == ["HPM-KD", "HPM-KD-chain2"]
    with pytest.raises(UsageError, match="None has no word"):
        labels(grid, hpmkd__chain_length=3)


def test_a_bad_name_is_said_where_it_was_written(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("datasets: [Digits]\nbaselines: [Direct-T2]\n")
    with pytest.raises(UsageError, match=r"mine\.yaml:2: baselines: 'Direct-T2' has an unknown word"):
        resolve(Request(str(file), str(tmp_path / "out")))


def test_a_flag_and_its_key_are_named_once(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^command line, --baselines: 'Direct-T2' has an unknown word"):
        resolve(Request("quick", str(tmp_path), overrides={"baselines": ["Direct-T2"]}))
    grids = [{"baselines": ["AT"], "at.beta": [1]}, {"baselines": ["AT-foo"], "at.beta": [1]}]
    with pytest.raises(UsageError, match=r"^command line, --vary: vary, grid 2: 'AT-foo' has"):
        resolve(Request("quick", str(tmp_path), overrides={"vary": grids}))


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


_FACTORS = {key: [True, False] for key in ("hpmkd.chain", "hpmkd.multi_teacher", "hpmkd.meta_temperature",
                                           "hpmkd.adaptive")}  # fmt: skip
_COUNTS = [1, 2, 3, 4, 5, 6, 8]
EXPERIMENTS: dict[str, tuple[list[str], list[dict[str, Any]], int]] = {
    "ablation": (
        [
            *("HPM-KD", "HPM-KD-noChain", "HPM-KD-noMultiTeacher", "HPM-KD-noMetaTemp", "HPM-KD-noAdaptive"),
            *("HPM-KD-noParallel", "HPM-KD-noSharedMemory", "Direct", "TraditionalKD"),
            "HPM-KD-noChain-noMultiTeacher-noMetaTemp-noAdaptive",
        ],
        [], 10,
    ),
    "interactions": ([], [{"baselines": ["HPM-KD"], **_FACTORS}], 16),
    "sensitivity": (
        ["Direct"],
        [{"baselines": ["TraditionalKD", "HPM-KD-noAdaptive"], "kd.temperature": [1, 2, 4, 6, 8, 10],
          "kd.alpha": [0.1, 0.3, 0.5, 0.7, 0.9]}],
        1 + 2 * 30,
    ),
    "chain": (
        [],
        [{"baselines": ["HPM-KD-noMultiTeacher", "HPM-KD"], "hpmkd.chain_length": [0, 1, 2, 3, 4, 5]},
         {"baselines": ["TAKD"], "takd.steps": [1, 2, 3, 4, 5]}],
        2 * 6 + 5,
    ),
    "teachers": (
        [],
        [{"baselines": ["HPM-KD"], "hpmkd.teachers": _COUNTS,
          "hpmkd.weighting": ["attention", "uniform", "confidence"]},
         {"baselines": ["KD-Ensemble", "KD-Budget"], "hpmkd.teachers": _COUNTS}],
        3 * 7 + 2 * 7,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_the_experiments_on_hpm_kd_can_be_written(name: str) -> None:
    baselines, grids, count = EXPERIMENTS[name]
    pair = {"teacher__arch": "resnet56", "student__arch": "resnet8", "fit__student_epochs": 30, **FULL}
    jobs = make_jobs(make_config(baselines=baselines, vary=grids, **pair))
    students = {str(job.baseline): job for job in jobs.values() if job.role == "student"}
    assert len(students) == count
    alike = {"HPM-KD-noParallel", "HPM-KD-noSharedMemory"} & students.keys()
    prints = {job.fingerprint for label, job in students.items() if label not in alike}
    assert len(prints) == count - len(alike)
    assert {students[label].fingerprint for label in alike} <= prints


def test_the_chains_of_the_experiment_have_their_lengths() -> None:
    baselines, grids, _ = EXPERIMENTS["chain"]
    pair = {"teacher__arch": "resnet56", "student__arch": "resnet8", **FULL}
    jobs = make_jobs(make_config(baselines=baselines, vary=grids, **pair))
    for length in range(1, 6):
        for name in (f"HPM-KD-chain{length}", f"HPM-KD-noMultiTeacher-chain{length}"):
            chain = {job.key for job in jobs[f"student_Digits_{name}_run1"].ancestors() if job.role == "assistant"}
            assert chain == {f"assistant_Digits_HPM-KD-chain{length}_{place}" for place in range(1, length + 1)}
    assert "student_Digits_HPM-KD-noChain_run1" in jobs


def test_more_values_later_leave_what_is_there_as_it_was() -> None:
    def jobs(temperatures: list[float]) -> dict[str, str]:
        grid = {"baselines": ["TraditionalKD", "TAKD"], "kd.temperature": temperatures}
        return {key: job.fingerprint for key, job in make_jobs(make_config(baselines=[], vary=grid)).items()}

    few, many = jobs([2, 8]), jobs([1, 2, 3, 8])
    assert many | few == many
    assert len(many) == len(few) + 2 + 4
