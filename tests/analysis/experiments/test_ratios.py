"""Students of several sizes: a planted gap and what is closed of it are found, and hidden where there is none."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats as scipy_stats
from support.frames import compose_report
from support.varied import Score, sweep

from hpmkd.analysis.experiments import ratios
from hpmkd.analysis.plots.sizes import over_ratio
from hpmkd.analysis.plots.style import render
from hpmkd.analysis.report.content import Report, compose
from hpmkd.analysis.report.write import html, markdown
from hpmkd.analysis.section import Section
from hpmkd.audit.status import Status
from hpmkd.audit.sweep_dir import Saved
from hpmkd.plan.job import Job

SIZES = [2, 4, 10, 20]
NAMES = ["Direct", "TraditionalKD", "AT"]
TEACHER = 95.0


def planted(
    gap: Callable[[float], float], closed: Callable[[str, float], float], noise: float = 0.1, seed: int = 0
) -> Score:
    """Direct is `gap` points below the teacher at a ratio; a method closes a part of it."""
    draw = np.random.default_rng(seed)
    luck = draw.normal(0, 0.5, 100)

    def score(job: Job) -> tuple[float, float]:
        if job.role != "student":
            return TEACHER, TEACHER
        ratio = float((job.pair or "r1").removeprefix("r"))
        mean = TEACHER - gap(ratio) * (1 - closed(str(job.baseline), ratio)) + luck[job.run or 0]
        value = float(mean + draw.normal(0, noise))
        return value, value

    return score


def made(score: Score, **more: Any) -> tuple[pd.DataFrame, Saved]:
    return sweep(score, **{"baselines": NAMES, "ratios": SIZES, "runs": 8, **more})


def section_of(frame: pd.DataFrame, saved: Saved) -> Section:
    section = ratios.section(frame, NAMES, saved)
    assert section is not None
    return section


def flat(job: Job) -> tuple[float, float]:
    return 90.0, 90.0


def part_closed(name: str, ratio: float) -> float:
    return {"TraditionalKD": 0.6, "AT": 0.2}.get(name, 0.0)


def test_a_planted_gap_and_what_is_closed_of_it() -> None:
    section = section_of(*made(planted(lambda ratio: 2 * math.log2(ratio), part_closed)))
    sizes, numbers = (table.frame for table in section.tables)
    assert sizes["gap_finding"].tolist() == ["above"] * 4
    for row in sizes.to_dict("records"):
        assert row["gap_low"] < 2 * math.log2(round(row["ratio"])) < row["gap_high"]
    kd = numbers[numbers["name"] == "TraditionalKD"]
    assert ((kd["share_low"] < 60) & (kd["share_high"] > 60)).all()
    assert numbers.loc[numbers["name"] == "Direct", "share_pct"].isna().all()
    (last,) = [text for text in section.sentences if text.startswith("Of the gap at a ratio of 19.9")]
    assert re.search(r"TraditionalKD 6\d % .* AT \d\d % ", last)
    assert "shown to be above Direct at each of the 4 sizes" in section.sentences[1]


def test_what_a_method_buys_more_of_with_smaller_students() -> None:
    section = section_of(*made(planted(lambda ratio: 2 * math.log2(ratio), part_closed)))
    assert any("The largest that is shown, at 19.9: +" in text for text in section.sentences)
    trends = section.folded[1].frame.set_index(["name", "reference"])
    row = trends.loc[("TraditionalKD", "Direct")]
    assert row["low"] < 1.2 < row["high"], "0.6 of 2 points a doubling"
    assert row["p_holm"] < 0.05
    assert trends.loc[("AT", "TraditionalKD"), "difference"] < 0
    assert any(
        text.startswith("TraditionalKD against Direct changes with the size: each time") for text in section.sentences
    )


def test_without_a_gap_no_share_is_shown() -> None:
    section = section_of(*made(planted(lambda _: 0.0, part_closed, noise=0.5)))
    assert section.tables[1].frame["share_pct"].isna().all()
    assert "ratios-gap" not in {drawing.name for drawing in section.drawings}
    assert not any("of the gap" in text.lower() for text in section.sentences if text.startswith("Of"))
    low = section_of(*made(planted(lambda ratio: -3.0 if ratio < 10 else 3.0, part_closed)))
    assert low.tables[0].frame["gap_finding"].tolist() == ["below", "below", "above", "above"]
    shown = low.tables[1].frame
    assert set(shown.loc[shown["share_pct"].notna(), "ratio"].round()) == {10, 20}
    assert any("At a ratio of 2 and 4.01 the teacher is not shown to be above Direct" in text for text in low.sentences)


def test_noise_alone_gives_next_to_no_finding() -> None:
    """Ten families of a series (two baselines, two references, and their trends): each at 0.05 by Holm's correction."""
    found = 0
    for seed in range(6):
        section = section_of(*made(planted(lambda ratio: ratio / 4, lambda *_: 0.0, noise=0.6, seed=seed)))
        found += int((section.folded[0].frame["p_holm"] < 0.05).sum())
    assert found <= 3


