"""Tables of logits: the numbers of the live teacher, made once; planned where they pay; never in anyone's way."""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from builders import STUDENT, TEACHER, make_config, make_fit, make_jobs, make_spec, make_splits
from hypothesis import given
from hypothesis import strategies as st
from sweeps import start, weights
from test_methods import HPARAMS
from test_train import HPM, saved

from hpmkd.audit import audit
from hpmkd.errors import DamagedModel
from hpmkd.job import Job
from hpmkd.mentors import TableMentor
from hpmkd.methods import build_distiller, lineages
from hpmkd.models import build
from hpmkd.output import Output
from hpmkd.plan import expand, training_cost
from hpmkd.store.header import sidecar_path
from hpmkd.store.model_file import verify
from hpmkd.tabulate import Tabulation
from hpmkd.train import Training
from hpmkd.trial import run_job

CPU = torch.device("cpu")
AUGMENTS = {"none": 1, "crop": 81, "crop_flip": 162}


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def tabulation(augment: str, views: int | None = None, seed: int = 1) -> Tabulation:
    spec = make_spec(augment=augment)
    return Tabulation(build(TEACHER, seed), make_splits(), spec, make_fit(batch_size=16, views=views), CPU)


def table(folder: Path, augment: str, views: int | None = None, seed: int = 1) -> TableMentor:
    made = tabulation(augment, views, seed)
    list(made.epochs())
    path = folder / f"{augment}-{views}-{seed}.npy"
    path.write_bytes(made.content())
    return TableMentor(path, len(made.batches.labels), CPU)


def training(method: str, teachers: list[Any], augment: str, views: int | None, **hparams: Any) -> Training:
    distiller = build_distiller(method, {**HPARAMS, **hparams}, STUDENT, (TEACHER,) * len(teachers), 3)
    fit = make_fit(views=views)
    return Training(build(STUDENT, 2), distiller, teachers, make_splits(), augment, fit, 5, CPU)


@pytest.mark.parametrize("views", [None, 7])
@pytest.mark.parametrize("augment", AUGMENTS)
def test_a_table_holds_what_the_live_teacher_says(augment: str, views: int | None, tmp_path: Path) -> None:
    """Every training batch of two epochs, and the validation images."""
    mentor = table(tmp_path, augment, views)
    live = training("TraditionalKD", [build(TEACHER, 1)], augment, views)
    assert mentor.views == min(views or 162, AUGMENTS[augment])
    for batch in [*live.batches.epoch(5, 0), *live.batches.epoch(5, 1)]:
        expected = live.mentors[0].outputs(batch, False).logits
        assert torch.allclose(mentor.outputs(batch, False).logits, expected, atol=1e-5)
    expected = live.mentors[0].validation_logits(live.validation, live.normalise)
    assert torch.allclose(mentor.validation_logits(live.validation, live.normalise), expected, atol=1e-5)


@pytest.mark.parametrize(("method", "mentors"), [("TraditionalKD", 1), ("KD-Ensemble", 2), ("HPM-KD", 3)])
def test_table_and_live_teacher_give_the_same_training(method: str, mentors: int, tmp_path: Path) -> None:
    more = HPM | {"hpmkd.schedule": "cosine"} if method == "HPM-KD" else {}
    live = training(method, [build(TEACHER, seed) for seed in range(1, mentors + 1)], "crop_flip", 7, **more)
    tables = [table(tmp_path, "crop_flip", 7, seed) for seed in range(1, mentors + 1)]
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
    assert bytes(second.content()) == bytes(whole.content())
    assert np.load(io.BytesIO(bytes(whole.content()))).shape == (6 * 81 + 9, 4)


def roles(jobs: dict[str, Job], student: str) -> list[str]:
    return [parent.role for parent in jobs[f"student_Digits_{student}_run1"].teachers]


