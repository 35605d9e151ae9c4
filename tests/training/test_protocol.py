"""Trainings without images that are held out: last and best test epoch, labelled, through interruptions."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from support.builders import make_config, make_jobs, make_splits
from support.trainings import make

from hpmkd.audit.results import collect, summary
from hpmkd.config.sweep import SweepConfig
from hpmkd.data.cache import as_json, load
from hpmkd.plan.events import Resumed
from hpmkd.plan.job import Job
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.result_file import verify
from hpmkd.training.evaluate import evaluate
from hpmkd.training.remeasure import evaluate_file, predict_file
from hpmkd.training.trial import SavableEpoch, run_job

CPU = torch.device("cpu")
STUDENT = "student_Digits_TraditionalKD_run1"
BASELINES = ["Direct", "TraditionalKD", "AT", "HPM-KD-noAdaptive-uniform-noSharedMemory"]


@pytest.fixture(scope="module")
def config(cache_dir: Path) -> SweepConfig:
    own = {"protocol": "literature", "kd__logits": "cached", "fit__lr": 0.02}
    return make_config(cache_dir, baselines=BASELINES, **own, fit__student_epochs=4)


@pytest.fixture(scope="module")
def jobs(config: SweepConfig) -> dict[str, Job]:
    return make_jobs(config)


@pytest.fixture(scope="module")
def finished(config: SweepConfig, jobs: dict[str, Job], tmp_path_factory: pytest.TempPathFactory) -> OutputDir:
    output = OutputDir(tmp_path_factory.mktemp("literature"))
    for job in jobs.values():
        assert [*run_job(job, output, config.data, CPU)][-1].status == "trained"
    return output


def test_all_images_are_trained_on(config: SweepConfig, jobs: dict[str, Job]) -> None:
    splits = load(jobs[STUDENT].data, as_json(config.data))
    assert (len(splits.train), len(splits.validation)) == (200, 0)
    whole = make_splits(validation_fraction=0.0)
    assert (len(whole.train), len(whole.validation)) == (90, 0)


def test_the_record_is_the_test_accuracy_of_each_epoch() -> None:
    splits = make_splits(validation_fraction=0.0)
    training = make(splits=splits, epochs=4)
    seen = []
    for result in training.epochs():
        assert math.isnan(result.validation_accuracy_pct)
        seen.append(evaluate(training.model, splits.test, training.normalise))
    assert training.tested == seen
    about = training.product(splits.test).metadata
    assert about["test_accuracies_pct"] == seen
    assert about["best_test_accuracy_pct"] == max(seen)
    assert about["best_test_epoch"] == seen.index(max(seen)) + 1


def test_the_first_of_equal_epochs_is_the_best() -> None:
    training = make(splits=make_splits(validation_fraction=0.0), epochs=1)
    training.tested = [50.0, 75.0, 60.0, 75.0]
    assert training._best()["best_test_epoch"] == 2


def test_looking_changes_no_weight_and_honest_trainings_never_look() -> None:
    splits = make_splits(validation_fraction=0.0)
    watched, blind = make(splits=splits, epochs=2), make(splits=splits, epochs=2)
    blind.test = None
    blind._validate = lambda: math.nan  # type: ignore[method-assign]
    for training in (watched, blind):
        assert len(list(training.epochs())) == 2
    both = zip(watched.model.state_dict().values(), blind.model.state_dict().values(), strict=True)
    assert all(torch.equal(one, other) for one, other in both)
    honest = make(epochs=2)
    assert len(list(honest.epochs())) == 2
    assert honest.test is None
    assert "best_test_accuracy_pct" not in honest.product(make_splits().test).metadata


def test_files_have_both_numbers_and_the_weights_are_those_of_the_last_epoch(
    finished: OutputDir, jobs: dict[str, Job], config: SweepConfig
) -> None:
    for job in (one for one in jobs.values() if one.role.is_network):
        header = verify(finished.model_file(job))
        meta = header.metadata
        assert meta["protocol"] == "literature"
        assert meta["val_accuracy"] is None
        assert len(meta["test_accuracies_pct"]) == job.fit.epochs
        assert meta["test_accuracies_pct"][-1] == header.accuracy
        assert meta["best_test_accuracy_pct"] >= header.accuracy
        assert evaluate_file(job, finished.model_file(job), config.data, CPU)[0] == header.accuracy
    answers = predict_file(jobs[STUDENT], finished.model_file(jobs[STUDENT]), config.data, CPU)
    assert answers.temperature is None


def test_results_have_them_apart(finished: OutputDir) -> None:
    frame = collect(finished, None)
    networks = frame[frame["role"].isin(["teacher", "student"])]
    assert (networks["best_test_accuracy_pct"] >= networks["accuracy_pct"]).all()
    assert set(networks["protocol"]) == {"literature"}
    assert networks["validation_accuracy_pct"].isna().all()
    assert networks["best_test_epoch"].between(1, 4).all()
    table = summary(frame).set_index("baseline")
    row = networks[networks["baseline"] == "Direct"].iloc[0]
    assert table["mean_pct"]["Direct"] == row["accuracy_pct"]
    assert table["best_test_pct"]["Direct"] == row["best_test_accuracy_pct"]


def test_an_interrupted_training_keeps_its_record(
    finished: OutputDir, jobs: dict[str, Job], config: SweepConfig, tmp_path: Path
) -> None:
    job, whole = jobs[STUDENT], verify(finished.model_file(jobs[STUDENT]))
    output = OutputDir(tmp_path)
    for parent in job.ancestors():
        output.models.mkdir(exist_ok=True)
        for name in (parent.file_name, f"{parent.file_name}.json"):
            (output.models / name).write_bytes((finished.models / name).read_bytes())
    saved = tmp_path / "checkpoint"
    for event in run_job(job, output, config.data, CPU):
        assert isinstance(event, SavableEpoch)
        if event.event.result.epoch == 2:
            saved.mkdir()
            event.save(saved)
            break
    events: list[Any] = [*run_job(job, output, config.data, CPU, candidates=(saved,))]
    assert events[0] == Resumed(job.key, 2, 4)
    again = verify(output.model_file(job))
    assert again.weights == whole.weights
    for name in ("test_accuracies_pct", "best_test_accuracy_pct", "best_test_epoch"):
        assert again.metadata[name] == whole.metadata[name]


@pytest.mark.parametrize("condition", ["exp10", "sym0.2", "n100"])
def test_conditions_need_no_images_that_are_held_out(condition: str) -> None:
    from support.builders import make_raw, make_spec

    from hpmkd.data.conditions.catalog import conditioned
    from hpmkd.data.images import split

    spec = conditioned(make_spec(validation_fraction=0.0, name="Noise", images=300), condition)
    splits = split(make_raw(images=300), spec)
    assert len(splits.validation) == 0
    assert len(splits.train) > 0
