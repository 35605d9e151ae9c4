"""Tables of logits: the numbers of the live teacher, made once; never in anyone's way."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.builders import STUDENT, TEACHER, batches_of, make_config, make_fit, make_jobs, make_spec, make_splits
from support.losses import HPARAMS
from support.sweeps import start, weights
from support.trainings import HPM, saved

from hpmkd.audit.findings import audit
from hpmkd.errors import DamagedModel
from hpmkd.methods.build import build_distiller
from hpmkd.models import build
from hpmkd.plan.job import Job
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.result_file import verify
from hpmkd.store.sidecar import sidecar_path
from hpmkd.training.logits_cache import LogitsCacheBuilder
from hpmkd.training.recipe import Recipe
from hpmkd.training.teachers import CachedTeacher
from hpmkd.training.train import Training
from hpmkd.training.trial import run_job

CPU = torch.device("cpu")
AUGMENTS = {"none": 1, "crop": 81, "crop_flip": 162}


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def tabulation(augment: str, views: int | None = None, seed: int = 1) -> LogitsCacheBuilder:
    spec = make_spec(augment=augment)
    return LogitsCacheBuilder(build(TEACHER, seed), make_splits(), spec, make_fit(batch_size=16, views=views), CPU)


def table(folder: Path, augment: str, views: int | None = None, seed: int = 1) -> CachedTeacher:
    made = tabulation(augment, views, seed)
    list(made.epochs())
    path = folder / f"{augment}-{views}-{seed}.npy"
    np.save(path, made.content().numpy())
    return CachedTeacher(path, len(made.batches.labels), CPU)


def training(method: str, teachers: list[Any], augment: str, views: int | None, **hparams: Any) -> Training:
    distiller = build_distiller(method, {**HPARAMS, **hparams}, STUDENT, (TEACHER,) * len(teachers), 3)
    fit = make_fit(views=views)
    return Training(build(STUDENT, 2), distiller, teachers, make_splits(), Recipe(fit, augment, 5, CPU))


@pytest.mark.parametrize("views", [None, 7])
@pytest.mark.parametrize("augment", AUGMENTS)
def test_a_table_holds_what_the_live_teacher_says(augment: str, views: int | None, tmp_path: Path) -> None:
    """Every training batch of two epochs, and the validation images."""
    teacher = table(tmp_path, augment, views)
    live = training("TraditionalKD", [build(TEACHER, 1)], augment, views)
    assert teacher.views == min(views or 162, AUGMENTS[augment])
    for batch in [*batches_of(live.batches, 5, 0), *batches_of(live.batches, 5, 1)]:
        expected = live.teachers[0].outputs(batch).logits
        assert torch.allclose(teacher.outputs(batch).logits, expected, atol=1e-5)
    expected = live.teachers[0].validation_logits(live.validation, live.normalise)
    assert torch.allclose(teacher.validation_logits(live.validation, live.normalise), expected, atol=1e-5)


@pytest.mark.parametrize(("method", "count"), [("TraditionalKD", 1), ("KD-Ensemble", 2), ("HPM-KD", 3)])
def test_table_and_live_teacher_give_the_same_training(method: str, count: int, tmp_path: Path) -> None:
    more = HPM | {"hpmkd.schedule": "cosine"} if method == "HPM-KD" else {}
    live = training(method, [build(TEACHER, seed) for seed in range(1, count + 1)], "crop_flip", 7, **more)
    tables = [table(tmp_path, "crop_flip", 7, seed) for seed in range(1, count + 1)]
    looked_up = training(method, tables, "crop_flip", 7, **more)
    for ours, theirs in zip(live.epochs(), looked_up.epochs(), strict=True):
        assert ours.train_loss == pytest.approx(theirs.train_loss, rel=1e-4)
    for ours, theirs in zip(live.model.parameters(), looked_up.model.parameters(), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-4)


def test_an_interrupted_table_goes_on_and_is_the_same() -> None:
    whole, first, second = (tabulation("crop_flip", 6) for _ in range(3))
    list(whole.epochs())
    for result in first.epochs():
        if result.epoch == 2:
            break
    second.load_state_dict(saved(first))
    assert [result.epoch for result in second.epochs()] == [3, 4, 5, 6]
    assert torch.equal(second.content(), whole.content())
    assert whole.content().shape == (6 * 81 + 9, 4)


@pytest.fixture(scope="module")
def trained(cache_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Job], OutputDir, Any]:
    config = make_config(cache_dir, baselines=["TraditionalKD"], kd__logits="cached")
    jobs, output = make_jobs(config), OutputDir(tmp_path_factory.mktemp("tables"))
    for job in jobs.values():
        list(run_job(job, output, config.data, CPU))
    return jobs, output, config


@pytest.fixture
def copy(trained: tuple[dict[str, Job], OutputDir, Any], tmp_path: Path) -> OutputDir:
    shutil.copytree(trained[1].root, tmp_path / "copy")
    return OutputDir(tmp_path / "copy")


def test_a_file_of_a_table_is_verified_by_its_sidecar(trained: Any, copy: OutputDir) -> None:
    path = copy.model_file(trained[0]["logits_teacher_Digits"])
    header = verify(path)
    assert header.metadata["role"] == "logits"
    assert 0 < header.accuracy <= 100
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(DamagedModel, match="hash"):
        verify(path)
    sidecar_path(path).unlink()
    with pytest.raises(DamagedModel, match="sidecar"):
        verify(path)


def test_a_lost_table_is_made_again_only_for_students_that_need_it(trained: Any, copy: OutputDir) -> None:
    jobs = trained[0]
    copy.model_file(jobs["logits_teacher_Digits"]).unlink()
    assert {finding.state for finding in audit(jobs.values(), copy).values()} == {"good"}
    assert "logits_teacher_Digits" not in audit(jobs.values(), copy)
    copy.model_file(jobs["student_Digits_TraditionalKD_run1"]).unlink()
    states = {key: finding.state for key, finding in audit(jobs.values(), copy).items()}
    assert states["logits_teacher_Digits"] == states["student_Digits_TraditionalKD_run1"] == "missing"


def test_a_table_made_again_leaves_its_students_valid(trained: Any, copy: OutputDir) -> None:
    """Whatever its last bits are: the student's lineage is the teacher, not the bytes of the table."""
    jobs, _, config = trained
    path = copy.model_file(jobs["logits_teacher_Digits"])
    before = verify(path).metadata["weights_sha256"]
    path.unlink()
    list(run_job(jobs["logits_teacher_Digits"], copy, config.data, CPU))
    assert verify(path).metadata["weights_sha256"] == before
    assert {finding.state for finding in audit(jobs.values(), copy).values()} == {"good"}


