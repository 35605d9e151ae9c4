"""Published numbers beside a sweep's own: which are known, and no verdict where flags differ."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.frames import make_output

from hpmkd.analysis.experiments import published
from hpmkd.analysis.experiments.published_flags import usual_networks
from hpmkd.analysis.report.content import Report, gather
from hpmkd.audit.results import load_results
from hpmkd.audit.sweep_dir import open_saved
from hpmkd.config.specs import ModelSpec
from hpmkd.plan.job import Job

PAIR: dict[str, Any] = {
    "datasets": ["CIFAR100"], "teacher__arch": "resnet56", "student__arch": "resnet20", "data__train_images": None,
    "runs": 3,
}  # fmt: skip
FIT = {"teacher_epochs": 240, "student_epochs": 240, "batch_size": 64}
LITERATURE: dict[str, Any] = {**PAIR, "protocol": "literature", **{f"fit__{key}": value for key, value in FIT.items()}}
BASELINES = ["Direct", "TraditionalKD", "AT"]


def accuracy(job: Job) -> float | None:
    """Direct about 69.06, KD clearly above 70.66."""
    if job.role != "student":
        return 72.0
    return {"Direct": 69.0, "TraditionalKD": 75.0, "AT": 70.5}[str(job.baseline)] + 0.1 * (job.run or 0)


def report(root: Path, cache_dir: Path, **options: Any) -> Report:
    output, _, _ = make_output(root, cache_dir, accuracy, baselines=BASELINES, **options)
    return gather(output.root)


def rows_of(found: Report) -> dict[str, dict[str, Any]]:
    table = found.table("published")
    assert table is not None
    rows = [{str(key): value for key, value in row.items()} for row in table.frame.to_dict("records")]
    return {str(row["method"]): row for row in rows}


def test_the_data_are_those_of_the_field() -> None:
    known = published.published()
    pairs = {(one["teacher"], one["student"]): one["numbers"] for one in known["pairs"]}
    assert len(pairs) == 13
    assert sum(map(len, pairs.values())) == 151
    assert pairs["resnet56", "resnet20"]["KD"] == 70.66
    assert pairs["resnet32x4", "shufflenetv2"]["DKD"] == 77.07
    assert "OFD" not in pairs["resnet110", "resnet20"]
    for numbers in pairs.values():
        assert numbers.keys() <= known["methods"].keys()
        assert all(50 < value < 80 for value in numbers.values())
    for about in known["methods"].values():
        assert about["epoch"] in ("last", "best", "not said")
        assert about["source"]
        assert about["images"] == 50_000
    assert known["methods"]["MLKD"]["epochs"] == 480


def test_verdicts_stand_where_all_flags_agree_and_nowhere_else(tmp_path: Path, cache_dir: Path) -> None:
    found = report(tmp_path, cache_dir, **LITERATURE)
    rows = rows_of(found)
    assert (rows["Direct"]["finding"], rows["Direct"]["differs"]) == ("within the interval", "")
    assert rows["KD"]["finding"] == "higher here"
    assert (rows["KD"]["here_epoch"], rows["KD"]["published_pct"]) == ("last", 70.66)
    assert rows["KD"]["here_pct"] == pytest.approx(75.2)
    assert rows["AT"]["finding"] == "no verdict"
    assert rows["AT"]["differs"] == "loss: own alone there, own on KD here; recipe: as published there, another here"
    assert rows["DKD"]["finding"] == "not trained here"
    section = next(one for one in found.sections if one.name == "published")
    assert "4 of these methods were trained here, 3 of them under the published flags" in section.sentences[0]
    told = "KD, resnet56 to resnet20, last epoch: 70.66 % published, 75.20 % here"
    assert any(told in one for one in section.sentences)


def test_of_several_baselines_of_a_method_the_nearest_stands_beside_the_published(
    tmp_path: Path, cache_dir: Path
) -> None:
    """AT alone with the papers' weight is what papers print; standardised KD is not KD, and DKD's weight is by pair."""
    names = ["AT", "AT-alone-beta1000", "TraditionalKD-LS", "DKD", "DKD-beta2"]
    output, _, _ = make_output(
        tmp_path, cache_dir, lambda job: 71.0 + 0.1 * (job.run or 0), baselines=names, **LITERATURE
    )
    rows = rows_of(gather(output.root))
    assert (rows["AT"]["baseline"], rows["AT"]["differs"]) == ("AT-alone-beta1000", "")
    assert rows["KD"]["finding"] == "not trained here"
    assert (rows["LS + KD"]["baseline"], rows["LS + KD"]["finding"]) == ("TraditionalKD-LS", "no verdict")
    assert rows["DKD"]["baseline"] == "DKD-beta2"
    assert rows["DKD"]["differs"] == "reported epoch: best there, last here"


def test_an_honest_sweep_has_no_verdict(tmp_path: Path, cache_dir: Path) -> None:
    found = report(tmp_path, cache_dir, **PAIR)
    rows = rows_of(found)
    here = {name: row for name, row in rows.items() if row["here_pct"] == row["here_pct"]}
    assert here.keys() == {"Teacher", "Direct", "KD", "AT"}
    assert {row["finding"] for row in here.values()} == {"no verdict"}
    assert "training images: 50,000 there, 45,000 here" in here["Direct"]["differs"]
    assert "epochs: 240 there, 2 here" in here["Direct"]["differs"]
    assert "recipe: as published there, another here" in here["Direct"]["differs"]
    section = next(one for one in found.sections if one.name == "published")
    assert "nothing is concluded" in section.sentences[1]


@pytest.mark.parametrize("change", [{"kd__temperature": 2.0}, {"fit__lr": 0.1}, {"data__augment": "crop"}])
def test_one_other_setting_is_enough(change: dict[str, Any], tmp_path: Path, cache_dir: Path) -> None:
    rows = rows_of(report(tmp_path, cache_dir, **LITERATURE, **change))
    assert rows["KD"]["finding"] == "no verdict"


def test_best_epochs_stand_beside_best_epochs_alone(tmp_path: Path, cache_dir: Path) -> None:
    output, _, _ = make_output(tmp_path, cache_dir, accuracy, baselines=BASELINES, **LITERATURE)
    frame = load_results(output.root)
    frame["best_test_accuracy_pct"] = frame["accuracy_pct"] + 0.5
    known = published.published()
    best = {**known["methods"]["KD"], "epoch": "best"}
    jobs = published._jobs(open_saved(output.root).jobs)["CIFAR100"]
    row = published._here(best, 70.0, frame, jobs)
    assert (row["here_epoch"], row["differs"], row["finding"]) == ("best", "", "higher here")
    assert row["here_pct"] == pytest.approx(75.7)
    row = published._here(best, 70.0, frame.drop(columns="best_test_accuracy_pct"), jobs)
    assert (row["here_epoch"], row["finding"]) == ("last", "no verdict")
    row = published._here({**best, "epoch": "not said"}, 70.0, frame, jobs)
    assert (row["here_epoch"], row["finding"]) == ("last", "no verdict")
    row = published._here({**best, "epoch": "last"}, 70.0, frame, jobs)
    assert row["here_pct"] == pytest.approx(75.2)


@pytest.mark.parametrize(
    "change",
    [{"datasets": ["CIFAR10"]}, {"datasets": ["CIFAR100@n5000"]}, {"student__arch": "resnet8"},
     {"student__channels": [8, 16, 32]}],
)  # fmt: skip
def test_other_sweeps_have_no_such_section(change: dict[str, Any], tmp_path: Path, cache_dir: Path) -> None:
    assert report(tmp_path, cache_dir, **{**PAIR, **change}).table("published") is None


def test_names_of_networks_may_be_written_in_many_ways() -> None:
    large, small = (ModelSpec(arch, (16, 32, 64), 3, 32, 100) for arch in ("resnet56", "resnet20"))
    assert usual_networks(large, small, {"teacher": "ResNet-56", "student": "resnet_20"})
    assert not usual_networks(large, small, {"teacher": "resnet56", "student": "resnet32"})
