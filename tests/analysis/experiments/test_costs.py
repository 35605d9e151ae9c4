"""What accuracy costs: planted frontiers, prices and budgets are found, and nothing is interpolated."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from scipy import stats as scipy_stats
from support.frames import CURVES
from support.varied import scored, sweep

from hpmkd.analysis.experiments import costs
from hpmkd.analysis.report.content import compose
from hpmkd.analysis.report.write import html, markdown
from hpmkd.analysis.section import Section, Table
from hpmkd.audit.status import Status
from hpmkd.audit.sweep_dir import Saved
from hpmkd.plan.work import training_multiply_adds

NAMES = ["Direct", "TraditionalKD", "AT"]
EPOCHS = [{"baselines": ["Direct"], "fit.student_epochs": [2, 4, 8, 16]}]


def made(effect: Callable[[str], float], noise: float = 0.1, **more: Any) -> tuple[pd.DataFrame, Saved]:
    return sweep(scored(effect, noise=noise), **{"baselines": NAMES, "runs": 5, **more})


def section_of(frame: pd.DataFrame, saved: Saved, order: list[str] | None = None) -> Section:
    section = costs.section(frame, order or NAMES, saved)
    assert section is not None
    return section


def table(section: Section, name: str) -> pd.DataFrame:
    (found,) = [one for one in (*section.tables, *section.folded) if one.name == name]
    return found.frame


def effect_of(values: dict[str, float]) -> Callable[[str], float]:
    return lambda name: values.get(name, 0.0)


def epochs_of(label: str) -> int:
    found = re.search(r"epochs(\d+)", label)
    return int(found[1]) if found else 2


def test_cost_of_one_student_by_hand() -> None:
    """Of the plan: its own training, and its share of the teacher's."""
    frame, saved = made(effect_of({"TraditionalKD": 1.0}))
    rows = table(section_of(frame, saved), "costs").set_index("name")
    work = {job.key: training_multiply_adds(job) for job in saved.jobs}
    teacher, own = work["teacher_Digits"], work["student_Digits_TraditionalKD_run1"]
    assert teacher is not None
    assert own is not None
    for text, students in (("1", 1), ("5", 5), ("20", 20), ("∞", math.inf)):
        assert rows.loc["TraditionalKD", f"cost_{text}"] == pytest.approx(own + teacher / students)
        assert rows.loc["Direct", f"cost_{text}"] == work["student_Digits_Direct_run1"]
    seconds = table(section_of(frame, saved), "costs-seconds").set_index("name")
    assert seconds.loc["AT", ["cost_1", "cost_5", "cost_∞"]].tolist() == [4.0, 2.4, 2.0], "two epochs of a second each"


def test_the_frontier_of_planted_accuracies() -> None:
    rows = table(section_of(*made(effect_of({"TraditionalKD": 1.0, "AT": -1.0}))), "costs").set_index("name")
    assert rows["on_1"].to_dict() == {"Direct": True, "TraditionalKD": True, "AT": False}
    assert rows["frontier_∞"].to_dict() == {"Direct": 100.0, "TraditionalKD": 100.0, "AT": 0.0}
    open_ = table(section_of(*made(effect_of({"TraditionalKD": 0.05}), noise=0.5)), "costs").set_index("name")
    assert 0 < open_.loc["TraditionalKD", "frontier_1"] < 100


def test_the_frontier_in_words() -> None:
    """Both measures together where they agree; how often it is so only where that is not nearly always."""
    section = section_of(*made(effect_of({"TraditionalKD": 1.0, "AT": -1.0})))
    assert section.sentences[0] == (
        "Counted in multiply-adds and seconds of one student that pays for all that it learns from, 2 of 3 baselines "
        "are the best for what they cost: Direct and TraditionalKD; the other one is beaten by one of these that "
        "costs no more (by mean accuracy and mean cost; nothing is tested)."
    )
    # Where the teacher is there already, both take as many seconds in this frame.
    assert section.sentences[1].startswith("Counted in multiply-adds of one student for which all that it learns from")
    told = "1 of 3 baselines is the best for what it costs: TraditionalKD; each of the other 2 is beaten by one"
    assert told in section.sentences[2]
    open_ = section_of(*made(effect_of({"TraditionalKD": 0.05}), noise=0.5))
    assert re.search(r"TraditionalKD \(in \d+ % of resamples\)", " ".join(open_.sentences))


