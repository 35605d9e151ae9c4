"""Imbalance and label noise in the report: planted robustness is found with its sign, and nothing else is said."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from support.frames import compose_report
from support.varied import sweep

from hpmkd.analysis.experiments import imbalance, noise
from hpmkd.analysis.experiments.severities import FACTOR, RATE, base_of, lines_of
from hpmkd.analysis.report.write import html
from hpmkd.analysis.section import Section
from hpmkd.audit.sweep_dir import Saved
from hpmkd.config.conditions import CLEAN_TEACHER, has_any, read_word, word_among
from hpmkd.plan.job import Job
from hpmkd.plan.roles import Role

NAMES = ["Direct", "TraditionalKD", "AT"]
MORE = {"tail_recall_pct": 40.0, "macro_f1_pct": 70.0, "memorised_pct": 30.0, "recovered_pct": 60.0, "ece_pct": 3.0}
# Points that a baseline loses at a level of a condition.
Loss = Callable[[str, float, str | None], float]


def planted(loss: Loss, axis: Any, noise_sd: float = 0.1, seed: int = 0) -> Callable[[Job], tuple[float, float]]:
    draw = np.random.default_rng(seed)
    luck = draw.normal(0, 1, 100)

    def score(job: Job) -> tuple[float, float]:
        if job.role is not Role.STUDENT:
            return 90.0, 90.0
        word = word_among(job.data.condition, axis.words)
        level = float((read_word(word or "") or ("", None))[1] or axis.none)
        value = 80 + luck[job.run or 0] - loss(str(job.baseline), level, job.data.condition) + draw.normal(0, noise_sd)
        return float(value), float(value)

    return score


def made(loss: Loss, data: Mapping[str, Any], axis: Any, runs: int = 6, **more: Any) -> tuple[pd.DataFrame, Saved]:
    keys = {f"data__{key}": value for key, value in data.items()}
    given = {"baselines": NAMES, "runs": runs, "data__train_images": None, **keys, **more}
    frame, saved = sweep(planted(loss, axis), **given)
    return frame.assign(**MORE), saved


def imbalanced(loss: Loss, runs: int = 6, **data: Any) -> tuple[Section, pd.DataFrame, Saved]:
    frame, saved = made(loss, {"imbalance": [None, "exp5", "exp10", "exp20"], **data}, FACTOR, runs)
    section = imbalance.section(frame, NAMES, saved)
    assert section is not None
    return section, frame, saved


def robust(section: Section) -> pd.DataFrame:
    return section.tables[1].frame.set_index(["arm", "baseline", "level"]).sort_index()


def test_a_method_that_loses_less_is_found_with_its_sign() -> None:
    section, _, _ = imbalanced(lambda name, level, _: (0.2 if name == "TraditionalKD" else 0.3) * level)
    table = robust(section)
    for level in (5, 10, 20):
        row = table.loc[("same", "TraditionalKD", level)]
        assert row["low"] < -0.1 * level + 0.15
        assert row["low"] < row["difference"] < row["high"]
        assert row["difference"] == pytest.approx(-0.1 * (level - 1), abs=0.2)
        assert row["finding"] == "less"
    assert set(table.loc[("same", "AT")]["finding"]) == {"not shown"}
    said = " ".join(section.sentences)
    assert "shown to lose less than Direct (p < 0.05): TraditionalKD at factor 5" in said
    assert "shown to lose more" not in said
    assert "3 of 6 comparisons are not shown (6 comparisons, 6 runs, Holm)." in said


def test_a_method_that_loses_more() -> None:
    section, _, _ = imbalanced(lambda name, level, _: (0.5 if name == "AT" else 0.3) * level)
    assert set(robust(section).loc[("same", "AT")]["finding"]) == {"more"}
    assert "shown to lose more than Direct" in " ".join(section.sentences)


def test_a_null_result_is_said_as_such() -> None:
    section, _, _ = imbalanced(lambda name, level, _: 0.3 * level)
    assert (
        "Exponential imbalance: no method is shown to lose less than Direct, or more (6 comparisons, 6 runs, Holm)."
        in (section.sentences)
    )
    assert "changes by -" in section.sentences[0]
    assert "factor 20" in section.sentences[0]


def test_degradation_is_against_the_same_method() -> None:
    """A method that is better everywhere is no more robust."""
    section, _, _ = imbalanced(lambda name, level, _: 0.3 * level - (5 if name == "AT" else 0))
    assert set(robust(section)["finding"]) == {"not shown"}
    levels = section.tables[0].frame.set_index(["baseline", "level"])
    assert levels.loc[("AT", 20.0), "lost"] == pytest.approx(0.3 * 19, abs=0.3)
    assert math.isnan(levels.loc[("AT", 1.0), "lost"])


def test_clean_teachers_and_the_size_matched_arm_are_beside_it() -> None:
    def loss(name: str, level: float, condition: str | None) -> float:
        clean, even = has_any(condition, (CLEAN_TEACHER,)), "even" in str(condition)
        return (0.1 if even else 0.3) * level - (2 if clean else 0)

    words = [None, "exp20", "evenexp20"]
    section, frame, saved = imbalanced(loss, imbalance=words, teacher_sees=["same", "clean"])
    arms = section.folded[0].frame.set_index(["arm", "baseline"])
    assert "Direct" not in arms.loc["clean teacher"].index, "it has no teacher"
    assert arms.loc[("clean teacher", "AT"), "difference"] == pytest.approx(2, abs=0.3)
    assert arms.loc[("same size, balanced", "Direct"), "difference"] == pytest.approx(4, abs=0.3)
    said = "arm “clean teacher” against the usual one: 2 better and 0 worse of 2 comparisons are shown"
    assert any(said in one for one in section.sentences)
    assert [one.name for one in section.drawings][-1] == "imbalance-arms"
    assert "Direct" not in arms.loc["clean teacher, same size, balanced"].index, "it is in the arm without a teacher"
    (line,) = [one for one in lines_of(frame, FACTOR) if one.arm == "clean teacher"]
    assert set(line.parts[20.0]["baseline"]) == set(NAMES), "Direct of the same images"
    assert line.teachers[20.0] == 90.0
    page = html(compose_report(frame, saved.output.root, saved.config))
    assert 'id="imbalance"' in page


def test_each_arm_has_its_findings_and_its_name() -> None:
    """“No method is shown” of one arm was read of all, while the table had shown rows in others."""

    def loss(name: str, level: float, condition: str | None) -> float:
        return (0.1 if name == "AT" and has_any(condition, (CLEAN_TEACHER,)) else 0.3) * level

    words = [None, "exp10", "exp20", "evenexp20"]
    section, _, _ = imbalanced(loss, imbalance=words, teacher_sees=["same", "clean"])
    none = "no method is shown to lose less than Direct, or more"
    said = [one for one in section.sentences if none in one]
    assert said[0].startswith("Exponential imbalance, arm “same”: ")
    assert said[1].startswith("Exponential imbalance, arm “same size, balanced”: "), "it has no shown row"
    assert section.sentences[0].startswith("Exponential imbalance, arm “same”, factor 20: ")
    less = [one for one in section.sentences if "shown to lose less than Direct" in one and none not in one]
    assert less[0].startswith("Exponential imbalance, arm “clean teacher”: ")
    arms = {arm for arm in robust(section).index.get_level_values("arm") if f"arm “{arm}”: shown" in " ".join(less)}
    shown = section.tables[1].frame
    assert arms == set(shown.loc[shown["p_holm"] < 0.05, "arm"]), "each arm with a shown row has a sentence"


def test_who_ends_near_chance_cannot_lose_more() -> None:
    """AT loses less than Direct: it ends at 11 % of 10 classes, from 31 %."""
    start = {"AT": 49.0}
    section, _, _ = imbalanced(
        lambda name, level, _: start.get(name, 0.0) + (20.0 if name == "AT" else 40.0) * (level == 20)
    )
    row = robust(section).loc[("same", "AT", 20)]
    assert (row["finding"], row["near_chance"]) == ("less", "AT")
    assert set(robust(section).drop(index=("same", "AT", 20))["near_chance"]) == {""}
    said = " ".join(section.sentences)
    assert "AT at factor 20, -" in said
    assert ", but AT is near chance there" in said
    assert "at or near chance are, by mean accuracy, at factor 20 AT. Who is there cannot lose much more" in said
    assert "near chance" in section.tables[1].headings
    assert "Near chance: which of the two" in section.tables[1].note
    plain, _, _ = imbalanced(lambda name, level, _: 0.3 * level)
    assert "near chance" not in plain.tables[1].headings
    assert not any("chance are" in one for one in plain.sentences)


@pytest.mark.parametrize("runs", [1, 2])
def test_few_runs(runs: int) -> None:
    section, _, _ = imbalanced(lambda name, level, _: 0.3 * level, runs=runs)
    said = " ".join(section.sentences)
    assert ("one run shows nothing" in said) == (runs == 1)
    assert "nan" not in said


def test_noise() -> None:
    frame, saved = made(
        lambda name, level, _: (10 if name == "AT" else 30) * level,
        {"label_noise": [None, "sym0.2", "sym0.4", "asym0.4"], "clean_validation": [False, True]},
        RATE,
    )
    section = noise.section(frame, NAMES, saved)
    assert section is not None
    assert set(robust(section).loc[("same", "AT")]["finding"]) == {"less"}
    assert {one.kind for one in lines_of(frame, RATE)} == {"sym", "asym"}
    assert "clean validation" in set(section.tables[0].frame["arm"])
    assert any("wrong labels that are memorised 30.0% of every method" in one for one in section.sentences)
    assert not any("hpmkd measure" in one for one in section.sentences)
    unasked = noise.section(frame.assign(memorised_pct=math.nan), NAMES, saved)
    assert unasked is not None
    assert "hpmkd measure" in unasked.sentences[-1]
    assert "108 of 108 students were not asked" in unasked.sentences[-1]


def test_only_where_there_are_such_models() -> None:
    frame, saved = made(lambda *_: 0.0, {}, FACTOR, runs=2)
    assert imbalance.section(frame, NAMES, saved) is None
    assert noise.section(frame, NAMES, saved) is None
    frame, saved = made(lambda *_: 0.0, {"imbalance": "exp1"}, FACTOR, runs=2)
    assert imbalance.section(frame, NAMES, saved) is None


def test_without_the_models_to_compare_with() -> None:
    section, _, _ = imbalanced(lambda name, level, _: level, imbalance=["exp10"])
    assert "is not known, because none is trained without it as well" in section.sentences[0]
    assert len(section.tables) == 1


@pytest.mark.parametrize(
    ("condition", "axis", "base"),
    [
        ("exp10", FACTOR, None),
        ("n5-exp10", FACTOR, "n5"),
        ("exp10-cleanTeacher", FACTOR, None),
        ("exp10-sym0.2-cleanVal-cleanTeacher", FACTOR, "sym0.2-cleanVal-cleanTeacher"),
        ("exp10-sym0.2-cleanVal-cleanTeacher", RATE, "exp10-cleanTeacher"),
        ("sym0.2-cleanVal", RATE, None),
    ],
)
def test_what_is_without_it(condition: str, axis: Any, base: str | None) -> None:
    assert base_of(condition, axis) == base


def test_two_kinds_and_two_places(tmp_path: Path) -> None:
    frame, saved = made(
        lambda name, level, _: level / 10,
        {"imbalance": [None, "exp10", "step10"]},
        FACTOR,
        datasets=["Digits", "Digits@n900"],
        root=tmp_path,
    )
    section = imbalance.section(frame, NAMES, saved)
    assert section is not None
    assert {(one.place, one.kind) for one in lines_of(frame, FACTOR)} == {
        (place, kind) for place in ("Digits", "Digits@n900") for kind in ("exp", "step")
    }
    assert any(one.startswith("Digits@n900: step imbalance") for one in section.sentences)


def test_many_methods_have_a_row_each() -> None:
    """Their intervals could not be told apart as lines."""
    names = ["Direct", *(f"TraditionalKD-T{number}" for number in range(5, 15))]
    frame, saved = made(
        lambda name, level, _: level, {"imbalance": [None, "exp5", "exp10"]}, FACTOR, runs=2, baselines=names
    )
    section = imbalance.section(frame, names, saved)
    assert section is not None
    figure = next(one.figure for one in section.drawings if one.name == "imbalance-robust")
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == names[1:]
    assert axes.get_title(loc="left") + axes.get_title(loc="right") == "Digits: exponential imbalance, factor 10"
