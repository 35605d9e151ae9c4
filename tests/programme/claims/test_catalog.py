"""The paper's claims against planted tables: what is there is found, what is not is not claimed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import pandas as pd
import pytest

from hpmkd.analysis.report.content import Report
from hpmkd.analysis.section import Table
from hpmkd.programme.claims import components, inference, order, robust
from hpmkd.programme.claims.base import Claim, Verdict, answers, conditions_of
from hpmkd.programme.claims.catalog import CLAIMS

SHOWN = {"n": 5, "difference": 0.5, "low": 0.4, "high": 0.6, "p": 0.001, "p_holm": 0.002}
HIDDEN = {**SHOWN, "low": -0.2, "p": 0.4, "p_holm": 0.8}


@dataclass
class Tables:
    """What a claim asks a report for."""

    frames: Mapping[str, pd.DataFrame]
    frame: pd.DataFrame = field(default_factory=pd.DataFrame)
    facts: tuple[tuple[str, str], ...] = field(default=(("student network", "lenet5"), ("runs per baseline", "5")))

    def table(self, name: str) -> Table | None:
        return Table(name, name, self.frames[name], {}) if name in self.frames else None


def report(**frames: list[dict[str, Any]]) -> Report:
    """Rows of each table, all of them on MNIST."""
    named = {name.replace("_", "-"): pd.DataFrame(rows).assign(place="MNIST") for name, rows in frames.items()}
    return cast(Report, Tables(named))


def ranking(means: Mapping[str, float], others: Mapping[str, Mapping[str, Any]]) -> Report:
    """Means, and the others minus HPM-KD."""
    return report(
        accuracy=[{"baseline": name, "mean_pct": value, "total_seconds": 10.0} for name, value in means.items()],
        differences=[{"reference": "HPM-KD", "baseline": name, **row} for name, row in others.items()],
    )


NAMES = ("Direct", "TraditionalKD", "TAKD")
FIRST = {"HPM-KD": 99.0, "TAKD": 98.5, "TraditionalKD": 98.4, "Direct": 98.0}
BELOW = {**SHOWN, "difference": -0.5, "low": -0.6, "high": -0.4}


@pytest.mark.parametrize(
    ("means", "others", "verdict", "words"),
    [
        (FIRST, dict.fromkeys(NAMES, BELOW), Verdict.AGREES, "rank 1 of 4"),
        (FIRST, {**dict.fromkeys(NAMES, BELOW), "TAKD": HIDDEN}, Verdict.IN_PART, "TAKD minus HPM-KD"),
        (FIRST, dict.fromkeys(NAMES, HIDDEN), Verdict.UNDECIDED, "below it: none"),
        ({**FIRST, "TAKD": 99.5}, {**dict.fromkeys(NAMES, HIDDEN), "TAKD": SHOWN}, Verdict.OPPOSITE, "rank 2 of 4"),
        ({**FIRST, "TAKD": 99.5}, dict.fromkeys(NAMES, HIDDEN), Verdict.UNDECIDED, "above it: none"),
    ],
)
def test_first_of_all(means: dict[str, float], others: dict[str, Any], verdict: Verdict, words: str) -> None:
    (found,) = order.first(ranking(means, others))
    assert found.verdict == verdict
    assert words in found.found


def test_a_ranking_needs_the_published_methods() -> None:
    few = {"HPM-KD": 99.0, "HPM-KD-noChain": 98.0, "HPM-KD-M4": 98.0, "Direct": 97.0}
    assert not list(order.first(ranking(few, {"Direct": BELOW})))
    assert not list(order.first(report()))


@pytest.mark.parametrize(
    ("findings", "verdict"),
    [
        (["pays"] * 4, Verdict.AGREES),
        (["pays", "harms", "not shown: chance alone could give it", "pays"], Verdict.IN_PART),
        (["not shown: chance alone could give it"] * 4, Verdict.UNDECIDED),
        (["harms", *["not shown: chance alone could give it"] * 3], Verdict.OPPOSITE),
    ],
)
def test_each_component_pays(findings: list[str], verdict: Verdict) -> None:
    names = ("chain", "multi_teacher", "meta_temperature", "adaptive")
    rows = [
        {"component": one, "title": one, "finding": word, **SHOWN} for one, word in zip(names, findings, strict=True)
    ]
    (found,) = components.each_pays(report(ablation=[*rows, {"component": "together", "finding": "pays", **SHOWN}]))
    assert found.verdict == verdict
    assert found.found.count("points") == 4, "those that are no component are not counted"


def test_synergy_is_positive_alone() -> None:
    rows = [{"name": "a x b", "finding": "synergy", **SHOWN}, {"name": "a x c", "finding": "x", **HIDDEN}]
    (found,) = components.work_together(report(interactions=rows))
    assert (found.verdict, found.found.startswith("synergy: a x b (+0.50 points")) == (Verdict.IN_PART, True)


@pytest.mark.parametrize(
    ("early", "same", "verdict"),
    [
        ((SHOWN, SHOWN, SHOWN), (0.001, 0.001), Verdict.AGREES),
        ((SHOWN, HIDDEN, SHOWN), (0.001, 0.9), Verdict.IN_PART),
        ((HIDDEN, HIDDEN, HIDDEN), (0.001, 0.001), Verdict.UNDECIDED),
        ((HIDDEN, BELOW, HIDDEN), (0.001, 0.001), Verdict.OPPOSITE),
    ],
)
def test_saturation(early: tuple[Any, ...], same: tuple[float, float], verdict: Verdict) -> None:
    rows = [{**row, "p_equal": 0.9} for row in early] + [{**HIDDEN, "p_equal": p} for p in same]
    steps = [
        {"name": "HPM-KD", "question": "next", "shorter": n, "longer": n + 1, "pair": f"{n} to {n + 1}", **row}
        for n, row in enumerate(rows)
    ]
    longest = [{**steps[0], "question": "longest", "shorter": 0, "longer": 5}]
    (found,) = components.saturates(report(chain_steps=[*steps, *longest]))
    assert found.verdict == verdict
    assert "of the steps up to 3 assistants" in found.found
    assert not list(components.saturates(report(chain_steps=steps[:2]))), "no step beyond the third"


def costly(own: float, rival: float) -> Report:
    """A teacher for both, an assistant for TAKD; HPM-KD's student is of `own` multiply-adds."""
    rows = [
        ("teacher_MNIST.pt", "teacher", None, 10.0, ""),
        ("assistant_MNIST_TAKD.pt", "assistant", None, 5.0, "teacher_MNIST"),
        ("student_MNIST_HPM-KD_run1.pt", "student", "HPM-KD", own, "teacher_MNIST"),
        ("student_MNIST_TAKD_run1.pt", "student", "TAKD", rival, "teacher_MNIST assistant_MNIST_TAKD"),
    ]
    frame = pd.DataFrame(rows, columns=["file", "role", "baseline", "training_multiply_adds", "ancestors"])
    frame = frame.assign(train_seconds=frame["training_multiply_adds"] * 2, planned=True, dataset="MNIST")
    return cast(Report, Tables({}, frame=frame.assign(condition=None, pair=None, accuracy_pct=90.0)))