def test_holm_is_over_the_sizes_of_one_baseline_against_one_reference() -> None:
    frame, saved = made(planted(lambda ratio: 1.0, part_closed, noise=0.8))
    table = section_of(frame, saved).folded[0].frame
    for _, rows in table.groupby(["name", "reference"]):
        first = rows.sort_values("p").iloc[0]
        assert first["p_holm"] == pytest.approx(min(1.0, len(SIZES) * first["p"]))
    row = table[(table["name"] == "AT") & (table["reference"] == "TraditionalKD")].iloc[1]
    wide = frame[frame["pair"] == "r4"].pivot(index="run", columns="baseline", values="accuracy_pct")
    test = scipy_stats.ttest_rel(wide["AT"], wide["TraditionalKD"])
    assert (row["p"], row["n"]) == (pytest.approx(test.pvalue), 8)
    interval = test.confidence_interval(0.95)
    assert (row["low"], row["high"]) == (pytest.approx(interval.low), pytest.approx(interval.high))


def test_retention_is_that_of_the_own_teacher_with_its_interval() -> None:
    frame, saved = made(planted(lambda ratio: ratio / 4, part_closed), ratios=[4, 10])
    row = section_of(frame, saved).tables[1].frame.iloc[0]
    values = frame[(frame["pair"] == "r4") & (frame["baseline"] == "Direct")]["accuracy_pct"]
    low, high = scipy_stats.t.interval(0.95, 7, values.mean(), values.sem())
    assert [row["retention_pct"], row["retention_low"], row["retention_high"]] == pytest.approx(
        [100 * value / TEACHER for value in (values.mean(), low, high)]
    )


def test_which_sweeps_have_it() -> None:
    score = planted(lambda ratio: 1.0, part_closed)
    frame, saved = made(score, ratios=[4])
    assert ratios.section(frame, NAMES, saved) is None, "one size"
    frame, saved = made(score)
    assert ratios.section(frame, NAMES, Saved(saved.output, saved.config, ())) is None, "no plan"
    assert ratios.section(frame[frame["pair"] == "r4"], NAMES, saved) is None, "one size is trained"
    other = {"a": {"student": {"arch": "resnet8"}}, "b": {"teacher": {"arch": "resnet14"}}}
    frame, saved = sweep(flat, pairs=other, baselines=NAMES)
    assert ratios.section(frame, NAMES, saved) is None, "another architecture, another teacher"
    by_hand = {f"r{n}": {"student": {"arch": "lenet5", "channels": [n, 2 * n, 6 * n]}} for n in (2, 4)}
    section = section_of(*sweep(flat, pairs=by_hand, baselines=NAMES, runs=3))
    assert len(section.tables[0].frame) == 2, "widths by hand are sizes, too"


def test_two_data_sets_are_two_series() -> None:
    score = planted(lambda ratio: ratio / 4, part_closed)
    section = section_of(*made(score, datasets=["Digits", "Digits@n100"], ratios=[4, 10], runs=3))
    assert set(section.tables[0].frame["series"]) == {"Digits", "Digits@n100"}
    assert all(text.startswith(("Digits: ", "Digits@n100: ")) for text in section.sentences)
    kinds = [(arch, n) for arch in ("lenet5", "resnet8") for n in (4, 10)]
    pairs = {f"{arch}-{n}": {"student": {"arch": arch, "ratio": n}} for arch, n in kinds}
    section = section_of(*sweep(flat, baselines=NAMES, runs=2, pairs=pairs))
    assert set(section.tables[0].frame["series"]) == {
        "Digits, lenet5 from lenet5 20-50-500", "Digits, resnet8 from lenet5 20-50-500",
    }  # fmt: skip


def test_partial_sweeps_say_so() -> None:
    frame, saved = made(planted(lambda ratio: 1.0, part_closed), runs=1)
    section = section_of(frame, saved)
    assert any("one run each shows nothing" in text for text in section.sentences)
    assert any("not tested yet" in text for text in section.sentences)
    without = section_of(frame[frame["baseline"] != "Direct"], saved)
    assert without.tables[1].frame["share_pct"].isna().all()


def page_of(frame: pd.DataFrame, saved: Saved, tmp_path: Path) -> Report:
    status = Status(str(tmp_path), "stopped", None, models=(), command=None)
    return compose(saved, frame, status, pd.DataFrame(columns=compose_report(frame, tmp_path).curves.columns))


def test_the_page(tmp_path: Path) -> None:
    frame, saved = made(planted(lambda ratio: 2 * math.log2(ratio), part_closed))
    report = page_of(frame, saved, tmp_path)
    page, text = html(report), markdown(report)
    part = page[page.index('<section id="ratios">') :].partition("</section>")[0]
    for name in ("figure-ratios", "figure-ratios-traditionalkd", "figure-ratios-retention", "figure-ratios-gap",
                 "table-ratios", "table-ratios-networks", "fold-ratios-differences", "fold-ratios-trends"):  # fmt: skip
        assert f'id="{name}"' in part
    assert not re.search(r">(nan|None|inf)<", part)
    assert "## Size of the student" in text


def test_twenty_baselines_have_panels_of_five() -> None:
    names = ["Direct", *(f"TraditionalKD-T{n}" for n in range(1, 20) if n != 4), "AT"]
    frame, saved = made(planted(lambda ratio: 3.0, part_closed), baselines=names, runs=3, ratios=[4, 10])
    section = section_of(frame, saved)
    figure = next(drawing.figure for drawing in section.drawings if drawing.name == "ratios-retention")
    assert len(figure.axes) == 4
    assert all(len([line for line in axes.lines if line.get_marker() != "None"]) == 5 for axes in figure.axes)
    assert all(len(text) < 500 for text in section.sentences)
    numbers = section.tables[1].frame
    columns = ("retention_pct", "retention_low", "retention_high")
    first, second = (render(over_ratio(numbers, columns, "%", names, several=False), "svg") for _ in range(2))
    assert first == second
