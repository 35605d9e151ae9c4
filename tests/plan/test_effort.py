"""How long a job takes a core: against measured trainings, and what it is made of."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from support.builders import FULL, make_config, make_jobs

from hpmkd.config.specs import ModelSpec
from hpmkd.models import build
from hpmkd.plan.architecture import activation_count, forward_cost, layer_count
from hpmkd.plan.effort import AROUND, BF16_PART, COMPILED_PART, effort, effort_around, passes
from hpmkd.plan.work import training_cost

# Of `tests/benchmarks/effort.py`, one core of an AMD EPYC, torch 2.14: a training step in multiply-adds of a product.
MEASURED = [
    ("MNIST", "lenet5", (3, 6, 16), 64, 263e6), ("MNIST", "lenet5", (4, 8, 24), 64, 299e6),
    ("MNIST", "lenet5", (4, 8, 24), 256, 980e6), ("MNIST", "lenet5", (6, 16, 84), 64, 283e6),
    ("MNIST", "resnet8", (8, 16, 32), 64, 1.80e9), ("MNIST", "resnet8", (16, 32, 64), 64, 3.47e9),
    ("MNIST", "resnet8", (16, 32, 64), 16, 1.04e9), ("MNIST", "resnet20", (16, 32, 64), 64, 8.28e9),
    ("CIFAR10", "lenet5", (3, 10, 20), 64, 432e6), ("CIFAR10", "lenet5", (3, 10, 20), 256, 1.31e9),
    ("CIFAR10", "lenet5", (20, 50, 500), 64, 1.50e9), ("CIFAR10", "resnet8", (16, 32, 64), 64, 3.94e9),
    ("CIFAR10", "resnet20", (16, 32, 64), 64, 11.9e9), ("CIFAR10", "resnet56", (16, 32, 64), 64, 36.8e9),
    ("CIFAR10", "resnet8x4", (32, 64, 128, 256), 64, 35.9e9), ("CIFAR10", "vgg8", (64, 128, 256, 512, 512), 64, 19.4e9),
    ("CIFAR10", "resnet18", (64, 128, 256, 512), 64, 107e9),
]  # fmt: skip
# Training seconds of a sweep over MNIST (5,000 images, batch 64) on a busy machine: the teacher of 20 epochs, students
# and a chain's assistant of 30, and the caches of their logits.
SWEEP = {
    "teacher_MNIST": 340.7, "student_MNIST_Direct_run1": 58.5, "logits_teacher_MNIST": 10.5,
    "assistant_MNIST_HPM-KD_1": 402.9, "logits_assistant_MNIST_HPM-KD_1": 5.6,
}  # fmt: skip


@pytest.mark.parametrize(("dataset", "arch", "channels", "batch", "products"), MEASURED)
def test_measured_steps(dataset: str, arch: str, channels: tuple[int, ...], batch: int, products: float) -> None:
    inputs, side = {"MNIST": (1, 28), "CIFAR10": (3, 32)}[dataset]
    found = passes(ModelSpec(arch, channels, inputs, side, 10), batch, batch)
    assert products / 1.5 < found < products * 1.5


def small(**more: Any) -> Any:
    usual: dict[str, Any] = {"datasets": ["MNIST"], "baselines": ["Direct", "HPM-KD"], "kd__logits": "cached"}
    usual |= {"data__train_images": 5000, "teacher__arch": "resnet8", "student__channels": [4, 8, 24]}
    usual |= {"fit__teacher_epochs": 20, "fit__student_epochs": 30}
    return make_jobs(make_config(**FULL, **{**usual, **more}))


def test_a_sweep_by_its_teacher() -> None:
    """A small student takes a sixth of its teacher's time, not a fiftieth, as by multiply-adds alone."""
    jobs = small()
    teacher = jobs["teacher_MNIST"]
    for key, seconds in SWEEP.items():
        assert 0.5 < SWEEP["teacher_MNIST"] * effort(jobs[key]) / effort(teacher) / seconds < 1.7, key
    student = jobs["student_MNIST_Direct_run1"]
    assert training_cost(student) / training_cost(teacher) < 0.02