def test_who_learns_from_tables() -> None:
    jobs = make_jobs(make_config(kd__logits="auto", hpmkd__chain_length=1))
    assert roles(jobs, "Direct") == []
    assert roles(jobs, "AT") == roles(jobs, "FitNets") == ["teacher"]
    assert roles(jobs, "TraditionalKD") == roles(jobs, "TAKD") == ["table"]
    assert roles(jobs, "KD-Ensemble") == ["table", "table"]
    assert roles(jobs, "HPM-KD") == ["table", "table", "table", "choice"]
    assert [one.role for one in jobs["choice_Digits"].teachers] == ["table"]
    assert [one.key for one in jobs["assistant_Digits_TAKD"].teachers] == ["table_teacher_Digits"]
    assert jobs["table_assistant_Digits_TAKD"].file_name == "table_assistant_Digits_TAKD.npy"
    assert all(job.role != "table" for job in make_jobs(make_config()).values())


def plan(augment: str, images: int = 1000, **more: Any) -> dict[str, Job]:
    config = make_config(baselines=["TraditionalKD", "KD-Budget"], data__train_images=None, **more)
    spec = make_spec(augment=augment, image_size=28, classes=10, images=images)
    return {job.key: job for job in expand(config, [spec], lineages(config))}


@pytest.mark.parametrize(
    ("augment", "more", "expected"),
    [
        ("crop_flip", {"fit__student_epochs": 161}, False),
        ("crop_flip", {"fit__student_epochs": 162}, True),
        ("crop_flip", {"fit__student_epochs": 8, "fit__views": 8}, True),
        ("crop_flip", {"fit__student_epochs": 8, "fit__views": 9}, False),
        ("none", {"images": 200_000_000}, False),
        ("none", {"images": 200_000_000, "kd__table_gib": 8.0}, True),
        ("none", {"kd__mixup": 0.2}, False),
        ("none", {"kd__logits": "live"}, False),
        ("crop_flip", {"kd__logits": "table"}, True),
    ],
)
def test_auto_makes_a_table_where_it_pays_and_fits(augment: str, more: dict[str, Any], expected: bool) -> None:
    jobs = plan(augment, **{"kd__logits": "auto", **more})
    assert ("table_teacher_Noise" in jobs) is expected


@given(runs=st.integers(1, 9), epochs=st.integers(1, 200))
def test_more_runs_never_change_the_recipe(runs: int, epochs: int) -> None:
    one, many = (plan("crop_flip", kd__logits="auto", fit__student_epochs=epochs, runs=count) for count in (1, runs))
    assert {key: many[key].fingerprint for key in one} == {key: job.fingerprint for key, job in one.items()}


def test_a_table_does_not_depend_on_the_students_recipe_but_on_views_and_precision() -> None:
    def print_of(**more: Any) -> str:
        return plan("crop_flip", kd__logits="table", **more)["table_teacher_Noise"].fingerprint

    assert print_of() == print_of(fit__student_epochs=7, kd__temperature=2.0, kd__alpha=0.1)
    assert len({print_of(), print_of(fit__views=3), print_of(fit__precision="bf16"), print_of(fit__lr=0.1)}) == 4


def test_the_budget_counts_tables_once_and_no_forward_of_a_teacher() -> None:
    live, tables = (plan("crop_flip", kd__logits=how, fit__views=4) for how in ("live", "table"))
    student = tables["student_Noise_TraditionalKD_run1"]
    asked = live["student_Noise_TraditionalKD_run1"]
    assert training_cost(tables["table_teacher_Noise"]) == 4 / 3 * training_cost(live["teacher_Noise"]) / 2
    assert training_cost(asked) - training_cost(student) == 2 * training_cost(tables["table_teacher_Noise"]) / 4
    assert tables["student_Noise_KD-Budget_run1"].fit.epochs > live["student_Noise_KD-Budget_run1"].fit.epochs


@pytest.fixture(scope="module")
def trained(cache_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Job], Output, Any]:
    config = make_config(cache_dir, baselines=["TraditionalKD"], kd__logits="table")
    jobs, output = make_jobs(config), Output(tmp_path_factory.mktemp("tables"))
    for job in jobs.values():
        list(run_job(job, output, config.data, CPU))
    return jobs, output, config


@pytest.fixture
def copy(trained: tuple[dict[str, Job], Output, Any], tmp_path: Path) -> Output:
    shutil.copytree(trained[1].root, tmp_path / "copy")
    return Output(tmp_path / "copy")