def test_many_places_are_told_together() -> None:
    """A sweep of nine conditions had a page of sentences that said the same, and eighteen figures."""
    networks = {f"w{n}": {"student": {"arch": "lenet5", "channels": [n, 2 * n, 10 * n]}} for n in (2, 3, 4, 5)}
    frame, saved = made(effect_of({"TraditionalKD": 1.0, "AT": -1.0}), pairs=networks)
    section = section_of(frame, saved)
    assert section.sentences[0] == (
        "Counted in multiply-adds of one student that pays for all that it learns from, in 4 places: the best for what "
        "they cost are Direct in 4 and TraditionalKD in 4 (by mean accuracy and mean cost; nothing is tested)."
    )
    assert "TraditionalKD is shown to be above Direct in 4 of 4 places; a point costs " in " ".join(section.sentences)
    assert len(section.sentences) <= 6
    assert {"w2", "w3", "w4", "w5"} == {place.rpartition("+")[2] for place in table(section, "costs")["place"]}
    (first, *_) = section.drawings
    titles = [axes.get_title(loc="left") or axes.get_title(loc="right") for axes in first.figure.axes]
    assert len(titles) == 6
    assert not any("w5" in title for title in titles)
    assert "The first 3 of 4 places; the others stand in the tables." in first.caption
    few, saved = made(effect_of({"TraditionalKD": 1.0}), pairs=dict(list(networks.items())[:3]))
    assert all(re.match(r"\S+\+w\d: ", text) for text in section_of(few, saved).sentences)


def test_what_a_point_costs() -> None:
    frame, saved = made(effect_of({"TraditionalKD": 1.0, "AT": -1.0}))
    section = section_of(frame, saved)
    prices = table(section, "costs-prices")
    assert set(prices["name"]) == {"TraditionalKD"}, "only what is shown to be above Direct"
    shown = table(section, "costs").set_index("name")
    wide = frame[frame["role"] == "student"].pivot(index="run", columns="baseline", values="accuracy_pct")
    interval = scipy_stats.ttest_rel(wide["TraditionalKD"], wide["Direct"]).confidence_interval(0.95)
    for row, text in zip(prices.to_dict("records"), ("1", "5", "20", "∞"), strict=True):
        more = shown.loc["TraditionalKD", f"cost_{text}"] - shown.loc["Direct", f"cost_{text}"]
        assert row["price"] == pytest.approx(more / (wide["TraditionalKD"] - wide["Direct"]).mean())
        assert (row["price_low"], row["price_high"]) == (
            pytest.approx(more / interval.high), pytest.approx(more / interval.low),
        )  # fmt: skip
        assert row["trainings"] == pytest.approx(row["price"] / shown.loc["Direct", "cost_1"])
    assert any(text.startswith("A point over Direct by TraditionalKD costs") for text in section.sentences)
    none = section_of(*made(lambda _: 0.0, noise=0.5))
    assert "No baseline is shown to be above Direct, so that no point of accuracy has a price." in none.sentences


def budget(effect: Callable[[str], float], **more: Any) -> tuple[Section, pd.DataFrame]:
    section = section_of(*made(effect, **{"vary": EPOCHS, **more}))
    return section, table(section, "costs-budgets")


def test_at_equal_cost_longer_training_can_beat_a_teacher() -> None:
    """Distillation buys 1 point at equal epochs, each doubling of the epochs 2: at equal cost it loses."""
    section, rows = budget(lambda name: 2 * math.log2(epochs_of(name)) + (1.0 if name == "TraditionalKD" else 0.0))
    own = rows[(rows["name"] == "TraditionalKD") & (rows["students"] == 1)]
    assert own["beside"].tolist() == ["Direct-epochs8", "Direct-epochs16"], "its cost lies between"
    assert own["beside_cost"].iloc[0] < own["cost"].iloc[0] < own["beside_cost"].iloc[1]
    assert set(own["finding"]) == {"worse"}
    ratio = own["cost"].iloc[0] / table(section, "costs").set_index("name").loc["Direct", "cost_1"]
    assert own["epochs"].iloc[0] == round(2 * ratio)
    assert any("that pays for all that it learns from: shown to be worse: TraditionalKD" in text
               for text in section.sentences)  # fmt: skip


def test_a_teacher_that_pays_is_better_than_a_dearer_direct() -> None:
    _, rows = budget(lambda name: 0.2 * math.log2(epochs_of(name)) + (3.0 if name == "TraditionalKD" else 0.0))
    assert set(rows.loc[rows["name"] == "TraditionalKD", "finding"]) == {"better"}


