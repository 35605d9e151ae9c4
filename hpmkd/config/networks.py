"""The networks of a sweep in its config: teacher, student, pairs of them, and students of several sizes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator, Field

from hpmkd.config import fields
from hpmkd.config.architectures import SUMMARY
from hpmkd.config.fields import PositiveInt, Rejected, Section

PairName = Annotated[str, AfterValidator(fields.file_word)]
Ratio = Annotated[float, Field(ge=1, le=1e6)]


class ModelConfig(Section):
    """One architecture."""

    arch: str = Field(description=f"{SUMMARY} (hpmkd models says more of each)")
    channels: list[PositiveInt] | None = Field(
        None, description="widths: [conv1, conv2, fc] of lenet5, the three stages of resnet8 to resnet110, and so on: "
        "hpmkd models has the usual ones of each"
    )  # fmt: skip


class StudentConfig(ModelConfig):
    """The student's architecture; its widths may follow from the teacher's size."""

    ratio: Ratio | None = Field(
        None, description="as many times fewer parameters than the teacher, by width alone: the whole widths in the "
        "proportions of `channels`, or of the architecture's usual ones, that come nearest; default: the widths as "
        "they are",
    )  # fmt: skip


class PairConfig(Section):
    """A pair of networks; what it leaves out is that of the sections `teacher` and `student`."""

    teacher: ModelConfig | None = None
    student: StudentConfig | None = None


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
