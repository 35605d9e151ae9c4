"""The config keys of conditions: a value, or a list of values, which is an axis of the grid."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field

from hpmkd.config.conditions import IMBALANCE, NOISE, read_word
from hpmkd.config.fields import Rejected, each_different

T = TypeVar("T")


def a_list(value: object) -> object:
    """One value alone is a list of one."""
    return value if isinstance(value, list) else [value]


def need_words(values: list[str | None], kind: tuple[str, ...], example: str) -> list[str | None]:
    """Rejected unless each value is null or a word of a kind with a number, and none comes twice."""
    for place, value in enumerate(values):
        found = None if value is None else read_word(value)
        if value is not None and (found is None or found[0] not in kind or found[1] is None):
            raise Rejected(
                f"null, or one of {', '.join(kind)} with a number, such as {example}",
                found=repr(value), todo=f"correct it, for example {example}", entry=place,
            )  # fmt: skip
    numbers = [None if value is None else _spelled_alike(value) for value in values]
    for place, number in enumerate(numbers):
        if number in numbers[:place]:
            raise Rejected(
                "each value once", found=f"{values[place]!r} is {values[numbers.index(number)]!r} again",
                todo="leave one of them out", entry=place,
            )  # fmt: skip
    return need_each_once(values)


def _spelled_alike(value: str) -> tuple[str, float]:
    """`sym0.2` and `sym0.20` are one condition."""
    word, number = read_word(value) or (value, None)
    return word, float(number or "nan")


def need_each_once(values: list[T]) -> list[T]:
    """Rejected where there is no value, or one comes twice."""
    if not values:
        raise Rejected("at least one value", found="none", todo="leave the key out, or name a value")
    each_different(values)
    return values


_LISTED, _EACH_ONCE = BeforeValidator(a_list), AfterValidator(need_each_once)
Imbalance = Annotated[list[str | None], _LISTED, AfterValidator(lambda found: need_words(found, IMBALANCE, "exp100"))]
LabelNoise = Annotated[list[str | None], _LISTED, AfterValidator(lambda found: need_words(found, NOISE, "sym0.2"))]
TeacherSees = Annotated[list[Literal["same", "clean"]], _LISTED, _EACH_ONCE]
CleanValidation = Annotated[list[bool], _LISTED, _EACH_ONCE]

# A class by its name or its number; not `true` or 1.0, which YAML may make of what was meant.
_Class = Annotated[int, Field(strict=True, ge=0)] | Annotated[str, Field(strict=True)]
Confused = dict[str, Annotated[dict[_Class, _Class], Field(min_length=1)]]

IMBALANCE_KEY: Any = Field(
    [None], description="classes with fewer training images: exp100 (falling exponentially, the largest class has 100 "
    "times the images of the smallest), step100 (half of the classes have few), evenexp100 (as many images as exp100, "
    "all classes alike), null (as they are); several values are a grid over all data sets without such a word",
    examples=["[null, exp10, exp100]"],
)  # fmt: skip
NOISE_KEY: Any = Field(
    [None], description="wrong labels: sym0.2 (a fifth, any other class), asym0.2 (a fifth of the classes that are "
    "easily confused, see data.confused), pair0.2 (the next class), null (none); several values are a grid over all "
    "data sets without such a word", examples=["[null, sym0.2, sym0.4]"],
)  # fmt: skip
CONFUSED_KEY: Any = Field(
    {}, description="which classes look like which others, for asym label noise: by data set a mapping of classes (by "
    "name or number) to the one each is taken for; default: the published ones, of CIFAR10, MNIST and Digits",
    examples=["{my-birds: {sparrow: finch, finch: sparrow}}"],
)  # fmt: skip
TEACHER_KEY: Any = Field(
    ["same"], description="under imbalance or label noise: teachers and assistants are trained on the same images and "
    "labels as students (same), or on the data set without them (clean); [same, clean]: both",
    examples=["[same, clean]"],
)  # fmt: skip
VALIDATION_KEY: Any = Field(
    [False], description="under label noise: validation images keep their true labels; [false, true]: both",
    examples=["[false, true]"],
)  # fmt: skip
