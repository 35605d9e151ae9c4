"""Chains of several lengths: planted gains are found, equal lengths are shown to be equal, nothing is called "
"saturated."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from support.frames import compose_report
from support.varied import GAP, scored, sweep

from hpmkd.analysis.experiments import chain
from hpmkd.analysis.experiments.arms import families
from hpmkd.analysis.report.write import html, markdown
from hpmkd.analysis.section import Section
from hpmkd.audit.sweep_dir import Saved
from hpmkd.plan.job import Job

PLAIN = "HPM-KD-noMultiTeacher"
LENGTHS = {"baselines": [PLAIN], "hpmkd.chain_length": [0, 1, 2, 3, 4]}
STEPS = {"baselines": ["TAKD"], "takd.steps": [1, 2, 3]}


def length(label: str) -> int:
    found = re.search(r"(?:chain|steps)(\d+)", label)
    return int(found[1]) if found else int(label == "TAKD")


def chains(
    effect: Callable[[int], float], runs: int = 5, vary: Any = (LENGTHS,), noise: float = 0.1, seed: int = 0
) -> tuple[pd.DataFrame, Saved]:
    score = scored(lambda label: effect(length(label)), noise=noise, seed=seed)
    return sweep(score, baselines=["Direct", "TraditionalKD"], vary=list(vary), runs=runs, **GAP)


def section_of(frame: pd.DataFrame, saved: Saved) -> Section:
    section = chain.section(frame, [], saved)
    assert section is not None
    return section


def steps_of(section: Section, question: str) -> pd.DataFrame:
    table = section.tables[1].frame
    return table[table["question"] == question].set_index("pair")


def test_a_gain_up_to_a_length_is_found_and_no_further() -> None:
    section = section_of(*chains(lambda n: 1.0 * min(n, 2)))
    following = steps_of(section, "next")
    assert following["finding"].str.contains("better").tolist() == [True, True, False, False]
    assert following.loc["0 to 1", "low"] < 1.0 < following.loc["0 to 1", "high"]
    longest = steps_of(section, "longest")
    assert longest["finding"].str.contains("within 0.5 points").tolist() == [False, False, True, True]
    assert any(
        "from 2 assistants on, every length is shown to be within 0.5 points" in one for one in section.sentences
    )
    assert not any("satura" in one for one in section.sentences)


def test_noise_alone_gives_next_to_no_finding() -> None:
    """One sweep in twenty by Holm's correction; and what is noisy is not called equal."""
    found = []
    for seed in range(5):
        section = section_of(*chains(lambda _: 0.0, noise=1.0, seed=seed))
        following = steps_of(section, "next")
        found.append(bool(following["finding"].isin(["better", "worse"]).any()))
        assert not (following["finding"] == "within 0.5 points").all()
    assert sum(found) <= 1


def test_equal_lengths_are_shown_to_be_equal() -> None:
    section = section_of(*chains(lambda _: 0.0, noise=0.05))
    assert "no further assistant is shown to change the student" in section.sentences[0]
    assert (steps_of(section, "longest")["p_equal"] < 0.05).all()
    assert any("from 0 assistants on" in one for one in section.sentences)


def test_a_difference_below_the_margin_is_both() -> None:
    section = section_of(*chains(lambda n: 0.2 * (n > 0), noise=0.02))
    assert steps_of(section, "next").loc["0 to 1", "finding"] == "better, within 0.5 points"


def test_takd_starts_from_plain_distillation_and_an_open_length_is_counted() -> None:
    frame, saved = chains(lambda n: float(n), vary=[STEPS])
    section = section_of(frame, saved)
    rows = section.tables[0].frame
    assert list(zip(rows["length"], rows["baseline"], strict=True)) == [
        (0, "TraditionalKD"), (1, "TAKD"), (2, "TAKD-steps2"), (3, "TAKD-steps3"),
    ]  # fmt: skip
    score = scored(lambda _: 0.0)
    frame, saved = sweep(score, baselines=[PLAIN, f"{PLAIN}-chain5"], runs=2, **GAP, hpmkd__chain_length=None)
    assert section_of(frame, saved).tables[0].frame["length"].tolist() == [2, 5], "steps of about a quarter make two"


