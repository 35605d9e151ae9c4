"""Which of a sweep's baselines are the arms of an experiment on HPM-KD."""

from __future__ import annotations

import pandas as pd
import pytest
from support.arms import ALL_OFF, FULL, SINGLE, WORDS, label
from support.builders import make_config
from support.frames import make_frame

from hpmkd.analysis import stats
from hpmkd.analysis.experiments.arms import LEARNING, arm_of, coincide, families, groups_of
from hpmkd.plan.catalog import baselines_of

OFF = frozenset(LEARNING)


@pytest.mark.parametrize(
    ("name", "off"),
    [
        (FULL, []),
        ("HPM-KD-noChain-noMetaTemp", ["chain", "meta_temperature"]),
        ("HPM-KD-noParallel-noSharedMemory", ["parallel", "shared_memory"]),
        ("HPM-KD-noAdaptive-T2-a0.3", ["adaptive"]),
        (ALL_OFF, LEARNING),
    ],
)
def test_names_say_what_is_off(name: str, off: list[str]) -> None:
    arm = arm_of(name)
    assert arm is not None
    assert arm.off == set(off)


@pytest.mark.parametrize("name", ["Direct", "TraditionalKD-adaptive", "HPM-KD2", "HPM-KD-noFun", "KD-Budget-noChain"])
def test_other_names_are_no_arms(name: str) -> None:
    assert arm_of(name) is None


def test_the_arms_of_a_mode_are_one_family() -> None:
    (family,) = families(["Direct", FULL, *SINGLE, ALL_OFF, "HPM-KD-noParallel", "HPM-KD-noSharedMemory"])
    assert family.name == FULL
    assert family.cells[frozenset()] == FULL
    assert {family.cells[frozenset({name})] for name in LEARNING} == set(SINGLE)
    assert family.cells[OFF] == ALL_OFF
    assert family.engine == {"parallel": "HPM-KD-noParallel", "shared_memory": "HPM-KD-noSharedMemory"}


def test_a_method_with_settings_has_the_arms_that_its_config_would_give() -> None:
    """With a component off the words of its settings are gone: taken from the catalog, not from this module."""
    words = ["chain2", "M4", "uniform", "lossTemp", "high2", "reduction2"]
    entries = ["-".join([FULL, *words]), *("-".join([FULL, WORDS[name], *_kept(words, name)]) for name in LEARNING)]
    labels = [one.label for one in baselines_of(make_config(baselines=entries))]
    found = {family.name: family for family in families([*labels, FULL, ALL_OFF])}
    family = found[labels[0]]
    assert [family.cells[frozenset({name})] for name in LEARNING] == labels[1:]
    assert family.cells[OFF] == ALL_OFF


def _kept(words: list[str], off: str) -> list[str]:
    own = {"chain": ["chain2"], "multi_teacher": ["M4", "uniform"], "meta_temperature": ["lossTemp", "high2"],
           "adaptive": ["reduction2"]}  # fmt: skip
    return [word for word in words if word not in own[off]]


def test_an_arm_without_the_engine_stands_in_where_the_other_is_missing() -> None:
    (family,) = families([FULL, "HPM-KD-noChain-noParallel"])
    assert family.cells[frozenset({"chain"})] == "HPM-KD-noChain-noParallel"
    (family,) = families([FULL, "HPM-KD-noChain-noParallel", "HPM-KD-noChain"])
    assert family.cells[frozenset({"chain"})] == "HPM-KD-noChain"


def test_places_are_apart() -> None:
    frame = pd.concat([make_frame({FULL: [70.0], SINGLE[0]: [71.0]}, name) for name in ("A", "B")], ignore_index=True)
    assert [group.place for group in groups_of(frame)] == ["A", "B"]
    frame["condition"], frame["pair"] = "sym0.2", None
    frame.loc[frame["dataset"] == "B", ["condition", "pair"]] = [None, "r56-r8"]
    assert [group.place for group in groups_of(frame)] == ["A@sym0.2", "B+r56-r8"]
    assert all(len(group.wide) == 1 for group in groups_of(frame))


def test_equal_weights_are_counted_in_the_runs_of_which_they_are_known() -> None:
    frame = make_frame({FULL: [70.0, 71.0, 72.0], SINGLE[0]: [70.0, 71.0]})
    assert stats.same_weights(frame, FULL, SINGLE[0]) == (0, 2)
    frame.loc[frame["role"] == "student", "weights_sha256"] = frame["run"].astype(str)
    assert stats.same_weights(frame, FULL, SINGLE[0]) == (2, 2)
    assert coincide(frame, FULL, SINGLE[0])
    assert not coincide(frame.drop(columns="weights_sha256"), FULL, SINGLE[0]), "not known"
    frame.loc[frame["file"] == "student_D_HPM-KD_run2.pt", "weights_sha256"] = "other"
    assert stats.same_weights(frame, FULL, SINGLE[0]) == (1, 2)
    assert label(["adaptive", "chain"]) == "HPM-KD-noChain-noAdaptive"