@pytest.mark.parametrize("table_is_there", [True, False])
def test_other_teacher_weights_make_the_student_stale_and_the_table_is_made_again(
    trained: Any, copy: OutputDir, table_is_there: bool
) -> None:
    from hpmkd.store.result_file import commit, load_weights

    jobs = trained[0]
    path = copy.model_file(jobs["teacher_Digits"])
    header, state = load_weights(path)
    commit(path, {**state, "fc2.bias": state["fc2.bias"] + 1}, header.accuracy, 1.0, header.metadata)
    if not table_is_there:
        copy.model_file(jobs["logits_teacher_Digits"]).unlink()
    states = {key: finding.state for key, finding in audit(jobs.values(), copy).items()}
    assert states["student_Digits_TraditionalKD_run1"] == "stale"
    assert states["logits_teacher_Digits"] == "missing"


@pytest.mark.slow
def test_a_sweep_makes_its_caches_and_needs_them_no_more(
    tmp_path: Path, cache_dir: Path, small_ray: None, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--baselines", "TraditionalKD", "TAKD")
    assert start(tmp_path / "out", cache_dir, *words) == 0
    assert "logits of teacher Digits: 1 view of each image" in capsys.readouterr().out
    whole = weights(tmp_path / "out")
    for path in (tmp_path / "out" / "models").glob("logits_*"):
        path.unlink()
    assert start(tmp_path / "out", cache_dir, *words) == 0
    assert "training" not in capsys.readouterr().out
    next((tmp_path / "out" / "models").glob("student_Digits_TAKD_run1.pt")).unlink()
    assert start(tmp_path / "out", cache_dir, *words) == 0
    assert "training 2 of 5" in capsys.readouterr().out
    assert weights(tmp_path / "out") == whole


def test_verify_knows_tables_and_does_not_miss_one_that_is_gone(trained: Any, copy: OutputDir) -> None:
    """The student's fingerprint is checked through the table, and still where the table was deleted."""
    from hpmkd.audit.verification import verify_output

    jobs = list(trained[0].values())
    path = copy.model_file(trained[0]["logits_teacher_Digits"])
    assert [verdict.state for verdict in verify_output(copy, jobs)] == ["good"] * 3
    assert {verdict.notes for verdict in verify_output(copy, None)} == {()}
    path.unlink()
    sidecar_path(path).unlink()
    assert [verdict.state for verdict in verify_output(copy, jobs)] == ["good"] * 2
    copy.model_file(trained[0]["student_Digits_TraditionalKD_run1"]).unlink()
    assert [verdict.state for verdict in verify_output(copy, jobs)] == ["good", "missing", "missing"]
