"""Sentences about constructed cases: what is said, and what must not be."""

from __future__ import annotations

import re

import pandas as pd
import pytest
from support.frames import make_frame

from hpmkd.analysis import stats
from hpmkd.analysis.advice import practical
from hpmkd.analysis.conclusions import Conclusions, conclude, elsewhere, places, verdict
from hpmkd.analysis.costs import costs
from hpmkd.analysis.report.tables import not_shown_table
from hpmkd.analysis.section import Section, Table

BASE = [70.0, 71.0, 69.5, 70.4, 70.8]


def say(**scores: list[float]) -> Conclusions:
    return conclude(stats.comparisons(make_frame({name.replace("_", "-"): values for name, values in scores.items()})))


def plus(*changes: float) -> list[float]:
    return [value + change for value, change in zip(BASE, changes, strict=False)]


UP, NONE = (1.0, 1.2, 0.9, 1.1, 1.0), (0.5, -0.4, 0.2, -0.3, 0.1)


def why(found: Conclusions) -> dict[str, str]:
    return dict(zip(found.not_shown["baseline"], found.not_shown["why"], strict=True))


def test_a_clear_difference_is_said_with_its_numbers() -> None:
    found = say(Direct=BASE, AT=plus(*UP))
    assert found.headline == (
        "AT is better than Direct (1 of 1 comparison, 5 pairs of runs each, p < 0.05 after Holm's correction)."
    )
    assert found.findings == (
        "AT is better than Direct: +1.04 points (95 % interval +0.90 to +1.18, 5 pairs, p (Holm) < 0.001).",
    )
    assert found.not_shown.empty
    worse = say(Direct=BASE, AT=plus(-1.0, -1.2, -0.9, -1.1, -1.0))
    assert worse.headline.startswith("AT is worse than Direct (")
    assert worse.findings[0].startswith("AT is worse than Direct: -1.04 points")


def test_no_difference_is_not_called_equality() -> None:
    found = say(Direct=BASE, AT=plus(*NONE))
    assert found.headline == "No difference is shown in 1 comparison (5 pairs of runs each)."
    assert found.findings == ()
    assert why(found) == {"AT": "chance alone could give it"}
    assert found.not_shown["difference"].tolist() == pytest.approx([0.02])
    assert "There may still be one" in not_shown_table(found.not_shown).note


def test_what_holm_takes_back_is_not_claimed() -> None:
    """p = 0.03 alone, but four comparisons."""
    lucky = plus(0.9, 0.1, 0.8, 0.2, 0.6)
    noise = [plus(*changes) for changes in (NONE, (-0.5, 0.4, 0.1, 0.3, -0.1))]
    assert "A is better" in say(Direct=BASE, A=lucky).headline
    found = say(Direct=BASE, A=lucky, B=noise[0], C=noise[1])
    assert "better" not in found.headline
    assert re.fullmatch(r"p = 0\.0\d\d alone; not after correction", why(found)["A"])


def test_one_run_shows_nothing() -> None:
    found = say(Direct=[70.0], AT=[75.0])
    assert found.headline == "One run per baseline shows nothing: every difference between them may be chance."
    assert why(found) == {"AT": "one run in common"}


def test_no_common_run_and_no_spread() -> None:
    frame = make_frame({"Direct": [70.0, None], "AT": [None, 75.0], "TAKD": [71.0, None]})
    assert why(conclude(stats.comparisons(frame))) == {"AT": "no run in common", "TAKD": "one run in common"}
    frame = make_frame({"Direct": [70.0, None], "AT": [None, 75.0]})
    assert "no two baselines have a run in common" in conclude(stats.comparisons(frame)).headline
    found = say(Direct=BASE, AT=plus(0.5, 0.5, 0.5, 0.5, 0.5))
    assert why(found) == {"AT": "the same change in each run: no spread, no test"}
    assert "better" not in found.headline


def test_references_are_compared_once_and_findings_come_first() -> None:
    found = say(Direct=BASE, AT=plus(*NONE), HPM_KD=plus(*UP))
    assert found.headline.startswith(
        "HPM-KD is better than Direct; AT is worse than HPM-KD (2 of 3 comparisons, 5 pairs"
    )
    assert [text.split(":")[0] for text in found.findings] == [
        "HPM-KD is better than Direct",
        "AT is worse than HPM-KD",
    ]
    assert list(why(found)) == ["AT"]


def with_twins(scores: dict[str, list[float]], twin: str, of: str) -> pd.DataFrame:
    """One baseline has the weights of another in every run."""
    frame = make_frame(scores)
    weights = frame[frame["baseline"] == of].set_index("run")["weights_sha256"]
    mine = frame["baseline"] == twin
    frame.loc[mine, "weights_sha256"] = frame.loc[mine, "run"].map(weights)
    return frame


