"""A user's own folder under imbalance and label noise, with clean teachers: trained, verified, reported."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from support.datasets import class_folders, rows
from support.sweeps import start, weights

from hpmkd.analysis.report.content import gather
from hpmkd.audit.results import load_results, summary
from hpmkd.cli.main import main

pytestmark = pytest.mark.slow

FLAGS = [
    "--baselines", "Direct", "TraditionalKD", "--data.train_images", "null", "--kd.logits", "cached",
    "--teacher.arch", "resnet8", "--student.arch", "resnet8", "--student.channels", "[4, 4, 4]", "-q",
]  # fmt: skip


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory, cache_dir: Path, small_ray: None) -> Path:
    """Three classes of own images; four conditions and two kinds of teachers."""
    root = tmp_path_factory.mktemp("own")
    class_folders(root / "photos" / "train", rows(120))
    class_folders(root / "photos" / "test", rows(12, first=120))
    axes = ["--data.imbalance", "[null, exp4]", "--data.label_noise", "[null, pair0.2]", "--data.teacher_sees",
            "[same, clean]"]  # fmt: skip
    assert start(root / "out", cache_dir, "--datasets", str(root / "photos"), *axes, *FLAGS) == 0
    return root / "out"


def test_each_condition_gives_other_weights_and_direct_is_trained_once(output: Path) -> None:
    found = weights(output)
    students = [name for name in found if name.startswith("student")]
    assert len(students) == 4 + 4 + 3
    assert len({found[name] for name in students}) == len(students)
    assert len([name for name in found if name.startswith("teacher")]) == 4, "clean ones are that of the whole folder"
    sizes = {path.name: np.load(path).shape for path in output.glob("models/*.npy")}
    assert sizes["logits_teacher_photos@exp4-cleanTeacher.npy"] == sizes["logits_teacher_photos@exp4.npy"]
    assert "logits_teacher_photos@pair0.2-cleanTeacher.npy" not in sizes, "the same images as the folder's"


def test_it_is_all_good_and_reported(output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(output)]) == 0
    assert main(["measure", str(output), "--json"]) == 0
    capsys.readouterr()
    table = summary(load_results(str(output))).set_index(["place", "baseline"])
    clean = table.loc[("photos@exp4-pair0.2-cleanTeacher", "TraditionalKD")]
    assert clean["teacher_pct"] == table.loc[("photos", "teacher"), "mean_pct"]
    report = gather(output)
    assert {"imbalance", "noise"} <= {one.name for one in report.sections}
    (data,) = report.datasets
    assert any("photos@exp4-pair0.2: " in line and "have a wrong label" in line for line in data.remarks)
    assert data.conditions == ("photos", "photos@exp4")
    assert all(one.used.count(" / ") == 1 for one in data.classes)


def test_numbers_of_training_images_are_in_the_results(output: Path) -> None:
    frame = load_results(str(output)).set_index("file")
    row = frame.loc["student_photos@exp4-pair0.2_Direct_run1.pt"]
    noted = {one["condition"]: one["realised"] for one in json.loads((output / "datasets.json").read_text())}
    facts = noted["exp4-pair0.2"]
    assert row["training_images"] == sum(facts["images_per_class"])
    assert row["smallest_class"] == min(facts["images_per_class"])
    assert row["largest_class"] == max(facts["images_per_class"])
    assert row["flipped"] == facts["flipped"] == round(0.2 * row["training_images"])
    assert row["noise_rate"] == 0.2
