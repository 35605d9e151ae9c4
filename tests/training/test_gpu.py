"""On a real GPU, in deterministic mode: recorded steps train like steps one by one, bit for bit. Skipped without one.

HPMKD_GPU_TESTS=cpu runs the same tests on the CPU, with stand-ins for CUDA graphs (`support.tapes`) and for torch's
counters and checks (`support.gpu`): it shows that a test itself is right, not that a GPU does what is asked.
Neither Ray nor pydantic is needed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

# cuBLAS is deterministic only with workspaces of a fixed size, and reads this when CUDA starts.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

import numpy as np
import pytest
import torch
from support.builders import TEACHER, make_fit, make_raw, make_spec
from support.gpu import DEVICE, STAND_IN, memory_held, no_waiting, plain, recorded
from support.trainings import HPM, Noisy, flat, make, same, saved, stopped

from hpmkd.config.specs import ModelSpec
from hpmkd.data.images import Splits, split
from hpmkd.methods.build import DISTILLERS
from hpmkd.methods.multi_teacher.temperature import SCHEDULES
from hpmkd.models import build
from hpmkd.training import device
from hpmkd.training.cuda_graph import GraphedStep
from hpmkd.training.logits_cache import LogitsCacheBuilder
from hpmkd.training.teachers import CachedTeacher
from hpmkd.training.train import Training

pytestmark = [
    pytest.mark.skipif(not STAND_IN and not torch.cuda.is_available(), reason="needs a GPU"),
    pytest.mark.filterwarnings("error:.*deterministic", "error:steps are not recorded"),
]
cuda_only = pytest.mark.skipif(STAND_IN, reason="asks CUDA itself; the CPU has no stand-in for it")
RESNET = ModelSpec("resnet8", (4, 4, 8), 1, 32, 4)
LENET = ModelSpec("lenet5", (3, 5, 12), 1, 32, 4)
Case = tuple[str, dict[str, Any]]

SEVERAL = {"KD-Ensemble": 2, "HPM-KD": 2}
METHODS: list[Case] = [
    (name, {"count": SEVERAL.get(name, 1), "hparams": HPM if name == "HPM-KD" else {}}) for name in DISTILLERS
]
HPM_KD: list[Case] = [
    ("HPM-KD", {"count": 2, "hparams": HPM | {"hpmkd.schedule": schedule, "hpmkd.weighting": weighting}})
    for schedule in SCHEDULES
    for weighting in ("uniform", "confidence", "attention")
]
OPTIONS: list[Case] = [
    ("Direct", {"mixup": 0.4}),
    ("TraditionalKD", {"mixup": 0.4, "label_smoothing": 0.1}),
    ("Direct", {"label_smoothing": 0.1}),
    ("TraditionalKD", {"hparams": {"kd.until": 0.5}}),
    ("AT", {"hparams": {"kd.until": 0.5}, "views": 7}),
    ("TraditionalKD", {"views": 7}),
    ("Direct", {"schedule": "step", "weight_decay": 1e-3, "optimizer": "sgd"}),
]


def named(cases: list[Case]) -> Any:
    """The cases as parameters, with names that can be read."""

    def words(value: Any) -> str:
        inner = value.items() if isinstance(value, dict) else ()
        return "-".join(f"{key.partition('.')[2] or key}-{words(part)}" for key, part in inner) or str(value)

    def name(method: str, more: dict[str, Any]) -> str:
        chosen = {key: part for key, part in more.get("hparams", {}).items() if HPM.get(key) != part}
        return "-".join([method, words({**more, "hparams": chosen})]).replace("-hparams-{}", "")

    return pytest.mark.parametrize(("method", "more"), cases, ids=[name(*case) for case in cases])


def settings() -> dict[str, Any]:
    return {
        "only": torch.are_deterministic_algorithms_enabled(),
        "warn": torch.is_deterministic_algorithms_warn_only_enabled(),
        "benchmark": torch.backends.cudnn.benchmark,
        "threads": torch.get_num_threads(),
    }


@pytest.fixture(autouse=True)
def deterministic() -> Iterator[None]:
    """Deterministic kernels in a test, and after it what was before."""
    before = settings()
    device.prepare_device(DEVICE, deterministic=True)
    torch.set_num_threads(1)
    yield
    torch.use_deterministic_algorithms(before["only"], warn_only=before["warn"])
    torch.backends.cudnn.benchmark = before["benchmark"]
    torch.set_num_threads(before["threads"])
    assert settings() == before
    if not STAND_IN:
        torch.cuda.set_per_process_memory_fraction(1.0, 0)


@pytest.fixture(scope="module")
def large() -> Splits:
    """Images of 32x32: a ResNet's maps are then 32, 16 and 8 wide, and LeNet5's 28 and 10."""
    return split(make_raw(size=32), make_spec(image_size=32))


def assert_same_training(one: Training, other: Training) -> None:
    """Both are trained, and every number of every epoch and of the states at the end is the same.

    Recorded steps go on reporting a term that has come to its end (`kd.until`), as 0.
    """
    for ours, theirs in zip(one.epochs(), other.epochs(), strict=True):
        assert {**dict.fromkeys(theirs.terms, 0.0), **ours.terms} == theirs.terms
        assert ours.train_loss == theirs.train_loss
        np.testing.assert_equal(ours.validation_accuracy_pct, theirs.validation_accuracy_pct)
    same(one, other)


def assert_recorded(training: Training) -> None:
    assert isinstance(training.step, GraphedStep)
    assert training.step.fallback == ""
    assert training.step.description == "recorded as a CUDA graph"


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@named(METHODS)
def test_recorded_steps_are_steps_bit_for_bit(
    method: str, more: dict[str, Any], precision: str, optimizer: str
) -> None:
    given = {**more, "epochs": 8, "precision": precision, "optimizer": optimizer}
    one, other = plain(method, **given), recorded(method, **given)
    assert_same_training(one, other)
    assert_recorded(other)


@named(HPM_KD)
def test_recorded_hpm_kd_with_each_schedule_and_weighting(method: str, more: dict[str, Any]) -> None:
    one, other = plain(method, epochs=8, **more), recorded(method, epochs=8, **more)
    assert_same_training(one, other)
    assert_recorded(other)


@named(OPTIONS)
def test_recorded_steps_with_each_option(method: str, more: dict[str, Any]) -> None:
    one, other = plain(method, epochs=10, **more), recorded(method, epochs=10, **more)
    assert_same_training(one, other)
    assert_recorded(other)


@pytest.mark.parametrize(("teacher", "student"), [(RESNET, RESNET), (RESNET, LENET), (LENET, RESNET)])
@pytest.mark.parametrize("method", ["TraditionalKD", "AT", "FitNets"])
def test_recorded_steps_of_resnets(method: str, teacher: ModelSpec, student: ModelSpec, large: Splits) -> None:
    """Maps of different sizes are pooled, 10 to 8 and 16 to 10, by kernels that are deterministic."""
    given = {"teacher": teacher, "student": student, "splits": large, "epochs": 6}
    one, other = plain(method, **given), recorded(method, **given)
    assert_same_training(one, other)
    assert_recorded(other)


@pytest.mark.parametrize("method", ["TraditionalKD", "FitNets", "HPM-KD"])
def test_deterministic_mode_gives_the_same_bits_twice(method: str) -> None:
    assert_same_training(recorded(method, epochs=8), recorded(method, epochs=8))


@named(
    [*METHODS, ("TraditionalKD", {"mixup": 0.4}), ("HPM-KD", {"count": 2, "hparams": HPM | {"hpmkd.schedule": "loss"}})]
)
def test_resumed_is_uninterrupted_bit_for_bit(method: str, more: dict[str, Any]) -> None:
    whole, first, second = (recorded(method, epochs=8, **more) for _ in range(3))
    list(whole.epochs())
    list(first.epochs(5))
    second.load_state_dict(saved(first, DEVICE))
    list(second.epochs())
    same(whole, second)


@pytest.mark.parametrize("epoch", [0, 5])
@named(METHODS)
def test_stopped_between_two_steps_it_goes_on_bit_for_bit(method: str, more: dict[str, Any], epoch: int) -> None:
    """Before its steps are recorded, and afterwards."""
    given = {**more, "epochs": 8, "batch_size": 16}
    whole, first, second = (recorded(method, **given) for _ in range(3))
    list(whole.epochs())
    second.load_state_dict(stopped(first, epoch, 2, DEVICE))
    assert (second.epoch, second.steps) == (epoch, 2)
    list(second.epochs())
    same(whole, second)


@pytest.mark.parametrize("where", [(0, 1), (3, 0), (5, 2)])
def test_dropout_goes_on_with_its_random_numbers(where: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """A user's own network may have it; (3, 0): at an epoch's end, else between two steps."""
    monkeypatch.setattr("support.trainings.build", lambda spec, seed: Noisy(build(spec, seed)))
    whole, first, second = (recorded("TraditionalKD", epochs=8, batch_size=16) for _ in range(3))
    list(whole.epochs())
    assert_recorded(whole)
    epoch, steps = where
    if steps:
        state = stopped(first, epoch, steps, DEVICE)
    else:
        list(first.epochs(epoch))
        state = saved(first, DEVICE)
    torch.rand(7, device=DEVICE)
    second.load_state_dict(state)
    list(second.epochs())
    same(whole, second)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("method", ["TraditionalKD", "FitNets", "HPM-KD"])
def test_a_training_of_the_cpu_goes_on_on_the_gpu_and_back(method: str, optimizer: str) -> None:
    given = {"epochs": 12, "optimizer": optimizer, "lr": 1e-3}
    given |= {"count": 2, "hparams": HPM} if method == "HPM-KD" else {}
    whole, first, last = (make(method, **given) for _ in range(3))
    results = list(whole.epochs())
    list(first.epochs(3))
    middle = recorded(method, **given)
    middle.load_state_dict(saved(first, DEVICE))
    list(middle.epochs(9))
    tensors = [value for value in flat(middle.state_dict()).values() if isinstance(value, torch.Tensor)]
    assert {value.device.type for value in tensors} == {DEVICE.type}
    last.load_state_dict(saved(middle))
    rest = list(last.epochs())
    assert [result.epoch for result in rest] == [10, 11, 12]
    assert [result.train_loss for result in rest] == pytest.approx(
        [result.train_loss for result in results[9:]], rel=0.01
    )
    tensors = [value for value in flat(last.state_dict()).values() if isinstance(value, torch.Tensor)]
    assert {value.device.type for value in tensors} == {"cpu"}
    assert all(isinstance(group["lr"], float) for group in last.optimizer.param_groups)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize(("method", "count"), [("TraditionalKD", 1), ("KD-Ensemble", 2)])
def test_cached_logits_are_the_live_teachers_bit_for_bit(
    method: str, count: int, precision: str, tmp_path: Path
) -> None:
    """In batches of one size alone: for another one a library may take another kernel."""
    spec = make_spec(augment="crop_flip")
    splits = split(make_raw(107), spec)
    given = {"epochs": 8, "views": 7, "precision": precision}
    fit = make_fit(**given)
    assert len(splits.train) % fit.batch_size == 0
    given["splits"] = splits
    live = recorded(method, count=count, **given)
    caches = []
    for seed in range(1, count + 1):
        made = LogitsCacheBuilder(build(TEACHER, seed), splits, spec, fit, DEVICE)
        list(made.epochs())
        np.save(tmp_path / f"{seed}.npy", made.content().numpy())
        caches.append(CachedTeacher(tmp_path / f"{seed}.npy", len(made.batches.labels), DEVICE))
    looked_up = recorded(method, count=count, teachers=caches, **given)
    assert_same_training(live, looked_up)
    assert_recorded(looked_up)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_fp16_scales_its_gradients_and_survives_steps_that_overflow(
    optimizer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a GPU without bf16 does, asked of any GPU."""
    monkeypatch.setattr(device, "half", lambda where: torch.float16)
    training = make("TraditionalKD", device=DEVICE, precision="bf16", optimizer=optimizer, epochs=10)
    assert training.step.description == "one by one"
    scaler = training.step.scaler
    scaler.load_state_dict({**scaler.state_dict(), "scale": 2.0**32})
    results = list(training.epochs())
    assert scaler.get_scale() < 2.0**32, "no step overflowed"
    assert results[-1].train_loss < results[0].train_loss
    for name, value in flat(training.state_dict()).items():
        assert not isinstance(value, torch.Tensor) or bool(torch.isfinite(value).all()), name


