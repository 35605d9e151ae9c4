"""The base of every method, and the distillation term that all of them share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hpmkd.config.specs import ModelSpec
from hpmkd.models import ModelOutput, build

# Does some work so many times; on a GPU it can be recorded once and played from then on.
Repeat = Callable[[Callable[[], None], int], None]


def one_by_one(work: Callable[[], None], times: int) -> None:
    """The plain `Repeat`."""
    for _ in range(times):
        work()


class Distiller(nn.Module):
    """A loss with its helper modules (regressors, attention). It owns neither student nor teachers.

    Its parameters join the student's in the optimiser, and its `state_dict` the epoch checkpoint; adaptive state
    therefore lives in buffers.

    Args:
        hparams: config keys and values, such as `kd.temperature`.
        student: the student's architecture.
        teachers: the teachers' architectures, in the order of the job's parents.
    """

    needs_features: ClassVar[bool] = False

    def __init__(self, hparams: Mapping[str, Any], student: ModelSpec, teachers: Sequence[ModelSpec]) -> None:
        super().__init__()
        self.hparams, self.student, self.teachers = hparams, student, teachers

    @property
    def needs_validation(self) -> bool:
        """Whether `prepare` has something to do."""
        return False

    @property
    def recordable(self) -> bool:
        """Whether `loss` does the same work at every progress, so that its kernels can be recorded once."""
        return True

    def taught(self, progress: float) -> bool:
        """Whether the student is distilled at `progress`, or learns from the labels alone (`kd.until`).

        A teacher that is too strong for a small student helps at first and holds it back at the end: Cho and
        Hariharan 2019, section 4.3.
        """
        return progress < float(self.hparams.get("kd.until", 1.0))

    def prepare(self, teachers: Sequence[Tensor], target: Tensor, repeat: Repeat = one_by_one) -> None:
        """Called once before the first epoch, not after a resume: what it makes belongs into the `state_dict`.

        Args:
            teachers: each teacher's logits `(N, K)` on the validation images.
            target: their labels `(N,)`.
            repeat: does work that is to be done many times; the work reads and writes tensors alone.
        """

    def prepared(self, teachers: Sequence[Tensor], target: Tensor) -> dict[str, Any]:
        """What `prepare` has made, for the metadata of the student's file: plain values, none where it makes nothing.

        Args:
            teachers, target: as `prepare` was given them.
        """
        return {}

    def loss(
        self, student: ModelOutput, teachers: Sequence[ModelOutput], target: Tensor, progress: float | Tensor
    ) -> dict[str, Tensor]:
        """The loss as named scalar terms, already weighted: their sum is what is minimised.

        Args:
            student: logits `(N, K)`, features as asked for by `needs_features`.
            teachers: the same view of the same images, one output per parent, without gradients.
            target: labels `(N,)`, or probabilities `(N, K)` under label smoothing or mixup.
            progress: how much of the training is done, in [0, 1); a scalar on the GPU where steps are recorded.
        """
        raise NotImplementedError


def kd_terms(
    student_NK: Tensor, teacher_NK: Tensor, target_N: Tensor, temperature: Tensor | float, alpha: float
) -> dict[str, Tensor]:
    """(1-a) CE(z_s, y) + a T^2 KL(softmax(z_t/T) || softmax(z_s/T)), Hinton et al. 2015, section 2.

    T^2 keeps the size of the soft gradients independent of T; `batchmean` is the mean over images of the sum over
    classes, as the KL divergence is defined.
    """
    return soft_terms(
        student_NK,
        F.log_softmax(teacher_NK / temperature, dim=1),
        target_N=target_N,
        temperature=temperature,
        alpha=alpha,
    )


def soft_terms(
    student_NK: Tensor, log_p_NK: Tensor, target_N: Tensor, temperature: Tensor | float, alpha: float
) -> dict[str, Tensor]:
    """`kd_terms` for a soft target that is given as log probabilities, already at the temperature."""
    log_q = F.log_softmax(student_NK / temperature, dim=1)
    soft = F.kl_div(log_q, log_p_NK, reduction="batchmean", log_target=True) * temperature**2
    return {"ce": (1 - alpha) * F.cross_entropy(student_NK, target_N), "kd": alpha * soft}


def feature_shapes(spec: ModelSpec) -> list[torch.Size]:
    """Shapes `(C, H, W)` of a network's feature taps, from one forward pass of zeros."""
    model = build(spec, seed=0).eval()
    with torch.no_grad():
        output = model(torch.zeros(1, spec.in_channels, spec.image_size, spec.image_size), features=True)
    return [feature.shape[1:] for feature in output.features]


def same_size(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Both maps at the smaller one's height and width, by average pooling (Zagoruyko and Komodakis 2017, 3.1)."""
    height, width = min(a.shape[2], b.shape[2]), min(a.shape[3], b.shape[3])
    pooled = [x if x.shape[2:] == (height, width) else _averaged(x, height, width) for x in (a, b)]
    return pooled[0], pooled[1]


def _averaged(maps_NCHW: Tensor, height: int, width: int) -> Tensor:
    """Adaptive average pooling. On a GPU as two products of matrices: torch's own backward pass there adds in an order
    that changes, and where deterministic kernels are asked for it has none."""
    if maps_NCHW.device.type == "cpu":
        return F.adaptive_avg_pool2d(maps_NCHW, (height, width))
    return averaging(maps_NCHW, height) @ maps_NCHW @ averaging(maps_NCHW.mT, width).mT


def averaging(maps_NCHW: Tensor, rows: int) -> Tensor:
    """The matrix `(rows, H)` that makes `rows` of H rows: row i is the mean of those from floor(i H / rows) to
    ceil((i + 1) H / rows), as `adaptive_avg_pool2d` takes them. It is made on the maps' device, without waiting."""
    given = maps_NCHW.shape[2]
    row = torch.arange(rows, device=maps_NCHW.device)[:, None]
    column = torch.arange(given, device=maps_NCHW.device)
    first, end = row * given // rows, ((row + 1) * given + rows - 1) // rows
    inside = (column >= first) & (column < end)
    return inside.to(maps_NCHW.dtype) / (end - first)


def paired_stages(student: int, teacher: int) -> list[tuple[int, int]]:
    """Which tap of the student is compared with which of the teacher, first with first and last with last."""
    count = min(student, teacher)
    if count == 1:
        return [(student - 1, teacher - 1)]
    return [(i * (student - 1) // (count - 1), i * (teacher - 1) // (count - 1)) for i in range(count)]
