"""One job -> one file, and the number in the file is the number of its weights."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from support.builders import FULL, make_config, make_jobs
from support.malicious import Evil

from hpmkd.audit.measured import unpredicted
from hpmkd.audit.results import collect
from hpmkd.config.sweep import SweepConfig
from hpmkd.data.cache import as_json, load, prepare
from hpmkd.errors import EnvironmentProblem, HpmkdError
from hpmkd.plan.catalog import BASELINES
from hpmkd.plan.events import Failed, Resumed
from hpmkd.plan.job import Job
from hpmkd.store import epoch_checkpoint, predictions
from hpmkd.store.epoch_checkpoint import SaveSchedule
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.result_file import verify
from hpmkd.store.sidecar import file_hash, sidecar_path
from hpmkd.training.missing_predictions import predict_missing
from hpmkd.training.remeasure import evaluate_file, predict_file
from hpmkd.training.trial import SavableEpoch, run_job

CPU = torch.device("cpu")
STUDENT = "student_Digits_FitNets_run1"


@pytest.fixture(scope="module")
def config(cache_dir: Path) -> SweepConfig:
    # Nothing from the shared memory: here every job is to be trained.
    baselines = ["HPM-KD-noSharedMemory" if name == "HPM-KD" else name for name in BASELINES]
    epochs = {"fit__teacher_epochs": 4, "fit__student_epochs": 4}
    return make_config(cache_dir, baselines=baselines, **epochs, **FULL)


@pytest.fixture(scope="module")
def jobs(config: SweepConfig) -> dict[str, Job]:
    return make_jobs(config)


@pytest.fixture(scope="module")
def finished(config: SweepConfig, jobs: dict[str, Job], tmp_path_factory: pytest.TempPathFactory) -> OutputDir:
    """Every job of the plan, trained."""
    output = OutputDir(tmp_path_factory.mktemp("trial"))
    before = torch.get_num_threads()
    for job in jobs.values():
        assert events(job, output, config)[-1].status == "trained"
    torch.set_num_threads(before)
    return output


@pytest.fixture
def output(finished: OutputDir, tmp_path: Path) -> OutputDir:
    """A copy without the FitNets student."""
    shutil.copytree(finished.root, tmp_path / "copy")
    copy = OutputDir(tmp_path / "copy")
    for path in copy.models.glob(f"{STUDENT}*"):
        path.unlink()
    return copy


def events(job: Job, output: OutputDir, config: SweepConfig, *candidates: Path) -> list[Any]:
    return list(run_job(job, output, config.data, CPU, candidates))


def weights(job: Job, output: OutputDir) -> str:
    return str(verify(output.model_file(job)).metadata["weights_sha256"])


def test_every_accuracy_in_a_file_is_reproduced_exactly(finished: OutputDir, jobs: dict[str, Job], config: Any) -> None:
    """Load the file, evaluate it on the test set: the same number to the last bit, for every role and method."""
    assert {job.role for job in jobs.values()} == {"teacher", "assistant", "student", "search"}
    found = {}
    for job in [one for one in jobs.values() if one.role != "search"]:
        path = finished.model_file(job)
        found[job.key] = torch.load(path)["accuracy"]
        assert evaluate_file(job, path, config.data, CPU)[0] == found[job.key]
    assert len(set(found.values())) > 1


def test_a_file_says_what_it_is(finished: OutputDir, jobs: dict[str, Job], config: Any) -> None:
    job = jobs["student_Digits_TAKD_run1"]
    header = verify(finished.model_file(job))
    meta = header.metadata
    assert (meta["dataset"], meta["baseline"], meta["run"], meta["epochs"]) == ("Digits", "TAKD", 1, 4)
    assert (meta["seed"], meta["fingerprint"]) == (job.seed, job.fingerprint)
    assert meta["parents"] == {"assistant_Digits_TAKD": weights(jobs["assistant_Digits_TAKD"], finished)}
    assert meta["data_sha256"] == prepare(job.data, config.data)
    assert 0 <= meta["val_accuracy"] <= 100
    assert header.train_time > 0
    assert json.loads(json.dumps(meta["recipe"])) == meta["recipe"]


def test_a_network_says_how_its_images_are_normalised_and_what_its_outputs_mean(
    finished: OutputDir, jobs: dict[str, Job], config: Any
) -> None:
    for job in jobs.values():
        meta = verify(finished.model_file(job)).metadata
        if job.role == "search":
            assert not {"normalisation", "classes"} & set(meta)
            continue
        pixels = load(job.data, as_json(config.data)).train.pixels.double() / 255
        assert meta["normalisation"]["mean"] == pytest.approx([float(pixels.mean())], rel=1e-6)
        assert meta["normalisation"]["std"] == pytest.approx([float(pixels.std(correction=0))], rel=1e-6)
        assert meta["classes"] == list("0123456789")
        assert "normalisation" not in str(job.recipe())


def test_a_finished_job_is_found(finished: OutputDir, jobs: dict[str, Job], config: Any) -> None:
    (found,) = events(jobs[STUDENT], finished, config)
    assert found.status == "found"
    assert found.accuracy_pct == verify(finished.model_file(jobs[STUDENT])).accuracy


def interrupt(job: Job, output: OutputDir, config: Any, epoch: int, folder: Path) -> None:
    """Trains up to `epoch`, saves it in `folder` and stops as a kill does."""
    for event in run_job(job, output, config.data, CPU):
        if isinstance(event, SavableEpoch) and event.event.result.epoch == epoch:
            event.save(folder)
            return


@pytest.mark.parametrize("epoch", [1, 3])
def test_resumed_from_its_furthest_checkpoint(
    output: OutputDir, finished: OutputDir, jobs: dict[str, Job], config: Any, epoch: int, tmp_path: Path
) -> None:
    job = jobs[STUDENT]
    interrupt(job, output, config, 1, tmp_path / "first")
    interrupt(job, output, config, epoch, tmp_path / "second")
    seen = events(job, output, config, tmp_path / "first", tmp_path / "second")
    assert seen[0] == Resumed(job.key, epoch, 4)
    epochs = [one.event for one in seen if isinstance(one, SavableEpoch)]
    assert [(event.job, event.result.epoch) for event in epochs] == [
        (job.key, number) for number in range(epoch + 1, 5)
    ]
    assert weights(job, output) == weights(job, finished)


def test_checkpoints_are_found_in_any_round(
    output: OutputDir, jobs: dict[str, Job], config: Any, finished: OutputDir
) -> None:
    job = jobs[STUDENT]
    folder = output.tune / "round007" / trial_name(job) / "checkpoint_000002"
    interrupt(job, output, config, 2, folder)
    assert events(job, output, config)[0] == Resumed(job.key, 2, 4)
    assert weights(job, output) == weights(job, finished)


def trial_name(job: Job) -> str:
    from hpmkd.store.output_dir import trial_folder

    return trial_folder(job)


@pytest.mark.parametrize(
    "what",
    [
        "flip",
        "cut",
        "empty",
        "no state",
        "fingerprint",
        "parents",
        "last epoch",
        "no meta",
        "torn meta",
        "half of another's state",
        "another epoch's state",
        "evil",
    ],
)
def test_useless_checkpoints_are_passed_over(
    output: OutputDir, finished: OutputDir, jobs: dict[str, Job], config: Any, tmp_path: Path, what: str
) -> None:
    job = jobs[STUDENT]
    interrupt(job, output, config, 1, tmp_path / "good")
    interrupt(job, output, config, 3, tmp_path / "bad")
    state, meta = tmp_path / "bad" / epoch_checkpoint.EPOCH_FILE, tmp_path / "bad" / epoch_checkpoint.EPOCH_META
    values = json.loads(meta.read_text())
    changes = {"fingerprint": {"fingerprint": "x"}, "parents": {"parents": {"teacher_Digits": "x"}}}
    changes["last epoch"] = {"epoch": 4}
    if what in changes:
        meta.write_text(json.dumps(values | changes[what]))
    elif what == "no meta":
        meta.unlink()
    elif what == "torn meta":
        meta.write_text(meta.read_text()[:20])
    elif what == "no state":
        state.unlink()
    elif what in ("half of another's state", "another epoch's state", "evil"):
        # Such a state with a description that agrees with it.
        if what == "evil":
            torch.save({"epoch": 3, "model": Evil(tmp_path / "ran")}, state)
        elif what == "another epoch's state":
            shutil.copy(tmp_path / "good" / epoch_checkpoint.EPOCH_FILE, state)
        else:
            saved = torch.load(state)
            saved["model"] = {name: value + 1 for name, value in saved["model"].items()}
            torch.save({**saved, "optimizer": {}}, state)
        meta.write_text(json.dumps(values | {"sha256": file_hash(state)}))
    else:
        data = bytearray(state.read_bytes())
        data[len(data) // 2] ^= 1
        state.write_bytes({"flip": data, "cut": data[:1000], "empty": b""}[what])
    if what == "half of another's state":  # with nothing older to go on from, the seed must be untouched
        shutil.rmtree(tmp_path / "good")
        assert not isinstance(events(job, output, config, tmp_path / "bad")[0], Resumed)
    else:
        assert events(job, output, config, tmp_path / "bad", tmp_path / "good")[0] == Resumed(job.key, 1, 4)
    assert not (tmp_path / "ran").exists()
    assert weights(job, output) == weights(job, finished)


@pytest.mark.parametrize("what", ["missing", "damaged"])
def test_without_its_teacher_a_student_is_not_trained(
    output: OutputDir, jobs: dict[str, Job], config: Any, what: str
) -> None:
    path = output.model_file(jobs["teacher_Digits"])
    if what == "missing":
        path.unlink()
        sidecar_path(path).unlink()
    else:
        path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(HpmkdError, match=rf"teacher_Digits\.pt: the teacher cannot be used[\s\S]*found: {what}"):
        events(jobs[STUDENT], output, config)
    assert not output.model_file(jobs[STUDENT]).exists()


def test_every_network_leaves_its_answers(finished: OutputDir, jobs: dict[str, Job], config: Any) -> None:
    """One file per network and none of a search; accuracies computed from them are those of the model files."""
    networks = [job for job in jobs.values() if job.role.is_network]
    assert {path.stem for path in finished.predictions.glob("*.npy")} == {job.key for job in networks}
    labels = load(networks[0].data, config.data.model_dump_json()).test.labels.numpy()
    for job in networks:
        header = verify(finished.model_file(job))
        found = predictions.read(finished.predictions_file(job.key), header.weights)
        assert found is not None
        assert found.accuracy_pct == header.accuracy
        assert (found.labels == labels).all(), "in the order of the data set"
        assert found.data_sha256 == header.metadata["data_sha256"]
        assert (found.logits.max(1) == 0).all()
        again = predict_file(job, finished.model_file(job), config.data, CPU)
        assert (again.predicted == found.predicted).all()
        assert (again.logits == found.logits).all()
        assert again.temperature == found.temperature, "of the last epoch's validation, and of the weights in the file"


def test_answers_can_be_left_out(output: OutputDir, finished: OutputDir, jobs: dict[str, Job], config: Any) -> None:
    job = jobs[STUDENT]
    for path in output.predictions.glob(f"{STUDENT}*"):
        path.unlink()
    list(run_job(job, output, config.data, CPU, keep_predictions=False))
    assert weights(job, output) == weights(job, finished)
    assert not output.predictions_file(job.key).exists()


def test_without_answers_nothing_is_trained_again(output: OutputDir, jobs: dict[str, Job], config: Any) -> None:
    job = jobs["teacher_Digits"]
    output.predictions_file(job.key).unlink()
    (found,) = events(job, output, config)
    assert found.status == "found"


@pytest.mark.parametrize("when", ["before", "between"])
def test_answers_that_cannot_be_written_cost_nothing_else(
    output: OutputDir, finished: OutputDir, jobs: dict[str, Job], config: Any, monkeypatch: Any, when: str
) -> None:
    """A disk that is full by then, or is full after the answers and before their sidecar; or a kill there."""
    job, inner = jobs[STUDENT], predictions.commit_bytes

    def full(path: Path, data: Any) -> None:
        if when == "between":
            inner(path, data)
        raise EnvironmentProblem(f"{path}: cannot be written")

    for path in output.predictions.glob(f"{STUDENT}*"):
        path.unlink()
    monkeypatch.setattr(predictions, "commit_bytes", full)
    assert events(job, output, config)[-1].status == "trained"
    assert weights(job, output) == weights(job, finished)
    assert predictions.read(output.predictions_file(job.key), weights(job, output)) is None


@pytest.mark.parametrize("step", ["nothing of them", "their file alone"])
def test_killed_between_the_model_and_its_answers(
    output: OutputDir, finished: OutputDir, jobs: dict[str, Job], config: Any, monkeypatch: Any, step: str
) -> None:
    """The model is found and not trained again; no answers are believed; `measure` makes the same ones."""
    job, inner = jobs[STUDENT], predictions.commit_bytes
    for path in output.predictions.glob(f"{STUDENT}*"):
        path.unlink()

    def killed(path: Path, data: Any) -> None:
        if step == "their file alone":
            inner(path, data)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(predictions, "commit_bytes", killed)
        with pytest.raises(KeyboardInterrupt):
            events(job, output, config)
    assert [event.status for event in events(job, output, config)] == ["found"]
    header = verify(output.model_file(job))
    assert predictions.read(output.predictions_file(job.key), header.weights) is None
    assert unpredicted(output, {job.key: header}) == {job.key: header}
    assert predict_missing(output, {job.key: header}, config.data, {}, lambda *_: None).made == [job.key]
    one, other = (where.predictions_file(job.key).read_bytes() for where in (output, finished))
    assert one == other


def test_a_resumed_model_leaves_the_same_answers(
    output: OutputDir, finished: OutputDir, jobs: dict[str, Job], config: Any, tmp_path: Path
) -> None:
    job = jobs[STUDENT]
    for path in output.predictions.glob(f"{STUDENT}*"):
        path.unlink()
    interrupt(job, output, config, 3, tmp_path / "third")
    assert events(job, output, config, tmp_path / "third")[0] == Resumed(job.key, 3, 4)
    one, other = (where.predictions_file(job.key).read_bytes() for where in (output, finished))
    assert one == other


def test_a_student_with_attention_says_how_its_weights_are_spread(
    finished: OutputDir, jobs: dict[str, Job], config: Any, tmp_path: Path
) -> None:
    """After a resume, too, though the attention is not trained again then; nothing of it is in the fingerprint."""
    job = jobs["student_Digits_HPM-KD-noSharedMemory_run1"]
    said = verify(finished.model_file(job)).metadata
    assert 0 < said["attention"]["entropy"] <= math.log(len(job.teachers)) + 1e-9
    assert len(said["attention"]["weights"]) == len(job.teachers)
    assert sum(said["attention"]["weights"]) == pytest.approx(1)
    assert said["fingerprint"] == job.fingerprint
    assert "attention" not in verify(finished.model_file(jobs[STUDENT])).metadata
    shutil.copytree(finished.root, tmp_path / "again")
    again = OutputDir(tmp_path / "again")
    for path in again.models.glob(f"{job.key}*"):
        path.unlink()
    interrupt(job, again, config, 2, tmp_path / "second")
    assert events(job, again, config, tmp_path / "second")[0] == Resumed(job.key, 2, 4)
    resumed = verify(again.model_file(job)).metadata
    assert resumed["attention"] == said["attention"]
    assert resumed["weights_sha256"] == said["weights_sha256"]
    frame = collect(again, None).set_index("file")["attention_entropy"]
    assert frame[job.file_name] == said["attention"]["entropy"]
    assert frame.drop(job.file_name).isna().all()


def test_divergence_leaves_no_file(cache_dir: Path, tmp_path: Path) -> None:
    config = make_config(cache_dir, baselines=["Direct"], fit__optimizer="sgd", fit__lr=1e30)
    job = make_jobs(config)["teacher_Digits"]
    last = events(job, OutputDir(tmp_path), config)[-1]
    assert isinstance(last, Failed)
    assert last.job == job.key
    assert "training loss" in last.message
    assert not OutputDir(tmp_path).model_file(job).exists()


def test_saves_cost_at_most_their_part(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(epoch_checkpoint.time, "monotonic", lambda: now[0])
    schedule = SaveSchedule(0.1)
    assert not schedule.due()
    now[0] = 0.6
    assert schedule.due()
    schedule.saved(0.2)
    now[0] = 0.6 + 1.9
    assert not schedule.due()
    now[0] = 0.6 + 2.1
    assert schedule.due()
