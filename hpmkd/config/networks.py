"""The networks of a sweep in its config: teacher, student, pairs of them, and students of several sizes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, Field

from hpmkd.config import fields
from hpmkd.config.architectures import SUMMARY
from hpmkd.config.fields import Positive, PositiveInt, Rejected, Section

PairName = Annotated[str, AfterValidator(fields.file_word)]
Ratio = Annotated[float, Field(ge=1, le=1e6)]
PRETRAINED = "pretrained"  # in place of a file of weights: those of the network's library


class ModelConfig(Section):
    """One architecture."""

    arch: str = Field(
        description=f"{SUMMARY} (hpmkd models says more of each), or one from elsewhere: path/to/file.py:FACTORY, "
        "package.module:FACTORY, torchvision:NAME, timm:NAME"
    )
    channels: list[PositiveInt] | None = Field(
        None, description="widths: [conv1, conv2, fc] of lenet5, the three stages of resnet8 to resnet110, and so on: "
        "hpmkd models has the usual ones of each"
    )  # fmt: skip
    args: dict[str, Any] | None = Field(
        None, description="of a network from elsewhere: keyword arguments of its factory, beside the number of classes",
        examples=["{width: 16}"],
    )  # fmt: skip
    taps: Annotated[list[str], Field(min_length=1)] | None = Field(
        None, description="of a network from elsewhere: the modules whose outputs are its feature maps, such as "
        "[layer1, layer2]; default: the last one of each size of maps",
    )  # fmt: skip
    head: str | None = Field(
        None, description="of a network from elsewhere: the module whose input is the embedding; default: the last "
        "linear layer",
    )  # fmt: skip


class Normalisation(Section):
    """How images are normalised for a network: pixels from 0 to 1, less `mean`, divided by `std`, for each channel."""

    mean: Annotated[list[float], Field(min_length=1)] = Field(description="mean of each channel, of pixels from 0 to 1")
    std: Annotated[list[Positive], Field(min_length=1)] = Field(
        description="standard deviation of each channel, of pixels from 0 to 1"
    )


class GivenConfig(ModelConfig):
    """An architecture whose weights may be given."""

    weights: str | None = Field(
        None, description="a teacher that is trained already: a file with its weights (a state_dict, safetensors, a "
        "model file of hpmkd), or `pretrained` for a network of torchvision or timm; default: it is trained",
    )  # fmt: skip
    normalisation: Normalisation | None = Field(
        None, description="of a teacher whose weights are given: how images were normalised for it, such as {mean: "
        "[0.5071, 0.4867, 0.4408], std: [0.2675, 0.2565, 0.2761]}; default: what its file says, else as for students",
        examples=["{mean: [0.5071, 0.4867, 0.4408], std: [0.2675, 0.2565, 0.2761]}"],
    )  # fmt: skip

    @property
    def without_weights(self) -> GivenConfig:
        """The architecture alone."""
        return self.model_copy(update={"weights": None, "normalisation": None})


class TeacherConfig(GivenConfig):
    """The teacher's architecture, where its weights come from, and whether all runs share it."""

    per_run: bool = Field(
        False, description="each run has teachers of its own (and assistants, searches, logits caches), with seeds of "
        "their own, so that intervals are about other teachers, too; default: all runs share them"
    )  # fmt: skip


class StudentConfig(ModelConfig):
    """The student's architecture; its widths may follow from the teacher's size."""

    ratio: Ratio | None = Field(
        None, description="as many times fewer parameters than the teacher, by width alone: the whole widths in the "
        "proportions of `channels`, or of the architecture's usual ones, that come nearest; default: the widths as "
        "they are",
    )  # fmt: skip


N = TypeVar("N", bound=ModelConfig)


class PairConfig(Section):
    """A pair of networks; what it leaves out is that of the sections `teacher` and `student`."""

    teacher: GivenConfig | None = None
    student: StudentConfig | None = None


def need_trained(per_run: bool, teachers: Iterable[ModelConfig | None]) -> None:
    """Rejected where each run is to have a teacher of its own, and there is one whose weights are given."""
    weights = [one.weights for one in teachers if isinstance(one, GivenConfig) and one.weights is not None]
    if per_run and weights:
        raise Rejected(
            "no weights beside teacher.per_run: each run has a teacher of its own, which is trained",
            found=str(weights[0]),
            todo="leave one of them out",
            key="teacher.weights",
        )


def need_no_shares(per_run: bool, students: int, default: int) -> None:
    """Rejected where KD-Budget is to share the cost of teachers that no two runs share."""
    if per_run and students not in (1, default):
        raise Rejected(
            "1, or left out, beside teacher.per_run: each run has teachers of its own, whose cost none shares",
            found=str(students),
            todo="leave one of them out",
            key="kd_budget.students",
        )


def need_one_way(ratios: Sequence[float], pairs: bool, student: StudentConfig) -> None:
    """Rejected where `ratios` has a number twice, or where another key says which networks there are."""
    for place, ratio in enumerate(ratios):
        if ratio in ratios[:place]:
            raise Rejected(
                "each ratio once", found=f"{ratio:g} is given twice", todo="leave one of them out", key="ratios",
                entry=place,
            )  # fmt: skip
    other = "pairs" if pairs else "student.ratio" if student.ratio is not None else None
    if ratios and other:
        raise Rejected(
            f"nothing beside {other}: both say which students there are",
            found=f"ratios: {', '.join(f'{ratio:g}' for ratio in ratios)}, and {other}",
            todo="leave one of them out; the student of a pair may have a ratio of its own",
            key="ratios",
        )


def absolute_source(network: N, absolute: Callable[[str, str], Path]) -> N:
    """A network whose source or weights are a file, by its whole path; others as they are.

    `absolute`: makes a path as a user wrote it absolute, given it and where it was written.
    """
    changed = {}
    place, _, factory = network.arch.rpartition(":")
    if place.endswith(".py"):
        changed["arch"] = f"{absolute(place, 'arch')}:{factory}"
    weights = getattr(network, "weights", None)
    if weights is not None and weights != PRETRAINED:
        changed["weights"] = str(absolute(weights, "teacher.weights"))
    return network.model_copy(update=changed)


def absolute_pair(pair: PairConfig, absolute: Callable[[str, str], Path]) -> PairConfig:
    """The same of both networks of a pair."""
    both = {"teacher": pair.teacher, "student": pair.student}
    return pair.model_copy(update={name: one and absolute_source(one, absolute) for name, one in both.items()})