def test_a_file_of_a_table_is_verified_by_its_sidecar(trained: Any, copy: Output) -> None:
    path = copy.model_file(trained[0]["table_teacher_Digits"])
    header = verify(path)
    assert header.metadata["role"] == "table"
    assert 0 < header.accuracy <= 100
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(DamagedModel, match="hash"):
        verify(path)
    sidecar_path(path).unlink()
    with pytest.raises(DamagedModel, match="sidecar"):
        verify(path)


def test_a_lost_table_is_made_again_only_for_students_that_need_it(trained: Any, copy: Output) -> None:
    jobs = trained[0]
    copy.model_file(jobs["table_teacher_Digits"]).unlink()
    assert {finding.state for finding in audit(jobs.values(), copy).values()} == {"done"}
    assert "table_teacher_Digits" not in audit(jobs.values(), copy)
    copy.model_file(jobs["student_Digits_TraditionalKD_run1"]).unlink()
    states = {key: finding.state for key, finding in audit(jobs.values(), copy).items()}
    assert states["table_teacher_Digits"] == states["student_Digits_TraditionalKD_run1"] == "missing"


def test_a_table_made_again_leaves_its_students_valid(trained: Any, copy: Output) -> None:
    """Whatever its last bits are: the student's lineage is the teacher, not the bytes of the table."""
    jobs, _, config = trained
    path = copy.model_file(jobs["table_teacher_Digits"])
    before = verify(path).metadata["weights_sha256"]
    path.unlink()
    list(run_job(jobs["table_teacher_Digits"], copy, config.data, CPU))
    assert verify(path).metadata["weights_sha256"] == before
    assert {finding.state for finding in audit(jobs.values(), copy).values()} == {"done"}


@pytest.mark.parametrize("table_is_there", [True, False])
def test_other_teacher_weights_make_the_student_stale_and_the_table_is_made_again(
    trained: Any, copy: Output, table_is_there: bool
) -> None:
    from hpmkd.store.model_file import load_weights, save_model

    jobs = trained[0]
    path = copy.model_file(jobs["teacher_Digits"])
    header, state = load_weights(path)
    save_model({**state, "fc2.bias": state["fc2.bias"] + 1}, path, header.accuracy, 1.0, header.metadata)
    if not table_is_there:
        copy.model_file(jobs["table_teacher_Digits"]).unlink()
    states = {key: finding.state for key, finding in audit(jobs.values(), copy).items()}
    assert states["student_Digits_TraditionalKD_run1"] == "stale"
    assert states["table_teacher_Digits"] == "missing"


def test_a_sweep_makes_its_tables_and_needs_them_no_more(
    tmp_path: Path, cache_dir: Path, small_ray: None, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--baselines", "TraditionalKD", "TAKD")
    assert start(tmp_path / "out", cache_dir, *words) == 0
    assert "table of teacher Digits: 1 view of each image" in capsys.readouterr().out
    whole = weights(tmp_path / "out")
    for path in (tmp_path / "out" / "models").glob("table_*"):
        path.unlink()
    assert start(tmp_path / "out", cache_dir, *words) == 0
    assert "training" not in capsys.readouterr().out
    next((tmp_path / "out" / "models").glob("student_Digits_TAKD_run1.pt")).unlink()
    assert start(tmp_path / "out", cache_dir, *words) == 0
    assert "training 2 of 5" in capsys.readouterr().out
    assert weights(tmp_path / "out") == whole


def test_verify_knows_tables_and_does_not_miss_one_that_is_gone(trained: Any, copy: Output) -> None:
    """The student's fingerprint is checked through the table, and still where the table was deleted."""
    from hpmkd.verification import verify_output

    jobs = list(trained[0].values())
    path = copy.model_file(trained[0]["table_teacher_Digits"])
    assert [verdict.state for verdict in verify_output(copy, jobs)] == ["good"] * 3
    assert {verdict.notes for verdict in verify_output(copy, None)} == {()}
    path.unlink()
    sidecar_path(path).unlink()
    assert [verdict.state for verdict in verify_output(copy, jobs)] == ["good"] * 2
    copy.model_file(trained[0]["student_Digits_TraditionalKD_run1"]).unlink()
    assert [verdict.state for verdict in verify_output(copy, jobs)] == ["good", "missing", "missing"]
