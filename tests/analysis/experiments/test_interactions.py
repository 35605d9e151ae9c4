"""Interactions: planted ones are found with their sign, noise gives none, and what is said follows the numbers."""

from __future__ import annotations

import itertools
import math
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from support.arms import FULL, factorial, label
from support.frames import compose_report, make_frame

from hpmkd.analysis.experiments import interactions
from hpmkd.analysis.experiments.arms import LEARNING, groups_of
from hpmkd.analysis.experiments.factorial import contrasts
from hpmkd.analysis.plots.factorial import heat_map, two_by_two
from hpmkd.analysis.plots.style import PALETTE
from hpmkd.analysis.report.write import html, markdown
from hpmkd.analysis.section import Section
from hpmkd.audit.sweep_dir import Saved
from hpmkd.store.output_dir import OutputDir

MAIN = {"chain": 0.3, "multi_teacher": 1.0, "meta_temperature": -0.2, "adaptive": 0.1}


def section_of(frame: pd.DataFrame) -> Section | None:
    return interactions.section(frame, list(frame["baseline"].dropna().unique()), Saved(OutputDir(Path("x")), None, ()))


def tables(frame: pd.DataFrame) -> tuple[Section, pd.DataFrame, pd.DataFrame]:
    section = section_of(frame)
    assert section is not None
    pairs, single = section.tables
    return section, pairs.frame.set_index("name"), single.frame.set_index("name")


@pytest.mark.parametrize("size", [0.8, -0.8])
def test_a_planted_interaction_is_found_with_its_sign(size: float) -> None:
    frame = make_frame(factorial(MAIN, {("chain", "adaptive"): size}, noise=0.15, seed=3))
    section, pairs, single = tables(frame)
    found = pairs.loc["chain x adaptive"]
    assert found["low"] < size < found["high"]
    assert found["p_holm"] < 0.05
    assert found["finding"] == ("synergy" if size > 0 else "they hinder each other")
    assert "1 of 6 pairs" in section.sentences[0]
    assert re.match(r"Chain and adaptive: (synergy|they hinder)", section.sentences[1])
    assert (pairs.drop(index="chain x adaptive")["p_holm"] >= 0.05).all()
    # Half of it comes with the chain where the search is on half of the time.
    assert single.loc["chain", "difference"] == pytest.approx(MAIN["chain"] + size / 2, abs=0.1)


def test_it_is_the_coefficient_of_a_factorial_model() -> None:
    """Least squares on factors coded -1/2 and +1/2, computed without this package."""
    scores = factorial(MAIN, {("chain", "multi_teacher"): 0.5}, runs=1, noise=0.4)
    design, values = [], []
    for size in range(5):
        for off in itertools.combinations(LEARNING, size):
            level = [-0.5 if name in off else 0.5 for name in LEARNING]
            design.append([1.0, *level, *(a * b for a, b in itertools.combinations(level, 2))])
            values.append(scores[label(off)][0])
    coefficients = np.linalg.lstsq(np.array(design), np.array(values), rcond=None)[0]
    _, pairs, single = tables(make_frame(scores))
    assert single["difference"].to_numpy() == pytest.approx(coefficients[1:5])
    assert pairs["difference"].to_numpy() == pytest.approx(coefficients[5:])


def test_corners_are_the_means_that_the_interaction_is_of() -> None:
    _, pairs, _ = tables(make_frame(factorial(MAIN, {("chain", "adaptive"): 0.5}, noise=0.3)))
    made = pairs["f11"] - pairs["f10"] - pairs["f01"] + pairs["f00"]
    assert made.to_numpy() == pytest.approx(pairs["difference"].to_numpy())


@pytest.mark.slow
def test_noise_alone_gives_next_to_no_finding() -> None:
    """The correction holds over the six pairs: about one sweep in twenty says something."""
    found = 0
    for seed in range(20):
        _, pairs, _ = tables(make_frame(factorial({}, {}, noise=0.3, seed=seed)))
        found += bool((pairs["p_holm"] < 0.05).any())
    assert found <= 3
    section, _, _ = tables(make_frame(factorial({}, {}, noise=0.3, seed=1)))
    assert section.sentences[0].startswith("No interaction between components of HPM-KD is shown (6 pairs, 5 runs)")
    assert "no component is shown to pay or to harm" in section.sentences[1]


def test_words_follow_the_numbers() -> None:
    few, many = (
        tables(make_frame(factorial(MAIN, {("chain", "adaptive"): size}, noise=0.1)))[0].sentences
        for size in (0.0, 2.0)
    )
    assert few[0] != many[0]
    assert not any("synergy" in line for line in few)
    assert any("Chain and adaptive: synergy, +2." in line or "synergy, +1.9" in line for line in many)