@pytest.mark.parametrize(
    "spec",
    [ModelSpec("lenet5", (3, 6, 16), 1, 28, 10), ModelSpec("resnet8", (4, 6, 8), 3, 32, 10),
     ModelSpec("resnet20", (4, 6, 8), 1, 28, 10)],
)  # fmt: skip
def test_activations_are_those_of_the_network(spec: ModelSpec) -> None:
    """Counted by hooks: what each convolution but the shortcuts' gives, and the image."""
    model, seen = build(spec, seed=0), [spec.in_channels * spec.image_size**2]
    for layer in model.modules():
        if isinstance(layer, torch.nn.Conv2d) and layer.kernel_size != (1, 1):
            layer.register_forward_hook(lambda _, __, out: seen.append(out.numel()))
    model.eval()(torch.zeros(1, spec.in_channels, spec.image_size, spec.image_size))
    assert activation_count(spec) == sum(seen)
    assert layer_count(spec) == {"lenet5": 4, "resnet8": 8, "resnet20": 20}[spec.arch]


def test_more_of_anything_is_more() -> None:
    jobs = small(baselines=["Direct", "TraditionalKD"])
    live = small(baselines=["Direct", "TraditionalKD"], kd__logits="live")
    direct, taught = jobs["student_MNIST_Direct_run1"], live["student_MNIST_TraditionalKD_run1"]
    assert effort(direct) == effort(jobs["student_MNIST_TraditionalKD_run1"]), "logits from the cache cost nothing"
    assert effort(taught) > 2 * effort(direct), "a live teacher does"
    assert effort(small(fit__batch_size=8)["student_MNIST_Direct_run1"]) > 2 * effort(direct)
    assert effort(small(data__train_images=10_000)["student_MNIST_Direct_run1"]) > 1.8 * effort(direct)
    cache = jobs["logits_teacher_MNIST"]
    assert 0 < effort(cache) < effort(jobs["teacher_MNIST"]) / 20
    assert effort_around(cache) == AROUND < effort_around(direct) < effort_around(jobs["teacher_MNIST"])
    assert effort(small()["search_MNIST"]) > effort(direct)


def test_kernels_and_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiled kernels take about half, but where a method looks at maps before pooling; bf16 where the CPU has it."""
    named: dict[str, Any] = {"baselines": ["Direct", "FitNets", "RKD", "HPM-KD"], "teacher__arch": "lenet5"}
    plain, compiled = small(**named), small(**named, fit__kernels="compiled")
    parts = {key: effort(compiled[key]) / effort(job) for key, job in plain.items()}
    slow = {key for key, part in parts.items() if part == 1.0 and plain[key].role.is_network}
    assert slow == {"student_MNIST_FitNets_run1"}
    direct = "student_MNIST_Direct_run1"
    assert parts[direct] == parts["logits_teacher_MNIST"] == COMPILED_PART
    assert effort_around(compiled[direct]) < effort_around(plain[direct])
    half = small(**named, fit__precision="bf16")
    for native, part in ((True, BF16_PART), (False, 1.0)):
        monkeypatch.setattr("hpmkd.plan.effort._has_bf16", lambda native=native: native)
        assert effort(half[direct]) / effort(plain[direct]) == part


def test_attention_is_trained_first() -> None:
    """Measured: 1.4 s of the processor's time per teacher, beside 12 s for the student itself."""
    names = [f"HPM-KD-noChain{word}" for word in ("-uniform", "", "-M4", "-M1")]
    jobs = small(baselines=names)
    alone, two, four, one = (effort(jobs[f"student_MNIST_{name}_run1"]) for name in names)
    assert one == alone, "a single teacher needs no weights"
    assert 2 * (two - alone) == pytest.approx(four - alone)
    assert 0.08 < (two - alone) / 2 / alone < 0.17


def test_a_data_set_that_is_not_known_yet() -> None:
    spec = ModelSpec("lenet5", (3, 6, 16), 1, 28, 10)
    assert math.isfinite(passes(spec, 1, 64))
    assert passes(spec, 65, 64) - passes(spec, 64, 64) > passes(spec, 64, 64) - passes(spec, 63, 64)
    assert forward_cost(spec) > 0
