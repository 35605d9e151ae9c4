"""Grids of settings: the choice is made on validation images, and no more is said than the numbers show."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from support.frames import compose_report
from support.varied import Score, scored, sweep

from hpmkd.analysis.experiments import sensitivity
from hpmkd.analysis.experiments.choice import choose
from hpmkd.analysis.experiments.corrected import holm, shared_choice
from hpmkd.analysis.plots.grids import Panel, heat_maps
from hpmkd.analysis.report.write import html, markdown
from hpmkd.analysis.section import Section
from hpmkd.audit.chosen import KEYS
from hpmkd.audit.grids import grids_of
from hpmkd.audit.sweep_dir import Saved

KD = {"baselines": ["TraditionalKD"], "kd.temperature": [2, 4, 8], "kd.alpha": [0.5, 0.9]}
HPM = {**KD, "baselines": ["HPM-KD-noAdaptive"]}


def grid(score: Score, runs: int = 5, vary: Any = (KD,), **more: Any) -> tuple[pd.DataFrame, Saved]:
    return sweep(score, baselines=["Direct"], vary=list(vary), runs=runs, **more)


def section_of(frame: pd.DataFrame, saved: Saved) -> Section:
    section = sensitivity.section(frame, [], saved)
    assert section is not None
    return section


def best(name: str, points: float) -> Any:
    return lambda label: points * (label == name)


def test_the_choice_is_made_on_validation_images() -> None:
    """Test images would choose another cell; nothing of it is seen, in no number of the section."""
    lucky, chosen = "TraditionalKD-T8", "TraditionalKD-T2-a0.5"
    frame, saved = grid(scored(best(lucky, 5.0), validation=best(chosen, 2.0)))
    section = section_of(frame, saved)
    (row,) = section.tables[0].frame.to_dict("records")
    assert row["chosen"] == chosen
    assert "highest on validation images is T = 2, alpha = 0.5" in section.sentences[0]
    own = frame[frame["baseline"] == chosen]["accuracy_pct"]
    assert row["test_pct"] == pytest.approx(own.mean())
    hidden = frame[~frame["baseline"].isin([chosen, "TraditionalKD"])]["accuracy_pct"].dropna()
    (cells,) = section.folded
    numbers = set(cells.frame.select_dtypes("number").to_numpy().ravel()) | set(row.values())
    assert not numbers & {*hidden, *hidden.groupby(frame["baseline"]).mean()}
    assert "accuracy_pct" not in cells.frame


def test_no_part_of_a_report_has_test_accuracies_of_other_cells(tmp_path: Path) -> None:
    """Neither means nor differences, intervals or models: in no table, and in no text."""
    lucky, chosen, named = "TraditionalKD-T8", "TraditionalKD-T2-a0.5", "TraditionalKD-T8-a0.5"
    score = scored(best(lucky, 5.0), validation=best(chosen, 2.0))
    frame, saved = sweep(score, tmp_path, baselines=["Direct", named], vary=[KD], runs=5)
    report = compose_report(frame, tmp_path, saved.config)
    shown = {"Direct", chosen, "TraditionalKD", named}
    accuracy = report.table("accuracy")
    assert accuracy is not None
    assert set(accuracy.frame["baseline"]) - {"teacher"} == shown
    hidden = frame[(frame["role"] == "student") & ~frame["baseline"].isin(shown)]
    assert set(hidden["baseline"]) == {lucky, "TraditionalKD-T2", "TraditionalKD-a0.5"}
    secret = {*hidden["accuracy_pct"], *hidden.groupby("baseline")["accuracy_pct"].mean()}
    direct = frame[frame["baseline"] == "Direct"].set_index("run")["accuracy_pct"]
    for _, part in hidden.groupby("baseline"):
        secret.add(round((part.set_index("run")["accuracy_pct"] - direct).mean(), 9))
    for table in report.all_tables:
        numbers = table.frame.select_dtypes("number").astype("float64").to_numpy().ravel()
        assert not secret & {*numbers, *numbers.round(9)}, table.name
    models = report.table("models")
    assert models is not None
    assert len(models.frame) == len(frame), "each model is listed"
    assert models.frame.loc[models.frame["baseline"] == lucky, "validation_accuracy_pct"].notna().all()
    assert sum("3 cells of grids are compared on validation images alone" in line for line in report.cautions) == 1
    assert lucky not in " ".join(report.conclusions)


def test_figures_show_the_few_in_colours_of_their_own(tmp_path: Path) -> None:
    """Among 60 cells two of those that are shown had the same colour, and the learning curves a legend of all."""
    vary = {"baselines": ["TraditionalKD", "HPM-KD-noAdaptive"], "kd.temperature": [1, 2, 4, 6, 8, 10]}
    vary["kd.alpha"] = [0.1, 0.3, 0.5, 0.7, 0.9]
    frame, saved = sweep(scored(best("TraditionalKD-a0.7", 1.0)), tmp_path, baselines=["Direct"], vary=[vary], runs=2)
    students = frame.loc[frame["role"] == "student", ["baseline", "run"]]
    numbers = {
        "place": "MNIST",
        "epoch": 1,
        "train_loss": 0.5,
        "validation_accuracy_pct": 90.0,
        "lr": 0.1,
        "train_seconds": 1.0,
    }
    report = compose_report(frame, tmp_path, saved.config, students.assign(**numbers))
    accuracy, curves, names = report.table("accuracy"), report.drawing("curves"), report.drawing("accuracy")
    assert accuracy is not None
    assert curves is not None
    assert names is not None
    shown = list(dict.fromkeys(accuracy.frame.loc[accuracy.frame["baseline"] != "teacher", "baseline"]))
    assert len(shown) == 5
    legend = [text.get_text() for text in curves.figure.legends[0].get_texts()]
    assert legend == shown
    assert dict(report.facts)["baselines"].endswith(" and 37 more")
    means = [line.get_color() for line in names.figure.axes[0].lines if line.get_marker() == "D"]
    assert len(set(means)) == len(shown)


def test_grids_of_other_sections_are_shown_whole(tmp_path: Path) -> None:
    vary = {"baselines": ["TAKD"], "takd.steps": [1, 2, 3]}
    frame, saved = sweep(scored(lambda _: 0.0), tmp_path, baselines=["Direct"], vary=[vary], runs=3)
    report = compose_report(frame, tmp_path, saved.config)
    accuracy = report.table("accuracy")
    assert accuracy is not None
    assert {"TAKD", "TAKD-steps2", "TAKD-steps3"} < set(accuracy.frame["baseline"])
    assert not any("cells of grids" in line for line in report.cautions)


def test_a_planted_setting_is_found_and_its_worth_is_that_of_test_images() -> None:
    frame, saved = grid(scored(best("TraditionalKD-T2-a0.5", 1.5), noise=0.15))
    section = section_of(frame, saved)
    (row,) = section.tables[0].frame.to_dict("records")
    assert row["chosen"] == "TraditionalKD-T2-a0.5"
    assert row["gain_low"] < 1.5 < row["gain_high"]
    assert row["anew"] == pytest.approx(row["gain"]), "every run is told the same cell by the others"
    assert row["p_holm"] < 0.05
    assert any("choosing pays" in line for line in section.sentences)
    assert row["near_pct"] == pytest.approx(100 / 6)
    assert "; 1 of 6 cells is within 0.5 points of it" in section.sentences[0]
    tested = re.compile(r"to [+-][\d.]+, p \(Holm\) [<=] 0\.\d+ against the default")
    assert any(tested.search(line) for line in section.sentences)


def test_noise_alone_gives_next_to_no_finding() -> None:
    """Of thirty cells the best looks better; chosen anew for each run it does not."""
    wide = {"baselines": ["TraditionalKD"], "kd.temperature": [1, 2, 4, 8], "kd.alpha": [0.1, 0.5, 0.9]}
    frame, saved = grid(scored(lambda _: 0.0), vary=[wide])
    (own,) = grids_of(saved.config, KEYS)
    found, regrets = [], []
    for seed in range(40):
        draw = np.random.default_rng(seed)
        for column in ("accuracy_pct", "validation_accuracy_pct"):
            frame[column] = 80 + draw.normal(0, 0.3, len(frame))
        choice = choose(own, frame[frame["role"] == "student"])
        assert choice is not None
        found.append(shared_choice(choice.anew)["p"] < 0.05)
        regrets.append(float(choice.regret.mean()))
    assert sum(found) <= 4
    assert np.mean(regrets) > 0.1, "the highest of many means is high by luck"


def test_the_words_follow() -> None:
    frame, saved = grid(scored(best("TraditionalKD", 1.0), noise=0.1))
    assert any(
        "the default (T = 4, alpha = 0.9) is the one that is chosen" in one
        for one in section_of(frame, saved).sentences
    )
    frame, saved = grid(scored(best("TraditionalKD", 1.0)), runs=1)
    assert any("one run per cell cannot say" in one for one in section_of(frame, saved).sentences)
    odd = {"baselines": ["TraditionalKD"], "kd.temperature": [2, 8]}
    frame, saved = grid(scored(best("TraditionalKD-T2", 1.0)), vary=[odd])
    assert any("the default (T = 4) is none of these cells" in one for one in section_of(frame, saved).sentences)


def test_cells_that_are_all_alike() -> None:
    frame, saved = grid(scored(lambda _: 0.0, noise=0.0))
    section = section_of(frame, saved)
    assert "6 of 6 cells are within 0.5 points of it, the lowest is 0.00 points below." in section.sentences[0]
    assert any("it is the default in every run" in one for one in section.sentences)
    assert "(and below)" not in section.drawings[0].caption


def test_meta_temperature_is_named_where_it_multiplies() -> None:
    frame, saved = grid(scored(lambda _: 0.0), vary=[KD, HPM])
    said = [one for one in section_of(frame, saved).sentences if "meta temperature multiplies T" in one]
    assert len(said) == 1
    assert said[0].startswith("HPM-KD-noAdaptive")
    assert "from 0.5 T to 1.5 T" in said[0]


def test_cells_that_lack_runs_are_no_candidates() -> None:
    frame, saved = grid(scored(best("TraditionalKD-T8", 5.0)))
    frame = frame[~((frame["baseline"] == "TraditionalKD-T8") & (frame["run"] > 3))]
    frame = frame[frame["baseline"] != "TraditionalKD-T2"]
    section = section_of(frame, saved)
    (row,) = section.tables[0].frame.to_dict("records")
    assert (row["chosen"] == "TraditionalKD-T8", row["cells"], row["trained"], row["candidates"]) == (False, 6, 5, 4)
    assert any("2 of 6 cells lack runs" in one for one in section.sentences)


def test_searching_costs_all_cells() -> None:
    frame, saved = grid(scored(lambda _: 0.0))
    (row,) = section_of(frame, saved).tables[0].frame.to_dict("records")
    assert row["seconds"] == 2 + 6 * 5 * 2, "a teacher, six cells, five runs, two epochs each"
    assert row["seconds_one"] == 2 + 5 * 2
    assert 1 < row["multiply_adds"] / row["multiply_adds_one"] < 6


def test_both_heat_maps_have_one_scale_and_one_key_is_a_line() -> None:
    frame, saved = grid(scored(best("TraditionalKD-T2-a0.5", 3.0)), vary=[KD, HPM])
    section = section_of(frame, saved)
    (drawing,) = section.drawings
    assert drawing.name == "sensitivity"
    shades: dict[float, set[float]] = {}
    for axes in drawing.figure.axes:
        for patch, text in zip(
            [one for one in axes.patches if one.get_alpha() and one.get_width() == 1], axes.texts, strict=True
        ):
            shades.setdefault(float(text.get_text()), set()).add(round(float(patch.get_alpha() or 0), 6))
    assert len(shades) > 8
    ordered = [max(shades[value]) for value in sorted(shades)]
    assert ordered == sorted(ordered)
    frame, saved = sweep(scored(lambda _: 0.0), baselines=["AT", "AT-beta10", "AT-beta1000"], runs=3)
    assert [one.name for one in section_of(frame, saved).drawings] == ["sensitivity-lines"]


def test_many_cells_stay_legible() -> None:
    """Numbers that would overlap are left out, as are names of columns between others."""
    for columns, numbers, names in ((5, 10, 5), (12, 24, 12), (40, 0, 10)):
        cells = {(row, column): 80.0 + column for row in range(2) for column in range(columns)}
        keys = ([str(row) for row in range(2)], [str(column) for column in range(columns)])
        figure, low, high = heat_maps([Panel("x", ("a", "b"), keys, cells, dict.fromkeys(cells, ""))])
        assert (len(figure.axes[0].texts), len(figure.axes[0].get_xticklabels())) == (numbers, names)
        assert low < high == 79.0 + columns


def test_three_settings_are_several_maps() -> None:
    vary = {**KD, "kd.until": [0.5, 1.0]}
    frame, saved = grid(scored(lambda _: 0.0), vary=[vary], runs=2)
    (drawing,) = section_of(frame, saved).drawings
    assert [axes.get_title(loc="left") for axes in drawing.figure.axes] == [
        "TraditionalKD, kd.until 0.5", "TraditionalKD, kd.until 1",
    ]  # fmt: skip


def test_what_other_sections_are_about_is_none_of_this() -> None:
    for vary in ({"baselines": ["TAKD"], "takd.steps": [1, 2]}, {"baselines": ["HPM-KD"], "hpmkd.teachers": [1, 2]}):
        frame, saved = sweep(scored(lambda _: 0.0), baselines=["Direct"], vary=[vary], runs=2)
        assert sensitivity.section(frame, [], saved) is None
    frame, saved = sweep(scored(lambda _: 0.0), baselines=["Direct", "HPM-KD", "AT"], runs=2)
    assert sensitivity.section(frame, [], saved) is None


def test_the_page(tmp_path: Path) -> None:
    frame, saved = grid(scored(best("TraditionalKD-T2-a0.5", 1.0)), vary=[KD, HPM])
    report = compose_report(frame, tmp_path, saved.config)
    page, text = html(report), markdown(report)
    part = page[page.index('<section id="sensitivity">') :].partition("</section>")[0]
    for name in ("figure-sensitivity", "table-sensitivity", "fold-sensitivity-cells"):
        assert f'id="{name}"' in part
    assert "validation images (not test images)" in part
    assert not re.search(r">(nan|None|inf)<", part)
    assert "## Sensitivity to settings" in text


def test_holm_by_hand() -> None:
    assert holm([0.01, float("nan"), 0.04, 0.03]) == pytest.approx([0.03, float("nan"), 0.06, 0.06], nan_ok=True)
    assert holm([]) == []


def test_runs_that_share_their_choice_count_less() -> None:
    """By hand: mean 1, sd 1, n = 3: the error is sqrt(1/3 + 1/2), t with 2 degrees of freedom at 97.5 % is 4.303."""
    row = shared_choice(pd.Series([0.0, 1.0, 2.0]))
    assert row["low"] == pytest.approx(1 - 4.3027 * (1 / 3 + 1 / 2) ** 0.5, abs=1e-3)
    assert row["p"] == pytest.approx(0.388, abs=1e-3)
    assert np.isnan(shared_choice(pd.Series([0.5, 0.5]))["p"])
    assert np.isnan(shared_choice(pd.Series(dtype="float64"))["difference"])
