"""The base of every method."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from torch import Tensor, nn

from hpmkd.config.specs import ModelSpec
from hpmkd.models import ModelOutput

if TYPE_CHECKING:
    from hpmkd.config.fields import Section

# Some of `features`, `embedding`, `pre_activations`, `last_maps`: see `ModelOutput`.
Taps = frozenset[str]
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

    One that a user brings has its settings as a pydantic section, `Settings`: `self.settings` is what the config says
    of them, in the section that is called as the class in lower case.

    Args:
        hparams: config keys and values, such as `kd.temperature`.
        student: the student's architecture.
        teachers: the teachers' architectures, in the order of the job's parents.
    """

    # What it looks at beside logits, of student and teachers; the plan says the same (`Baseline.taps`).
    needs: ClassVar[Taps] = frozenset()
    # Which training images are in the batch `(B,)`, before each call of `loss`.
    which: Tensor | None = None
    # Of one that a user brings: its settings, and how many teachers it has; several are those of HPM-KD.
    Settings: ClassVar[type[Section] | None] = None
    learns_from: ClassVar[Literal["none", "one", "several"]] = "one"
    # The section of its settings in the config.
    section: ClassVar[str] = ""
    # Whether a user brings it.
    is_own: ClassVar[bool] = False

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        cls.section = cls.__dict__.get("section", cls.__name__.lower())

    def __init__(self, hparams: Mapping[str, Any], student: ModelSpec, teachers: Sequence[ModelSpec]) -> None:
        super().__init__()
        self.hparams, self.student, self.teachers = hparams, student, teachers
        self.settings: Any = None
        if self.Settings is not None:
            mine = f"{self.section}."
            values = {key.removeprefix(mine): value for key, value in hparams.items() if key.startswith(mine)}
            self.settings = self.Settings.model_validate(values)

    @property
    def standard(self) -> bool:
        """Whether logits are standardised before they are compared (LS)."""
        return bool(self.hparams.get("kd.standardise"))

    @property
    def peers(self) -> tuple[nn.Module, ...]:
        """Modules of its own that are shown the images, too: `loss` is given what they say, with gradients, after what
        the teachers say."""
        return ()

    @property
    def needs_validation(self) -> bool:
        """Whether `prepare` has something to do."""
        return False

    @property
    def recordable(self) -> bool:
        """Whether `loss` does the same work at every progress, so that its kernels can be recorded once.

        Of one that a user brings that is not known: what depends on the progress, or is counted in Python, would be
        recorded as it is in the first step. One that does the same kernels throughout says so by its own `recordable`.
        """
        return not self.is_own

    def taught(self, progress: float) -> bool:
        """Whether the student is distilled at `progress`, or learns from the labels alone (`kd.until`).

        A teacher that is too strong for a small student helps at first and holds it back at the end: Cho and
        Hariharan 2019, section 4.3.
        """
        return progress < float(self.hparams.get("kd.until", 1.0))

    def meet(self, labels: Tensor) -> None:
        """Called once, before anything is loaded or trained: state whose size depends on the training images is made
        here, in buffers.

        Args:
            labels: of all training images `(N,)`, on the device of the training.
        """

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
            student: logits `(N, K)`, and what `needs` asks for.
            teachers: the same view of the same images, one output per parent, without gradients.
            target: labels `(N,)`, or probabilities `(N, K)` under label smoothing or mixup.
            progress: how much of the training is done, in [0, 1); a scalar on the GPU where steps are recorded.
        """
        raise NotImplementedError