def test_the_same_models_are_no_comparison() -> None:
    compared = stats.comparisons(with_twins({"HPM-KD": BASE, "AT": plus(*NONE), "Twin": BASE}, "Twin", "HPM-KD"))
    found = conclude(compared)
    assert found.headline == "No difference is shown in 1 comparison (5 pairs of runs each)."
    assert found.findings == ("Twin has the same weights as HPM-KD in 5 of 5 runs; that is no comparison.",)
    assert found.not_shown["baseline"].tolist() == ["AT"]
    assert "(TOST), 1 comparison:" in practical(compared)
    alone = conclude(stats.comparisons(with_twins({"HPM-KD": BASE, "Twin": BASE}, "Twin", "HPM-KD")))
    assert alone.headline == "Nothing can be compared: the baselines have the same weights in every run."
    equal = conclude(stats.comparisons(make_frame({"HPM-KD": BASE, "AT": BASE})))
    assert equal.findings == (), "equal accuracies of other weights are a comparison"


def test_what_sections_show_is_said_beside_the_headline() -> None:
    def section(title: str, p_holm: float) -> Section:
        table = Table(title, title, pd.DataFrame({"p_holm": [0.3, p_holm]}), columns={})
        return Section(title, title, ("said",), tables=(table,))

    assert elsewhere([section("A", 0.2), section("B", float("nan"))]) == ""
    assert elsewhere([section("A", 0.2), section("B", 0.01)]).endswith(
        "the section “B” asks other questions, corrected over its own, and shows differences."
    )
    both = elsewhere([section("A", 0.02), section("B", 0.01)])
    assert "the sections “A” and “B” ask other questions, each corrected over its own, and show differences." in both
    assert "fewer" not in both, "a section may ask more"


def test_nothing_to_compare() -> None:
    found = conclude(stats.comparisons(make_frame({"AT": BASE})))
    assert "Nothing can be compared yet: that needs students of a reference" in found.headline
    assert (found.findings, len(found.not_shown)) == ((), 0)


def test_several_data_sets_are_counted() -> None:
    up, none = plus(*UP), plus(*NONE)
    frame = pd.concat([make_frame({"Direct": BASE, "AT": up}, "D1"), make_frame({"Direct": BASE, "AT": none}, "D2")])
    found = conclude(stats.comparisons(frame))
    assert found.headline.startswith("D1: AT is better than Direct (1 of 2 comparisons")
    assert found.findings[0] == "AT against Direct, 2 data sets: better on 1, without a shown difference on 1."
    assert found.findings[1].startswith("D1: AT is better")


def test_very_many_findings_are_counted_and_the_list_ends() -> None:
    frame = make_frame({"Direct": BASE, **{f"B{number}": plus(*UP) for number in range(20)}})
    found = conclude(stats.comparisons(frame))
    assert found.headline.startswith("Differences to the references are shown: 20 better (20 of 20 comparisons")
    assert len(found.findings) == 13
    assert found.findings[-1] == "8 more are in the table of paired differences."


def test_verdicts_of_missing_numbers() -> None:
    assert verdict({"p_holm": float("nan"), "difference": 1.0, "n": 2}) == "untested"


def test_costs_count_what_is_shared_in_each_baseline_and_once_in_all() -> None:
    table = costs(make_frame({"Direct": BASE, "AT": BASE})).set_index(["baseline", "role"])["seconds"]
    assert table["Direct"].to_dict() == {"student": 50.0}
    assert table["AT"].to_dict() == {"teacher": 10.0, "student": 50.0}
    assert table["all"].to_dict() == {"teacher": 10.0, "student": 100.0}


def test_one_more_is_said_in_the_singular() -> None:
    frame = make_frame({"Direct": BASE, **{f"B{number}": plus(*UP) for number in range(13)}})
    found = conclude(stats.comparisons(frame))
    assert found.findings[-1] == "1 more is in the table of paired differences."


def test_places_are_named_by_what_they_differ_in() -> None:
    def at(dataset: str, condition: str | None = None, pair: str | None = None) -> dict[str, str | None]:
        return {"dataset": dataset, "condition": condition, "pair": pair}

    assert places([at("D1"), at("D2")]) == "data sets"
    assert places([at("D"), at("D", "n300")]) == "conditions"
    assert places([at("D", "n300", "big"), at("D", "n300", "small")]) == "pairs of networks"
    assert places([at("D", None, "big"), at("E", None, "small")]) == "combinations of data set and pair of networks"
    every = places([at("D", None, "big"), at("E", "n300", "small")])
    assert every == "combinations of data set, condition and pair of networks"
