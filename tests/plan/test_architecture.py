"""Sizes of networks, counted without building them, against the built ones."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.builders import make_spec

from hpmkd.config.networks import ModelConfig
from hpmkd.config.specs import ModelSpec
from hpmkd.errors import UsageError
from hpmkd.models import build
from hpmkd.plan.architecture import geometric_sizes, parameter_count, resolve, sized

COLOUR = make_spec(channels=3, image_size=32, classes=10)
GREY = make_spec(channels=1, image_size=28, classes=10)


def spec(arch: str, data=COLOUR, channels: list[int] | None = None) -> ModelSpec:
    return resolve(ModelConfig(arch=arch, channels=channels), data, "student")


def built(model: ModelSpec) -> int:
    return sum(parameter.numel() for parameter in build(model, 0).parameters())


@pytest.mark.parametrize(
    ("arch", "data", "count"),
    [
        ("lenet5_teacher", COLOUR, 657_080),
        ("lenet5_student", COLOUR, 56_890),
        # conv 20*(25+1), 50*(20*25+1), fc 500*(50*4*4+1), 10*(500+1); the student likewise with 10, 20, 100
        ("lenet5_teacher", GREY, 520 + 25_050 + 400_500 + 5_010),
        ("lenet5_student", GREY, 260 + 5_020 + 32_100 + 1_010),
    ],
)
def test_published_lenet_sizes(arch: str, data, count: int) -> None:
    model = spec(arch, data)
    assert parameter_count(model) == built(model) == count


@pytest.mark.parametrize(
    ("depth", "published"), [(20, 0.27e6), (32, 0.46e6), (56, 0.85e6), (110, 1.7e6), (8, 0.078e6), (14, 0.175e6)]
)
def test_resnet_sizes_are_the_papers(depth: int, published: float) -> None:
    """He et al. 2016, table 6; two 1x1 projections add a little."""
    model = spec(f"resnet{depth}")
    assert parameter_count(model) == built(model)
    assert parameter_count(model) == pytest.approx(published, rel=0.03)


@settings(max_examples=20)
@given(st.integers(1, 30), st.integers(1, 60), st.integers(1, 300), st.integers(1, 100))
def test_lenet_count_at_any_width(first: int, second: int, hidden: int, classes: int) -> None:
    model = ModelSpec("lenet5", (first, second, hidden), 3, 32, classes)
    assert parameter_count(model) == built(model)


@pytest.mark.parametrize(("teacher", "student"), [("lenet5_teacher", "lenet5_student"), ("resnet56", "resnet8")])
@pytest.mark.parametrize("data", [COLOUR, GREY], ids=["colour", "grey"])
@pytest.mark.parametrize("steps", [2, 3, 4])
def test_assistants_are_within_five_percent_of_the_geometric_sizes(teacher: str, student: str, data, steps) -> None:
    large, small = spec(teacher, data), spec(student, data)
    wanted = geometric_sizes(parameter_count(large), parameter_count(small), steps)
    assert len(wanted) == steps - 1
    counts = [parameter_count(sized(large, small, size)) for size in wanted]
    for count, size in zip(counts, wanted, strict=True):
        assert count == pytest.approx(size, rel=0.05)
    assert [parameter_count(large), *counts, parameter_count(small)] == sorted(
        [parameter_count(large), *counts, parameter_count(small)], reverse=True
    )


def test_geometric_sizes_have_one_ratio() -> None:
    sizes = [1000, *geometric_sizes(1000, 8, 3), 8]
    ratios = [a / b for a, b in itertools.pairwise(sizes)]
    assert ratios == pytest.approx([5, 5, 5])


@pytest.mark.parametrize(
    ("arch", "channels", "match"),
    [
        ("vgg", None, "vgg"),
        ("resnet21", None, "resnet21"),
        ("lenet5", [1, 2], "channels"),
        ("resnet8", [16, 32], "channels"),
    ],
)
def test_impossible_architectures(arch: str, channels: list[int] | None, match: str) -> None:
    with pytest.raises(UsageError, match=match) as caught:
        spec(arch, channels=channels)
    assert caught.value.exit_code == 2


def test_images_too_small_for_lenet() -> None:
    with pytest.raises(UsageError, match=r"16x16 pixels\n  found: \w+ has 8x8\n.*: --data.image_size 32; or "):
        spec("lenet5_teacher", make_spec(image_size=8))
    spec("lenet5_teacher", make_spec(image_size=32))
