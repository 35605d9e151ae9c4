"""Results of a grid: a group per data set, condition and pair, against its own teacher; and the plan's columns."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from support.builders import make_config, make_jobs
from support.frames import make_frame, make_output
from support.varied import planned_frame

import hpmkd
from hpmkd.analysis import stats
from hpmkd.analysis.costs import costs
from hpmkd.analysis.plots.lineage import nodes
from hpmkd.analysis.report.write import write_report
from hpmkd.audit import results
from hpmkd.audit.places import groups, in_order, placed, places_in, with_untaught
from hpmkd.plan.architecture import forward_cost, parameter_count
from hpmkd.plan.job import Job

PAIRS = {
    "wide": {"student": {"arch": "lenet5", "channels": [5, 10, 50]}},
    "narrow": {"student": {"arch": "lenet5", "channels": [2, 3, 10]}},
    "other": {
        "teacher": {"arch": "lenet5", "channels": [8, 9, 70]},
        "student": {"arch": "lenet5", "channels": [2, 3, 9]},
    },
}
TEACHERS = {
    "teacher_Digits+lenet5": 80.0, "teacher_Digits+lenet5_2": 60.0, "teacher_Digits+lenet5-8-9-70": 50.0,
    "teacher_Digits@n100+lenet5": 40.0, "teacher_Digits@n100+lenet5_2": 44.0,
    "teacher_Digits@n100+lenet5-8-9-70": 20.0,
}  # fmt: skip
BASELINES = ["Direct", "KD-Ensemble", "TraditionalKD", "TraditionalKD-T2"]
ACCURACY = {"Direct": 10.0, "KD-Ensemble": 14.0, "TraditionalKD": 15.0, "TraditionalKD-T2": 16.0}


def accuracy(job: Job) -> float:
    if job.role != "student":
        return TEACHERS.get(job.key, 45.0)
    return ACCURACY[str(job.baseline)] + 0.5 * (job.run or 0) + (2.0 if job.pair == "wide" else 0.0)


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory, cache_dir: Path) -> Path:
    """An output of two conditions, three pairs and four baselines."""
    root = tmp_path_factory.mktemp("grid") / "out"
    more = {"datasets": ["Digits", "Digits@n100"], "baselines": BASELINES, "pairs": PAIRS, "runs": 3}
    make_output(root, cache_dir, accuracy, kd__logits="cached", **more)
    return root


@pytest.fixture(scope="module")
def frame(grid: Path) -> pd.DataFrame:
    return hpmkd.load_results(grid)


def test_a_group_per_place_with_the_teachers_that_it_needs(frame: pd.DataFrame) -> None:
    found = {names["place"]: part for names, part in groups(frame)}
    assert set(found) == {f"Digits{mark}+{pair}" for mark in ("", "@n100") for pair in PAIRS}
    for place, part in found.items():
        data, pair = place.split("+")
        assert set(part.loc[part["role"] == "student", "pair"]) == {pair}
        teachers = sorted(part.loc[part["role"] == "teacher", "file"])
        network = "lenet5-8-9-70" if pair == "other" else "lenet5"
        assert teachers == [f"teacher_{data}+{network}.pt", f"teacher_{data}+{network}_2.pt"]
        assert sum(part["role"] == "logits") == 2


def test_retention_is_against_the_students_own_teacher(frame: pd.DataFrame) -> None:
    table = results.summary(frame).set_index(["condition", "pair", "baseline"])
    assert len(table) == 6 * (1 + len(BASELINES))
    own = {(None, "wide"): 80.0, (None, "other"): 50.0, ("n100", "narrow"): 40.0, ("n100", "other"): 20.0}
    for (condition, pair), teacher in own.items():
        part = table.xs(pair, level="pair")
        part = part[[one == condition or (condition is None and pd.isna(one)) for one, _ in part.index]].droplevel(0)
        assert part["teacher_pct"].unique().tolist() == [teacher]
        for name in ("Direct", "TraditionalKD-T2"):
            assert part.loc[name, "retention_pct"] == pytest.approx(100 * part.loc[name, "mean_pct"] / teacher)
        assert part.loc["TraditionalKD", "runs"] == 3
    means = table.xs("wide", level="pair")["mean_pct"]
    assert means.groupby("baseline").first()["teacher"] == 70.0, "the row of the teachers is their mean"


def test_a_family_of_tests_is_a_place_and_a_reference(frame: pd.DataFrame) -> None:
    found = stats.comparisons(frame)
    assert len(found) == 6 * 3
    assert set(map(len, (part for _, part in found.groupby("place")))) == {3}
    alone = stats.comparisons(frame[(frame["pair"] == "wide") & frame["condition"].isna()])
    mine = found[found["place"] == "Digits+wide"].reset_index(drop=True)
    pd.testing.assert_frame_equal(mine, alone)
    assert set(found["n"]) == {3}


def test_costs_and_lineage_of_a_place(frame: pd.DataFrame) -> None:
    table = costs(frame).set_index(["place", "baseline", "role"])
    assert table.loc[("Digits+wide", "TraditionalKD", "teacher"), "models"] == 1
    assert table.loc[("Digits+wide", "all", "teacher"), "models"] == 2
    assert table.loc[("Digits@n100+other", "KD-Ensemble", "student"), "models"] == 3
    graph = nodes(frame, "Digits@n100+other", BASELINES)
    assert {node.label for node in graph.values() if node.role == "teacher"} == {
        "teacher\nlenet5-8-9-70", "teacher\nlenet5-8-9-70 2",
    }  # fmt: skip
    assert graph["student KD-Ensemble"].parents == {
        "teacher_Digits@n100+lenet5-8-9-70", "teacher_Digits@n100+lenet5-8-9-70_2",
    }  # fmt: skip


def test_the_plans_columns(frame: pd.DataFrame, grid: Path) -> None:
    rows = frame.set_index("file")
    assert rows.loc["student_Digits+wide_TraditionalKD-T2_run1.pt", "kd.temperature"] == 2.0
    assert rows.loc["student_Digits+wide_TraditionalKD_run1.pt", "kd.temperature"] == 4.0
    assert rows.loc["student_Digits+wide_KD-Ensemble_run1.pt", "kd.temperature"] == 4.0
    assert pd.isna(rows.loc["student_Digits+wide_Direct_run1.pt", "kd.temperature"])
    assert "kd.alpha" not in rows
    direct = rows.loc["student_Digits@n100+narrow_Direct_run2.pt"]
    assert (direct["dataset"], direct["condition"], direct["pair"]) == ("Digits", "n100", "narrow")
    assert direct["teacher"] == "teacher_Digits@n100+lenet5"
    assert pd.isna(rows.loc["teacher_Digits+lenet5.pt", "pair"])
    pd.testing.assert_frame_equal(pd.read_parquet(_written(grid))[["condition", "pair"]], frame[["condition", "pair"]])


def _written(root: Path) -> Path:
    write_report(root)
    page = (root / "report.html").read_text()
    assert all(f"Digits@n100+{pair}" in page for pair in PAIRS)
    assert "<th>condition</th>" in page or "condition" in page
    return root / "results.parquet"


def test_multiply_adds_by_hand(cache_dir: Path, tmp_path: Path) -> None:
    more = {"datasets": ["Digits", "Digits@n100"], "baselines": ["Direct", "TraditionalKD"], "kd__logits": "live"}
    output, _, jobs = make_output(tmp_path / "out", cache_dir, lambda job: 50.0, **more)
    rows = hpmkd.load_results(output.root).set_index("file")
    large = forward_cost(jobs["teacher_Digits"].model)
    small = forward_cost(jobs["student_Digits_Direct_run1"].model)
    assert rows.loc["student_Digits_Direct_run1.pt", "multiply_adds"] == small
    for place, images in (("Digits", 200), ("Digits@n100", 100)):
        total = rows["training_multiply_adds"]
        assert total[f"teacher_{place}.pt"] == 2 * images * 3 * large
        assert total[f"student_{place}_Direct_run1.pt"] == 2 * images * 3 * small
        assert total[f"student_{place}_TraditionalKD_run1.pt"] == 2 * images * (3 * small + large)


def test_both_ratios_of_a_student_are_those_of_its_own_teacher(cache_dir: Path, tmp_path: Path) -> None:
    more = {"baselines": ["Direct", "TAKD"], "ratios": [4, 10]}
    output, _, jobs = make_output(tmp_path / "out", cache_dir, lambda job: 50.0, **more)
    rows = hpmkd.load_results(output.root).set_index("file")
    large = jobs["teacher_Digits+lenet5"].model
    for pair in ("r4", "r10"):
        for name in ("Direct", "TAKD"):
            row, model = (
                rows.loc[f"student_Digits+{pair}_{name}_run1.pt"],
                jobs[f"student_Digits+{pair}_{name}_run1"].model,
            )
            assert row["parameter_ratio"] == parameter_count(large) / parameter_count(model)
            assert row["multiply_add_ratio"] == forward_cost(large) / forward_cost(model)
    others = rows.loc[rows["role"] != "student", ["parameter_ratio", "multiply_add_ratio"]]
    assert len(others) == 3
    assert others.isna().all(axis=None)


def test_all_images_are_those_without_the_validation_part() -> None:
    job = make_jobs(make_config(data__train_images=None))["teacher_Digits"]
    assert job.data.training_images == 1442 - 144


def test_a_frame_of_no_grid_is_grouped_by_its_data_sets() -> None:
    frame = pd.concat([make_frame({"Direct": [1.0, 2.0]}, name) for name in ("D", "E")], ignore_index=True)
    assert [names["place"] for names, _ in groups(frame.drop(columns=["condition", "pair"]))] == ["D", "E"]
    assert placed(frame)["condition"].tolist() == [None] * len(frame)


def test_rows_stand_in_the_order_of_the_sweep() -> None:
    """Names of files would put `Digits@n300` before `Digits`."""
    config = make_config(datasets=["Digits", "Digits@n300"], baselines=["Direct", "AT"], runs=2)
    jobs = list(make_jobs(config).values())
    frame = planned_frame(sorted(jobs, key=lambda job: job.file_name), lambda _: (80.0, 80.0))
    assert frame["condition"].iloc[0] == "n300"
    ordered = frame.loc[in_order(frame, places_in(jobs))]
    assert list(dict.fromkeys(placed(ordered)["place"])) == ["Digits", "Digits@n300"]
    assert list(ordered[ordered["condition"].isna()]["file"]) == sorted(frame[frame["condition"].isna()]["file"])
    turned = [place for place in places_in(jobs) if place[1]] + [place for place in places_in(jobs) if not place[1]]
    assert list(dict.fromkeys(placed(frame.loc[in_order(frame, turned)])["place"])) == ["Digits@n300", "Digits"]
    assert list(in_order(frame, [])) == list(frame.index), "without a plan they stay"


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory, cache_dir: Path) -> Path:
    """Wrong labels, with teachers that have seen them and with clean ones: Direct is trained once for both."""
    root = tmp_path_factory.mktemp("noisy") / "out"
    noise = {"label_noise": [None, "sym0.2"], "teacher_sees": ["same", "clean"]}
    scores = {"Direct": 40.0, "TraditionalKD": 30.0, "AT": 20.0}

    def accuracy(job: Job) -> float:
        return scores[str(job.baseline)] + (job.run or 0) if job.role == "student" else 50.0

    make_output(
        root, cache_dir, accuracy, baselines=list(scores), runs=3, **{f"data__{k}": v for k, v in noise.items()}
    )
    return root


CLEAN = "Digits@sym0.2-cleanTeacher"


def test_direct_is_compared_with_where_teachers_are_clean(noisy: Path) -> None:
    frame = hpmkd.load_results(noisy)
    assert "Direct" not in set(placed(frame).query("place == @CLEAN")["baseline"])
    whole = placed(with_untaught(frame))
    mine = whole[(whole["place"] == CLEAN) & (whole["baseline"] == "Direct")]
    assert mine["accuracy_pct"].tolist() == [41.0, 42.0, 43.0]
    same = whole[(whole["place"] == "Digits@sym0.2") & (whole["baseline"] == "Direct")]
    assert mine["weights_sha256"].tolist() == same["weights_sha256"].tolist()
    assert len(whole) == len(frame) + 3, "nothing else is there twice"
    assert with_untaught(with_untaught(frame)).equals(with_untaught(frame))
    table = results.summary(with_untaught(frame)).set_index(["place", "baseline"])
    assert table.loc[(CLEAN, "Direct"), "retention_pct"] == 100 * 42 / 50


def test_the_report_compares_with_it_too(noisy: Path) -> None:
    from hpmkd.analysis.report.content import gather

    report = gather(noisy)
    differences = report.table("differences")
    assert differences is not None
    rows = differences.frame[(differences.frame["place"] == CLEAN) & (differences.frame["reference"] == "Direct")]
    assert rows.set_index("baseline")["difference"].to_dict() == {"TraditionalKD": -10.0, "AT": -20.0}
    ranks = report.table("ranks")
    assert ranks is not None
    assert ranks.frame.set_index("baseline").loc["Direct", "mean_rank"] == 1.0
    models = report.table("models")
    assert models is not None
    assert models.frame["file"].is_unique


def test_a_sweep_without_clean_teachers_stays_as_it_is(frame: pd.DataFrame) -> None:
    assert with_untaught(frame) is frame


def test_frames_of_several_sweeps_are_one_table(noisy: Path) -> None:
    frame = hpmkd.load_results(noisy)
    parts = [part.reset_index(drop=True) for _, part in frame.groupby("condition", dropna=False)]
    for numbers in (results.summary, costs):
        table, whole = (numbers(pd.concat(parts, ignore_index=anew)) for anew in (False, True))
        pd.testing.assert_frame_equal(table, whole)
