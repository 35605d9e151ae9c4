"""The setup in a report: recipes, and where baselines have others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.builders import make_config, make_jobs
from support.frames import compose_report
from support.varied import scored, sweep

from hpmkd.analysis.report.setup import facts_of, losses, recipes


def lines(**overrides: Any) -> dict[str, str]:
    return dict(recipes(make_jobs(make_config(**overrides)).values()))


def test_a_line_per_role() -> None:
    fit = {"fit__teacher_epochs": 50, "fit__assistant_epochs": 40, "fit__student_epochs": 1, "fit__batch_size": 1024}
    sgd = {"teacher_fit__optimizer": "sgd", "teacher_fit__lr": 0.1, "teacher_fit__weight_decay": 5e-4}
    step = {"teacher_fit__schedule": "step", "fit__precision": "bf16"}
    found = lines(baselines=["Direct", "TAKD"], **fit, **sgd, **step)
    assert found == {
        "training of teachers": "50 epochs, batches of 1,024, SGD with Nesterov momentum 0.9, learning rate 0.1 "
        "(times 0.1 after 50 %, 75 %), weight decay 0.0005, bf16",
        "training of assistants": "40 epochs, batches of 1,024, Adam, learning rate 0.001 (cosine), bf16",
        "training of students": "1 epoch, batches of 1,024, Adam, learning rate 0.001 (cosine), bf16",
    }
    assert list(lines(baselines=["Direct"])) == ["training of teachers", "training of students"]


def test_who_is_trained_in_another_way_is_named() -> None:
    found = lines(baselines=["Direct", "TraditionalKD", "AT"], fit__mixup=0.2, kd__mixup=0.0)
    usual, other = found["training of students"].split("; ")
    assert "mixup" not in usual
    assert other == "Direct: mixup 0.2"
    one_is_plain = lines(baselines=["Direct", "AT", "TAKD"], kd__mixup=0.2)
    assert one_is_plain["training of students"].endswith(", mixup 0.2, fp32; Direct: no mixup")


def test_where_a_baseline_has_other_epochs_in_one_place_the_place_is_named() -> None:
    """What KD-Budget may spend depends on the networks of a pair."""
    pairs = {"a": {"teacher": {"arch": "resnet20"}}, "b": {"teacher": {"arch": "resnet8"}}}
    said = lines(
        baselines=["Direct", "KD-Budget", "HPM-KD", "AT"], pairs=pairs, hpmkd__teachers=2, fit__student_epochs=10
    )
    others = said["training of students"].split("; ")[1:]
    assert len(others) == 2
    assert [text.split(":")[0] for text in others] == ["KD-Budget on Digits+a", "KD-Budget on Digits+b"]
    assert all(text.endswith(" epochs") for text in others)
    assert len(lines(baselines=["Direct", "KD-Budget", "HPM-KD"])["training of students"].split("; ")) == 2


def test_they_stand_in_the_report(tmp_path: Path) -> None:
    frame, saved = sweep(scored(lambda _: 0.0), tmp_path, baselines=["Direct", "AT"], runs=2)
    facts = dict(facts_of(frame, saved, ["Direct", "AT"]))
    assert facts["training of students"].startswith("2 epochs, batches of ")
    assert "training of students" not in dict(compose_report(frame, tmp_path, saved.config).facts), "no plan is known"


def test_compression_is_said_of_each_place_where_it_differs(tmp_path: Path) -> None:
    frame, saved = sweep(
        scored(lambda _: 0.0), tmp_path, baselines=["Direct", "AT"], datasets=["Digits", "Digits@n100"]
    )
    said = dict(facts_of(frame, saved, []))["compression"]
    assert said == "students have 11.2 times fewer parameters and 4.61 times fewer multiply-adds than the teacher"
    frame, saved = sweep(scored(lambda _: 0.0), tmp_path, baselines=["Direct"], ratios=[4, 10])
    first, second = dict(facts_of(frame, saved, []))["compression"].split("; ")
    assert first == "Digits+r4: 4.01 times fewer parameters and 1.82 times fewer multiply-adds than the teacher"
    assert second.startswith("Digits+r10: ")
    assert "compression" not in dict(compose_report(frame, tmp_path, saved.config).facts), "no plan is known"


@pytest.mark.parametrize(("dataset", "said"), [("Digits@exp10", "200"), ("Digits@n300", "200; where a condition says")])
def test_how_many_images_a_condition_says_only_where_one_does(dataset: str, said: str) -> None:
    given: dict[str, Any] = {"datasets": ["Digits", dataset], "data__train_images": 200}
    frame, saved = sweep(lambda job: (90.0, 90.0), baselines=["Direct"], runs=1, **given)
    assert dict(facts_of(frame, saved, ["Direct"]))["training images"].startswith(said)
    assert ("condition" in dict(facts_of(frame, saved, ["Direct"]))["training images"]) == ("n300" in dataset)


def test_what_each_loss_stands_on_is_said() -> None:
    names = ["Direct", "TraditionalKD", "TraditionalKD-LS", "AT", "AT-alone", "CRD-alone", "AT-LS", "DKD", "TAKD"]
    found = losses(make_jobs(make_config(baselines=names)).values())
    assert found.split("; ") == [
        "KD: TraditionalKD, TAKD",
        "KD, logits standardised (LS): TraditionalKD-LS",
        "KD and a term of its own: AT",
        "the labels and a term of its own: AT-alone, CRD-alone, DKD",
        "KD and a term of its own, logits standardised (LS): AT-LS",
    ]
    assert losses(make_jobs(make_config(baselines=["Direct"])).values()) == ""