def test_between_both_nothing_is_claimed_and_beyond_the_dearest_nothing_is_measured() -> None:
    values = {"Direct": 0.0, "Direct-epochs4": 1.0, "Direct-epochs8": 2.0, "Direct-epochs16": 4.0, "TraditionalKD": 3.0}
    _, rows = budget(effect_of(values))
    own = rows[(rows["name"] == "TraditionalKD") & (rows["students"] == 1)]
    assert own["difference"].round().tolist() == [1.0, -1.0]
    assert set(own["finding"]) == {"not shown"}
    few = [{"baselines": ["Direct"], "fit.student_epochs": [2, 4]}]
    section, rows = budget(effect_of({"TraditionalKD": 3.0}), vary=few)
    own = rows[(rows["name"] == "TraditionalKD") & (rows["students"] == 1)]
    assert (own["beside"].tolist(), own["finding"].tolist()) == (["Direct-epochs4"], ["not measured"])
    assert any("Direct was not trained for as much: TraditionalKD" in text for text in section.sentences)


def test_a_cost_that_is_equal_is_compared_with_that_alone() -> None:
    """With logits that are there already, distillation costs what Direct costs."""
    _, rows = budget(effect_of({"TraditionalKD": 1.0}), kd__logits="cached")
    own = rows[(rows["name"] == "TraditionalKD") & (rows["students"] == math.inf)]
    assert (own["beside"].tolist(), own["finding"].tolist()) == (["Direct"], ["better"])
    assert own["epochs"].tolist() == [2]


def test_holm_is_over_the_comparisons_for_one_number_of_students() -> None:
    _, rows = budget(lambda name: 0.1 * epochs_of(name), noise=0.5)
    for _, part in rows.groupby("students"):
        first = part.sort_values("p").iloc[0]
        assert first["p_holm"] == pytest.approx(min(1.0, len(part) * first["p"]))


def test_noise_alone_gives_next_to_no_finding() -> None:
    found = 0
    for seed in range(5):
        frame, saved = sweep(scored(lambda _: 0.0, noise=0.5, seed=seed), baselines=NAMES, vary=EPOCHS, runs=5)
        section = section_of(frame, saved)
        found += int(table(section, "costs-budgets")["finding"].isin(["better", "worse"]).any())
        found += int("costs-prices" in {one.name for one in section.tables})
    assert found <= 2


def test_which_sweeps_have_it() -> None:
    frame, saved = made(lambda _: 0.0)
    assert costs.section(frame, NAMES, Saved(saved.output, saved.config, ())) is None, "no plan, no multiply-adds"
    assert costs.section(frame[frame["baseline"] != "Direct"], NAMES, saved) is not None
    assert costs.section(frame[~frame["baseline"].isin(["AT", "Direct"])], NAMES, saved) is None, "one baseline"
    one_run = section_of(frame[frame["run"].isna() | (frame["run"] == 1)], saved)
    assert any("it may be chance" in text for text in one_run.sentences)
    assert table(one_run, "costs")["frontier_1"].isna().all()


def test_cells_that_validation_images_compare_are_left_out() -> None:
    grid = [{"baselines": ["TraditionalKD"], "kd.temperature": [1, 2, 4, 8]}]
    frame, saved = made(lambda _: 0.0, noise=1.0, vary=grid)
    names = set(table(section_of(frame, saved), "costs")["name"])
    assert len([name for name in names if name.startswith("TraditionalKD")]) in (1, 2), "the chosen one and the usual"


def test_seconds_that_are_not_known_are_left_out() -> None:
    frame, saved = made(effect_of({"TraditionalKD": 1.0}))
    frame["train_seconds"] = float("nan")
    section = section_of(frame, saved)
    assert [one.name for one in (*section.tables, *section.folded) if isinstance(one, Table)] == [
        "costs", "costs-prices",
    ]  # fmt: skip


def test_the_page(tmp_path: Path) -> None:
    effect = lambda name: 2 * math.log2(epochs_of(name)) + (1.0 if name == "TraditionalKD" else 0.0)  # noqa: E731
    frame, saved = made(effect, vary=EPOCHS, datasets=["Digits", "Digits@n100"])
    status = Status(str(tmp_path), "stopped", None, models=(), command=None)
    report = compose(saved, frame, status, pd.DataFrame(columns=CURVES))
    page, text = html(report), markdown(report)
    part = page[page.index('<section id="costs">') :].partition("</section>")[0]
    for name in ("figure-costs", "figure-costs-seconds", "figure-costs-budgets", "table-costs", "table-costs-prices",
                 "fold-costs-seconds", "fold-costs-budgets"):  # fmt: skip
        assert f'id="{name}"' in part
    assert not re.search(r">(nan|None|inf)<", part)
    assert "## What accuracy costs" in text
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