def test_every_model_stands_at_its_place() -> None:
    def score(job: Job) -> tuple[float, float] | None:
        number = {"teacher": 0, "assistant": job.number or 1}.get(str(job.role.value))
        return (70.0, 70.0) if number is None else (90.0 - number, 90.0)

    frame, saved = sweep(score, baselines=["TraditionalKD"], vary=[LENGTHS, STEPS], runs=2, **GAP)
    frame = frame[frame["file"] != f"assistant_Digits_{PLAIN.removesuffix('-noMultiTeacher')}-chain3_2.pt"]
    along = section_of(frame, saved).folded[0].frame
    networks = along[along["role"] != "student"]
    assert (networks["accuracy_pct"] + networks["position"] == 90).all()
    own = along[(along["name"] == PLAIN) & (along["length"] == 3)]
    assert own["position"].tolist() == [0, 1, 3, 4], "the second is not there"
    assert (own["parameters"].diff().dropna() < 0).all()
    takd = along[(along["name"] == "TAKD") & (along["length"] == 1)]
    assert takd["role"].tolist() == ["teacher", "assistant", "student"]


def test_cost_counts_assistants_and_teachers() -> None:
    rows = section_of(*chains(lambda _: 0.0)).tables[0].frame.set_index("length")
    assert (rows["seconds"].diff().dropna() == 2).all(), "one more assistant of two epochs each"
    assert (rows["multiply_adds"] > 0).all()


def test_equal_numbers_are_no_test() -> None:
    section = section_of(*chains(lambda n: 0.5 * n, noise=0.0))
    assert set(steps_of(section, "next")["finding"]) == {"the same change in each run: no test"}
    assert not any("against the longest" in one for one in section.sentences)


def test_partial_sweeps() -> None:
    frame, saved = chains(lambda n: float(n), runs=1)
    assert "one run per length shows nothing" in section_of(frame, saved).sentences[0]
    one = frame[frame["baseline"].isna() | frame["baseline"].isin([f"{PLAIN}-chain3", "Direct"])]
    assert chain.section(one, [], saved) is None
    assert chain.section(frame, [], Saved(saved.output, None, ())) is None
    plain, saved = sweep(scored(lambda _: 0.0), baselines=["TAKD", "TraditionalKD", "HPM-KD", "HPM-KD-noChain"])
    assert chain.section(plain, [], saved) is None, "with and without is the ablation"


def test_of_chains_the_ablation_says_nothing() -> None:
    assert families(["HPM-KD-noChain", *(f"HPM-KD-chain{n}" for n in (1, 2))]) == [] or all(
        "chain" not in one.name for one in families(["HPM-KD-noChain", "HPM-KD-chain1", "HPM-KD-chain2"])
    )
    assert [one.name for one in families(["HPM-KD-chain2", "HPM-KD-noMultiTeacher-chain2"])] == ["HPM-KD-chain2"]


def test_the_page(tmp_path: Path) -> None:
    frame, saved = chains(lambda n: 1.0 * min(n, 2), vary=[LENGTHS, STEPS])
    report = compose_report(frame, tmp_path, saved.config)
    page, text = html(report), markdown(report)
    part = page[page.index('<section id="chain">') :].partition("</section>")[0]
    for name in ("figure-chain", "figure-chain-positions", "table-chain", "table-chain-steps", "fold-chain-positions"):
        assert f'id="{name}"' in part
    assert not re.search(r">(nan|None|inf)<", part)
    assert "## Length of the chain" in text


def test_holm_is_over_the_pairs_of_a_question() -> None:
    following = steps_of(section_of(*chains(lambda n: 0.1 * n, noise=0.3)), "next")
    plain = following["p"].sort_values()
    assert following.loc[plain.index[0], "p_holm"] == pytest.approx(min(1.0, 4 * plain.iloc[0]))
    assert np.all(following["p_holm"] >= following["p"] - 1e-12)