@pytest.mark.parametrize(("own", "verdict", "times"), [(2.0, Verdict.AGREES, "0.75"), (14.0, Verdict.OPPOSITE, "1.50")])
def test_cost_is_compared_with_everything_it_takes(own: float, verdict: Verdict, times: str) -> None:
    """10 + own against 10 + 5 + 1."""
    (found,) = order.cheaper_than_takd(costly(own, 1.0))
    assert (found.place, found.verdict, f"takes {times} times" in found.found) == ("MNIST", verdict, True)
    assert f"took {times} times" in found.found
    assert "by the plan, nothing is tested here" in found.found
    assert "the paper's claim is in hours" in found.found


@pytest.mark.parametrize(
    ("own", "seconds", "verdict"),
    [
        (2.0, 9.0, Verdict.IN_PART),
        (14.0, 0.5, Verdict.IN_PART),
        (2.0, 0.5, Verdict.AGREES),
        (14.0, 9.0, Verdict.OPPOSITE),
        (14.0, float("nan"), Verdict.OPPOSITE),
    ],
)
def test_seconds_that_say_the_opposite_leave_a_part(own: float, seconds: float, verdict: Verdict) -> None:
    frame = costly(own, 1.0).frame.assign(train_seconds=[0.0, 0.0, seconds, 1.0])
    (answer,) = order.cheaper_than_takd(cast(Report, Tables({}, frame=frame)))
    assert answer.verdict == verdict


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [
        ([BELOW, BELOW], Verdict.AGREES),
        ([BELOW, HIDDEN], Verdict.IN_PART),
        ([HIDDEN, HIDDEN], Verdict.UNDECIDED),
        ([SHOWN, HIDDEN], Verdict.OPPOSITE),
    ],
)
def test_robustness_is_a_difference_of_differences(rows: list[dict[str, Any]], verdict: Verdict) -> None:
    """Below 0: it loses less than Direct. Other methods say nothing about it."""
    mine = severe("same", rows)
    for name, look in (("imbalance_robust", robust.imbalance), ("noise_robust", robust.noise)):
        (found,) = look(report(**{name: [*mine, {**mine[0], "baseline": "TAKD", **SHOWN}]}))
        assert (found.verdict, "at exp10 " in found.found, "at exp100 " in found.found) == (verdict, True, True)
        assert found.found.startswith("arm “same” (teachers see what students see, unlike the paper's)")
        assert "the paper speaks of retention against KD and TAKD, this is loss against Direct" in found.found


def severe(arm: str, rows: list[dict[str, Any]], near_chance: str = "") -> list[dict[str, Any]]:
    about = {"kind": "exp", "arm": arm, "baseline": "HPM-KD", "near_chance": near_chance}
    return [{**about, "level": level, **row} for level, row in zip((10.0, 100.0), rows, strict=True)]