@pytest.mark.parametrize("method", ["TraditionalKD", "HPM-KD"])
def test_twelve_trainings_in_twelve_threads_of_one_process_take_the_memory_of_three(method: str) -> None:
    """As a worker does that is used again: Ray gives each trial a thread of its own."""

    def trial(precision: str) -> None:
        device.prepare_device(DEVICE, deterministic=True)
        count = 2 if method == "HPM-KD" else 1
        training = recorded(method, count=count, hparams=HPM, epochs=6, precision=precision)
        list(training.epochs())
        assert_recorded(training)

    held = []
    for number in range(12):
        with ThreadPoolExecutor(1) as thread:
            thread.submit(trial, "bf16" if number % 3 == 2 else "fp32").result()
        held.append(memory_held())
    assert max(held[3:]) <= max(held[:3]), held


WAITS = [*METHODS, *HPM_KD[:3], ("FitNets", {"hparams": {"fitnets.schedule": "two_stage"}})]


@pytest.mark.parametrize("optimizer", ["sgd", pytest.param("adam", marks=cuda_only)])
@named(WAITS)
def test_an_eager_step_never_waits_for_the_gpu(method: str, more: dict[str, Any], optimizer: str) -> None:
    """On a CPU Adam reads its step count and `one_hot` the labels; on a GPU neither does."""
    options = {} if STAND_IN else {"mixup": 0.4, "label_smoothing": 0.1}
    training = make(method, device=DEVICE, graph=False, optimizer=optimizer, **options, **more)
    (first, second, _) = training.batches.draws(5, 0)
    training.step.begin()
    training.step(*first, 0.5, 0.0)
    with no_waiting():
        training.step(*second, 0.5, 0.5)
    assert all(np.isfinite(list(training.step.means(64).values())))


def test_waiting_is_seen() -> None:
    with pytest.raises(RuntimeError, match="synchroniz"), no_waiting():
        float(torch.ones((), device=DEVICE))


@cuda_only
def test_kernels_that_are_not_deterministic_are_seen() -> None:
    """The check that all tests above rely on."""
    maps = torch.rand(2, 3, 10, 10, device=DEVICE, requires_grad=True)
    total = torch.nn.functional.adaptive_avg_pool2d(maps, 8).sum()
    with pytest.raises((UserWarning, RuntimeError), match="deterministic"):
        total.backward()


@cuda_only
def test_a_cap_holds() -> None:
    total = torch.cuda.get_device_properties(0).total_memory
    device.prepare_device(DEVICE, 0.1)
    with pytest.raises(torch.cuda.OutOfMemoryError):
        torch.empty(total // 5, dtype=torch.uint8, device=DEVICE)
    assert torch.ones(3, device=DEVICE).sum() == 3, "the process goes on"
