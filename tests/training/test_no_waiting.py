"""On a GPU no step waits for the GPU or leaves it: forward, backward and optimiser of every method, on fake tensors.

That is what lets the CPU run ahead, and what a recording as a CUDA graph asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from support.builders import STUDENT, TEACHER, make_fit, make_splits
from support.fake_gpu import GPU, UNORDERED, Watch, fake_gpu
from support.losses import HPARAMS
from support.trainings import HPM, student_of
from torch import Tensor, nn

from hpmkd.config.specs import ModelSpec
from hpmkd.methods.build import DISTILLERS, build_distiller
from hpmkd.models import build
from hpmkd.training.recipe import Recipe
from hpmkd.training.train import Training

RESNET = ModelSpec("resnet8", (4, 8, 12), 1, 16, 4)
SCHEDULES = ("cosine", "loss", "convergence")
WEIGHTINGS = ("uniform", "confidence", "attention")
STANDARD = ("TraditionalKD", "DKD", "DIST", "MLKD", "NKD", "CTKD", "WTTM", "RLD", "KD-Ensemble", "HPM-KD")
CASES = [
    *((method, {}, {}) for method in DISTILLERS if method != "HPM-KD"),
    *(
        ("HPM-KD", {"hpmkd.schedule": schedule, "hpmkd.weighting": weighting}, {})
        for schedule in SCHEDULES
        for weighting in WEIGHTINGS
    ),
    ("TraditionalKD", {"kd.until": 0.5}, {}),
    ("MLKD", {"mlkd.masked": True}, {}),
    ("CC", {"cc.form": "neighbours"}, {}),
    ("CRD", {"crd.negatives": 3}, {}),
    *((method, {"kd.standardise": True, "ls.temperature": 2.0, "ls.weight": 9.0}, {}) for method in STANDARD),
    ("TraditionalKD", {}, {"mixup": 0.3, "label_smoothing": 0.1}),
    ("TraditionalKD", {}, {"views": 3}),
]


@contextmanager
def on_fake_gpu(
    method: str, hparams: dict[str, Any], student: ModelSpec = STUDENT, teacher: ModelSpec = TEACHER, **fit: Any
) -> Iterator[Training]:
    """A training on a GPU that is not there."""
    count = 0 if method == "Direct" else 2 if method in ("HPM-KD", "KD-Ensemble") else 1
    distiller = build_distiller(method, HPARAMS | HPM | hparams, student, (teacher,) * count, 3)
    teachers = [build(teacher, seed) for seed in range(count)]
    model, splits = build(student_of(method, student, teacher), 2), make_splits()
    with fake_gpu():
        recipe = Recipe(make_fit(**fit), "crop_flip", 5, GPU, graph=False)
        yield Training(model, distiller, teachers, splits, recipe)


def watched(training: Training, progress: float = 0.1) -> Watch:
    """One step with its eyes on it, after one that makes the optimiser's state."""
    index = torch.zeros(8, dtype=torch.int64, device=GPU)
    weight, part = torch.zeros((), device=GPU), torch.full((), progress, device=GPU)
    taught = training.distiller.taught(progress)
    training.step.run(index, torch.zeros_like(index), weight, part, taught=taught)
    with Watch() as watch:
        training.step.run(index, torch.zeros_like(index), weight, part, taught=taught)
    return watch


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize(("method", "hparams", "fit"), CASES)
def test_no_step_waits_for_the_gpu_or_leaves_it(
    method: str, hparams: dict[str, Any], fit: dict[str, Any], optimizer: str
) -> None:
    with on_fake_gpu(method, hparams, optimizer=optimizer, **fit) as training:
        watch = watched(training)
    assert watch.wrong == []
    # It was a whole step: forward, backward, and one fused kernel for all parameters.
    for name in ("convolution", "convolution_backward", f"_fused_{optimizer}_"):
        assert watch.seen[name], name
    # Where deterministic kernels are asked for, there is one for each of its operators.
    assert not UNORDERED & watch.seen.keys()


@pytest.mark.parametrize(("student", "teacher"), [(RESNET, RESNET), (STUDENT, RESNET), (RESNET, STUDENT)])
@pytest.mark.parametrize("method", ["AT", "FitNets", "SimKD"])
def test_nor_with_maps_of_different_sizes(method: str, student: ModelSpec, teacher: ModelSpec) -> None:
    with on_fake_gpu(method, {}, student, teacher) as training:
        watch = watched(training)
    assert watch.wrong == []
    assert not UNORDERED & watch.seen.keys()


def test_after_the_teacher_too() -> None:
    with on_fake_gpu("TraditionalKD", {"kd.until": 0.5}) as training:
        watch = watched(training, progress=0.7)
    assert watch.wrong == []
    assert watch.seen["convolution"] == 2, "the student's alone"


def test_nor_does_the_training_of_the_attention() -> None:
    """Two hundred steps before the first epoch."""
    watches: list[Watch] = []

    def repeat(work: Callable[[], None], times: int) -> None:
        work()
        with Watch() as watch:
            work()
        watches.append(watch)

    with on_fake_gpu("HPM-KD", {"hpmkd.weighting": "attention"}) as training:
        logits = [torch.zeros(20, STUDENT.classes, device=GPU) for _ in range(2)]
        training.distiller.prepare(logits, torch.zeros(20, dtype=torch.int64, device=GPU), repeat)
    (watch,) = watches
    assert watch.wrong == []
    assert watch.seen["addmm"]


@pytest.mark.parametrize(
    "guilty",
    [
        lambda logits: logits * float(logits.detach().sum()),
        lambda logits: logits[logits[:, 0] > 0].sum() * logits,
        lambda logits: logits * torch.arange(4.0).to(logits.device),
        lambda logits: logits * (2 if logits.mean() > 0 else 1),
        lambda logits: logits * logits.nonzero().shape[0],
        lambda logits: logits * torch.zeros(4).to(GPU),
    ],
)
def test_who_waits_or_leaves_is_found(guilty: Any) -> None:
    class Guilty(nn.Module):
        def __init__(self, inner: nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, images: Tensor, features: bool = False) -> Any:
            output = self.inner(images, features=features)
            return output._replace(logits=guilty(output.logits))

    with on_fake_gpu("Direct", {}) as training:
        training.step.model = Guilty(training.model)
        index = torch.zeros(8, dtype=torch.int64, device=GPU)
        found: list[str] = []
        with Watch() as watch:
            try:
                training.step.run(index, torch.zeros_like(index), 1.0, 0.0, taught=False)
            except AssertionError as error:
                found.append(str(error))
    assert watch.wrong or found