def test_robustness_is_judged_where_teachers_are_those_of_the_claim() -> None:
    """The paper has a teacher of clean labels; where teachers see wrong ones, too, it is another question."""
    rows = [*severe("same", [SHOWN, HIDDEN]), *severe("clean teacher", [BELOW, BELOW])]
    rows += severe("same size, balanced", [SHOWN, SHOWN])
    (found,) = robust.noise(report(noise_robust=rows))
    assert found.verdict == Verdict.AGREES
    assert found.found.startswith("arm “clean teacher” (teachers of clean data, as the paper's), what HPM-KD loses")
    assert "in the arm “same” (teachers see what students see, unlike the paper's), of 2 comparisons, 0" in found.found
    assert "0 shown to be less and 1 to be more" in found.found
    assert not list(robust.noise(report(noise_robust=severe("same size, balanced", [SHOWN, SHOWN]))))


@pytest.mark.parametrize(("row", "who"), [(BELOW, "HPM-KD"), (SHOWN, "TAKD, Direct"), (BELOW, "HPM-KD, Direct")])
def test_who_has_nothing_left_to_lose_is_not_robust(row: dict[str, Any], who: str) -> None:
    (found,) = robust.noise(report(noise_robust=severe("same", [row, row], who)))
    assert found.verdict == Verdict.UNDECIDED
    assert found.found.count("(not counted: near chance)") == 2
    (found,) = robust.noise(report(noise_robust=severe("same", [row, row], "TAKD")))
    assert found.verdict != Verdict.UNDECIDED


@pytest.mark.parametrize(
    ("low", "high", "trusted", "verdict"),
    [
        (1.5, 2.5, True, Verdict.AGREES),
        (0.9, 2.5, True, Verdict.UNDECIDED),
        (0.5, 0.9, True, Verdict.OPPOSITE),
        (1.5, 2.5, False, Verdict.UNDECIDED),
    ],
)
def test_speed_at_inference(low: float, high: float, trusted: bool, verdict: Verdict) -> None:
    about = {"runtime": "eager", "batch": 1, "trusted": trusted}
    rows = [
        {"network": "big", "p50": 8.4, "speedup": 1.0, "speedup_low": 1.0, "speedup_high": 1.0, **about},
        {"network": "small", "p50": 4.2, "speedup": 2.0, "speedup_low": low, "speedup_high": high, **about},
    ]
    rows.append({**rows[1], "batch": 8, "speedup_low": 9.0})
    networks = [{"name": "big", "multiply_adds": 9}, {"name": "small", "multiply_adds": 1}]
    (found,) = inference.smaller_is_faster(report(latency=rows, latency_networks=networks))
    assert (found.verdict, "small is 2.00 times as fast" in found.found) == (verdict, True)
    assert ("not trusted" in found.found) == (not trusted)


def test_answers_say_which_sweep_and_under_which_conditions() -> None:
    claim = Claim("A claim.", "figures", order.cheaper_than_takd, "full")
    made = answers(claim, {"none": report(), "some": costly(1.0, 1.0)})
    assert [(one.mode, one.evidence.place, one.conditions) for one in made] == [
        ("some", "MNIST", "student lenet5; 5 runs")
    ]


def test_every_claim_is_silent_without_its_models() -> None:
    assert all(not list(claim.look(report())) for claim in CLAIMS)


FACTS = (
    ("teacher network", "resnet8 (8, 16), 78,000 parameters"),
    ("student network", "a; b; c"),
    ("training images", "1,000; where a condition says how many, so many"),
    ("runs per baseline", "5"),
)


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("MNIST+r4", "teacher resnet8 (8, 16), 78,000 parameters; student lenet5 (4, 8), 40 parameters; 1,000"),
        ("MNIST@n300+r8", "teacher resnet8 (8, 16), 78,000 parameters; student lenet5 (2, 4), 20 parameters; 300"),
        ("cpu, 1 thread", "teacher resnet8 (8, 16), 78,000 parameters; 1,000"),
    ],
)
def test_conditions_are_those_of_the_place(place: str, said: str) -> None:
    """Each place of a sweep over sizes was told with the networks of all of them."""
    rows = [
        ("teacher_MNIST.pt", "teacher", None, None, "resnet8", "(8, 16)", 78000, ""),
        ("s4.pt", "student", None, "r4", "lenet5", "(4, 8)", 40, "teacher_MNIST"),
        ("teacher_MNIST@n300.pt", "teacher", "n300", None, "resnet8", "(8, 16)", 78000, ""),
        ("s8.pt", "student", "n300", "r8", "lenet5", "(2, 4)", 20, "teacher_MNIST@n300"),
    ]
    names = ["file", "role", "condition", "pair", "architecture", "channels", "parameters", "ancestors"]
    frame = pd.DataFrame(rows, columns=names).assign(dataset="MNIST", planned=True)
    made = conditions_of(cast(Report, Tables({}, frame=frame, facts=FACTS)), place)
    assert made == f"{said} training images; 5 runs"
