"""Trainings with compiled kernels: continued to the same bits, and measured again exactly."""

from __future__ import annotations

import functools
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from support import trainings
from support.builders import STUDENT, make_config, make_jobs, make_spec, make_splits
from support.trainings import CPU, same, saved

from hpmkd.child_process import run
from hpmkd.config.sweep import DataConfig
from hpmkd.models import build
from hpmkd.models.lenet import LeNet5
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.result_file import verify
from hpmkd.training.logits_cache import LogitsCacheBuilder
from hpmkd.training.remeasure import measure, predict
from hpmkd.training.teachers import LiveTeacher
from hpmkd.training.trial import run_job

pytest.importorskip("numba")
LARGE = replace(STUDENT, channels=(3, 5, 24))  # with the convolutional layers of the student: one shape to compile
make = functools.partial(trainings.make, teacher=LARGE)


@pytest.fixture(autouse=True)
def _own_cache(kernel_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(kernel_cache))


@pytest.mark.parametrize("method", ["TraditionalKD", "DML", "FitNets"])
def test_continued_to_the_same_bits(method: str) -> None:
    """FitNets asks for maps while it trains, so by torch; its validation is by kernels."""
    whole, first, rest = (make(method, kernels="compiled", batch_size=27) for _ in range(3))
    list(whole.epochs())
    list(first.epochs(until=1))
    rest.load_state_dict(saved(first))
    list(rest.epochs())
    same(whole, rest)
    plain = make(method, batch_size=27)
    list(plain.epochs())
    weights = [one.model.state_dict()["conv1.weight"] for one in (whole, plain)]
    assert torch.equal(*weights) == (method == "FitNets")


def test_all_networks_of_a_training_follow_its_recipe() -> None:
    training = make("DML", kernels="compiled")
    assert training.model.compiled
    assert training.distiller.peer.compiled
    (teacher,) = make("TraditionalKD", kernels="compiled").teachers
    assert isinstance(teacher, LiveTeacher)
    assert teacher.network.compiled
    encoder = make("SimKD", kernels="compiled").model.encoder
    assert isinstance(encoder, LeNet5)
    assert encoder.compiled
    assert not make("TraditionalKD").teachers[0].network.compiled


def test_a_logits_cache_has_what_a_living_teacher_answers() -> None:
    training = make("TraditionalKD", kernels="compiled")
    cache = LogitsCacheBuilder(build(LARGE, 1), make_splits(), make_spec(augment="crop_flip"), training.fit, CPU)
    list(cache.epochs())
    batch = training.batches.take(torch.arange(27), torch.zeros(27, dtype=torch.int64))
    assert torch.equal(cache.content()[:27], training.teachers[0].outputs(batch).logits)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, cache_dir: Path, kernel_cache: Path) -> OutputDir:
    """A teacher and a student of it, of the sizes that other tests here have compiled."""
    arch, channels = {"arch": "lenet5"}, [3, 5, 12]
    networks = {"teacher": {**arch, "channels": [3, 5, 24]}, "student": {**arch, "channels": channels}}
    config = make_config(cache_dir, baselines=["TraditionalKD"], fit__kernels="compiled", **networks)
    output = OutputDir(tmp_path_factory.mktemp("compiled") / "out")
    for job in make_jobs(config).values():
        list(run_job(job, output, config.data, CPU))
    return output


def test_a_model_is_measured_again_with_its_kernels(trained: OutputDir, cache_dir: Path) -> None:
    path = trained.models / "student_Digits_TraditionalKD_run1.pt"
    header, data = verify(path), DataConfig(cache_dir=str(cache_dir))
    assert header.metadata["recipe"]["fit.kernels"] == "compiled"
    assert header.metadata["versions"].keys() == {"hpmkd", "torch", "python", "numba"}
    for again in (measure(header, path, data, {})[0], predict(header, path, data, {})[0].accuracy_pct):
        assert again == header.accuracy


def test_compiled_ahead(tmp_path: Path, kernel_cache: Path) -> None:
    """In a process of its own, for those that start later."""
    (tmp_path / "request.json").write_text(json.dumps([(STUDENT.in_channels, STUDENT.image_size, 3, 5)]))
    assert run("hpmkd.models.compiled.ahead", tmp_path, 300.0) == 0
    assert json.loads((tmp_path / "answer.json").read_text()) == {}
    assert list((kernel_cache / "hpmkd" / "kernels").iterdir())
