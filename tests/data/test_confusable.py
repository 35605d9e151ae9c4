"""Which classes look alike: what is published, what users say, and what depends on it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.builders import make_config, make_jobs, make_spec
from support.datasets import image_folder
from support.frames import make_output

from hpmkd.audit.findings import headers
from hpmkd.cli.main import main
from hpmkd.config.specs import spec_from_json, spec_to_json
from hpmkd.data.cache import describe
from hpmkd.data.conditions.catalog import conditioned, parts
from hpmkd.data.conditions.confusable import PUBLISHED, confusable
from hpmkd.errors import UsageError
from hpmkd.training.remeasure import job_of

CIFAR10 = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


@pytest.mark.parametrize(
    ("said", "classes", "found"),
    [
        ({"cat": "dog"}, ["cat", "dog", "eel"], ((0, 1),)),
        ({2: 0, "dog": "cat"}, ["cat", "dog", "eel"], ((1, 0), (2, 0))),
        ({"3": "5"}, list("0123456789"), ((3, 5),)),
        # Classes that are called by numbers: their names, not their places.
        ({10: 2}, ["1", "10", "2"], ((1, 2),)),
        ({0: 1}, ["1", "10", "2"], ((0, 0),)),
        ({}, ["a", "b"], ()),
        (None, ["a", "b"], None),
        (None, CIFAR10, PUBLISHED["CIFAR10"]),
        (None, [name.upper() for name in CIFAR10[::-1]], ((0, 8), (4, 6), (5, 2), (6, 4), (7, 9))),
        (None, [*CIFAR10[:-1], "lorry"], None),
    ],
)
def test_by_name_and_by_number(said: Any, classes: list[str], found: Any) -> None:
    if found == ((0, 0),):
        with pytest.raises(UsageError, match="taken for itself"):
            confusable("x", said, classes)
        return
    made = confusable("x", said, classes)
    assert made == (None if found is None else tuple(sorted(found)))


@pytest.mark.parametrize("said", [{"cow": "cat"}, {"cat": "cow"}, {3: 0}, {0: 3}, {"cat": "Dog"}])
def test_a_class_that_there_is_not(said: dict[int | str, int | str]) -> None:
    with pytest.raises(UsageError, match=r"data\.confused: pets has no such class") as caught:
        confusable("pets", said, ["cat", "dog", "eel"])
    assert caught.value.expected == "one of cat, dog, eel; or a number from 0 to 2"


def test_what_is_said_comes_before_what_is_published() -> None:
    spec = make_spec(name="MNIST", classes=10, confused=((0, 8), (4, 9)))
    train, _ = parts(np.arange(3000) % 10, conditioned(spec, "asym0.4"))
    wrong = train.true != train.given
    assert {(int(one), int(two)) for one, two in zip(train.true[wrong], train.given[wrong], strict=True)} == {
        (0, 8),
        (4, 9),
    }


def test_only_a_condition_that_needs_it_has_it() -> None:
    """So that all other models, clean teachers among them, are those that there were without it."""
    spec = make_spec(confused=((0, 1),))
    assert conditioned(spec, "asym0.2").confused == ((0, 1),)
    assert conditioned(spec, "asym0.2").clean == conditioned(make_spec(), None)
    for condition in (None, "sym0.2", "pair0.2", "exp10"):
        assert conditioned(spec, condition) == conditioned(make_spec(), condition)


def test_it_is_noted_for_trials_and_for_the_next_start() -> None:
    spec = conditioned(make_spec(confused=((0, 1), (1, 0))), "asym0.2")
    assert spec_from_json(json.loads(json.dumps(spec_to_json(spec)))) == spec
    old = {name: value for name, value in spec_to_json(make_spec()).items() if name != "confused"}
    assert spec_from_json(old) == make_spec()


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    return image_folder(tmp_path / "pets")


def test_of_an_own_folder(pets: Path, cache_dir: Path) -> None:
    said: dict[int | str, int | str] = {"cat": "dog", 1: "cat"}
    images: dict[str, Any] = {"datasets": [f"{pets}@asym0.5"], "data__image_size": 32, "data__train_images": None}
    made = make_config(cache_dir, **images, data__confused={"pets": said})
    (spec,) = describe(made)
    assert spec.confused == ((0, 1), (1, 0))
    other = make_config(cache_dir, **images, data__confused={"pets": {"cat": "dog"}})
    ours, theirs = ({job.key: job.fingerprint for job in make_jobs(one).values()} for one in (made, other))
    assert ours.keys() == theirs.keys()
    assert not set(ours.values()) & set(theirs.values()), "other labels, other models"


def test_of_the_command(pets: Path, tmp_path: Path, cache_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["run", "--datasets", f"{pets}@asym0.5", "--data.cache_dir", str(cache_dir), "--data.image_size", "32"]
    words += ["-n", "-o", str(tmp_path / "o")]
    assert main(words) == 2
    said = capsys.readouterr().err
    assert "it is not known which of its classes look alike" in said
    assert "--data.confused '{pets: {CLASS: ONE THAT IT IS TAKEN FOR}}'" in said
    assert main([*words, "--data.confused", "{pets: {cat: dog, dog: cat}}"]) == 0
    assert "pets@asym0.5" in capsys.readouterr().out
    wrongs = ["{pets: {cat: true}}", "{pets: {cat: 1.5}}", "{pets: {-1: cat}}", "{pets: {}}", "{pets: cat}", "[cat]"]
    for wrong in wrongs:
        assert main([*words, "--data.confused", wrong]) == 2, wrong
        assert "data.confused" in capsys.readouterr().err, wrong


def test_a_models_file_tells_it_again(pets: Path, tmp_path: Path, cache_dir: Path) -> None:
    """For `verify --evaluate` and `measure`, which know a model by its file alone."""
    images: dict[str, Any] = {"datasets": [f"{pets}@asym0.5"], "data__image_size": 32, "data__train_images": None}
    said: dict[int | str, int | str] = {"cat": "dog", 1: "cat"}
    output, _, jobs = make_output(
        tmp_path / "out", cache_dir, lambda job: 90.0, **images, data__confused={"pets": said}, baselines=["Direct"]
    )
    job = jobs["student_pets@asym0.5_Direct_run1"]
    found = job_of(headers(output)[job.key], {"pets": str(pets)})
    assert found.data == job.data
    assert hash(found.data) == hash(job.data)