def test_a_chain_without_assistants_is_no_zero() -> None:
    frame = make_frame(factorial({"multi_teacher": 1.0}, {}, noise=0.0))
    named = frame["baseline"].astype(str).str.replace("-noChain", "") + frame["run"].astype(str)
    frame["weights_sha256"] = named
    section, pairs, single = tables(frame)
    assert single.loc["chain", "finding"] == "the same models with and without"
    chain = pairs[pairs["first"] == "chain"]
    assert len(chain) == 3
    assert chain[["difference", "low", "p", "p_holm"]].isna().all(axis=None)
    assert pairs.loc["multi-teacher x adaptive", "n"] == 5
    assert any("Nothing is said about chain" in line and "no assistant" in line for line in section.sentences)
    assert "3 pairs" in section.sentences[0]


def test_two_components_are_a_factorial_of_their_own() -> None:
    """A user's grid of four arms, with a run missing in one of them."""
    scores = factorial({}, {("chain", "adaptive"): 1.0}, noise=0.05)
    own = [FULL, label(["chain"]), label(["adaptive"]), label(["chain", "adaptive"])]
    frame = make_frame({name: scores[name] for name in own})
    frame = frame[frame["file"] != f"student_D_{own[1]}_run3.pt"]
    section, pairs, single = tables(frame)
    assert list(pairs.index) == ["chain x adaptive"]
    assert pairs.loc["chain x adaptive", ["n", "levels", "all_levels"]].tolist() == [4, 1, 4]
    assert list(single.index) == ["chain", "adaptive"]
    assert any("Not all arms of the factorial" in line for line in section.sentences)


def test_an_ablation_alone_has_no_interactions() -> None:
    scores = factorial(MAIN, {})
    kept = {name: scores[name] for name in [FULL, *(label([part]) for part in LEARNING), label(LEARNING)]}
    assert section_of(make_frame(kept)) is None
    assert section_of(make_frame({"Direct": [70.0], "AT": [71.0]})) is None


def test_levels_are_every_state_of_the_others() -> None:
    (group,) = groups_of(make_frame(factorial(MAIN, {})))
    for count, levels in ((1, 8), (2, 4)):
        made = list(contrasts(group, count))
        assert len(made) == (4 if count == 1 else 6)
        assert all(len(one.levels) == one.all_levels == levels for one in made)


def test_the_page(tmp_path: Path) -> None:
    frame = make_frame(factorial(MAIN, {("chain", "adaptive"): 0.8}, noise=0.1))
    report = compose_report(frame, tmp_path)
    page, text = html(report), markdown(report)
    part = page[page.index('<section id="interactions">') :].partition("</section>")[0]
    for name in ("figure-interactions", "figure-interaction-plots", "table-interactions", "table-main-effects"):
        assert f'id="{name}"' in part
    assert "| chain x adaptive | 5 | 4 |" in text
    assert "I &gt; 0 is synergy" in part
    assert [section.name for section in report.sections] == ["ablation", "interactions"]


PAIRS = pd.DataFrame(
    [
        ("chain", "multi-teacher", 2.0, 0.001), ("chain", "meta temperature", -1.0, 0.001),
        ("chain", "adaptive", 3.0, 0.2), ("multi-teacher", "meta temperature", math.nan, math.nan),
    ],
    columns=["first", "second", "difference", "p_holm"],
).assign(place="D", method="HPM-KD", f11=84.0, f10=82.0, f01=81.0, f00=80.0)  # fmt: skip


def test_what_is_not_shown_is_grey() -> None:
    """However large it is; what is shown has its sign's colour, the stronger the larger."""
    (axes,) = heat_map(PAIRS, several=False).axes
    colours = [to_hex(patch.get_facecolor()) for patch in axes.patches]
    assert colours == [PALETTE[0], PALETTE[1], PALETTE[9], PALETTE[9]]
    strong, weak, *grey = (float(patch.get_alpha() or 0) for patch in axes.patches)
    assert strong > weak > max(grey)
    assert [text.get_text() for text in axes.texts] == ["+2.00", "-1.00", "+3.00", "-"]
    assert [text.get_weight() for text in axes.texts] == ["bold", "bold", "normal", "normal"]


def test_two_by_two_shows_the_corners() -> None:
    """Without and with the first component; solid: with the second one, dashed: without it."""
    shown = [axes for axes in two_by_two(PAIRS.head(3), several=False).axes if axes.get_visible()]
    assert len(shown) == 3
    for axes in shown:
        lines = {line.get_linestyle(): list(line.get_ydata()) for line in axes.lines}
        assert lines == {"-": [81.0, 84.0], "--": [80.0, 82.0]}
