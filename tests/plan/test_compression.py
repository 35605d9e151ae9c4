"""Students as many times smaller than their teacher as is wanted, counted on the built networks."""

from __future__ import annotations

import functools
import re
from typing import Any

import pytest
import torch
from support.builders import make_config, make_jobs, make_spec
from support.networks import SMALLEST

from hpmkd.config.architectures import FAMILIES, LENET5_NAMES, RESNET_DEPTHS, family_of
from hpmkd.config.load import to_yaml, validate
from hpmkd.config.networks import ModelConfig, StudentConfig
from hpmkd.config.specs import DataSpec, ModelSpec
from hpmkd.config.yaml_text import parse_yaml
from hpmkd.errors import UsageError
from hpmkd.models import build
from hpmkd.plan.architecture import parameter_count, resolve
from hpmkd.plan.compression import compression, networks_of
from hpmkd.plan.pairs import resolved

COLOUR = make_spec(channels=3, image_size=32, classes=10)
HUNDRED = make_spec(channels=3, image_size=32, classes=100)
GREY = make_spec(channels=1, image_size=28, classes=10)
RATIOS = (2, 4, 6, 8, 10, 15, 20)
# Widths of students of each architecture in the proportions of its usual ones, for a ResNet56 on colour images (855,770
# parameters) and each of `RATIOS`. Worked out by trying every factor in steps of 1/10,000 on built networks.
GOLDEN = {
    "lenet5": [(16, 40, 405), (11, 28, 285), (9, 23, 233), (8, 20, 200), (7, 18, 178), (6, 15, 145), (5, 13, 125)],
    "resnet8": [(38, 75, 151), (27, 53, 106), (22, 43, 87), (19, 37, 75), (17, 33, 67), (14, 27, 55), (12, 24, 47)],
    "resnet20": [(20, 40, 80), (14, 28, 57), (12, 23, 46), (10, 20, 40), (9, 18, 36), (7, 15, 29), (6, 13, 25)],
}


def student(arch: str, ratio: float, data: DataSpec, teacher: str = "resnet56", **more: Any) -> ModelSpec:
    networks = {"teacher": ModelConfig(arch=teacher), "student": StudentConfig(arch=arch, ratio=ratio, **more)}
    return resolved(networks, data, {})[1]


@functools.cache
def built(model: ModelSpec) -> int:
    """Counted on the network itself; its weights need no memory."""
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in build(model, 0).parameters())


@pytest.mark.parametrize("arch", [*LENET5_NAMES, *(f"resnet{depth}" for depth in RESNET_DEPTHS), *SMALLEST])
@pytest.mark.parametrize("data", [COLOUR, HUNDRED, GREY], ids=["colour", "hundred", "grey"])
def test_every_architecture_comes_near_every_ratio(arch: str, data: DataSpec) -> None:
    teacher = resolve(ModelConfig(arch="resnet56"), data, "teacher")
    usual = resolve(ModelConfig(arch=arch), data, "student").channels
    counts = []
    for ratio in RATIOS:
        found = student(arch, ratio, data)
        real = built(teacher) / built(found)
        assert compression(teacher, found)[0] == pytest.approx(real)
        assert real == pytest.approx(ratio, rel=0.06)
        steps = [FAMILIES[family_of(arch)].multiple(place) for place in range(len(usual))]
        widths = zip(found.channels, usual, steps, strict=True)
        factors = [width / one for width, one, step in widths if width > step]
        most = 0.5 * (steps[0] / usual[0] + steps[1] / usual[1])
        assert max(factors) - min(factors) <= most, "in the usual proportions"
        counts.append(built(found))
    assert counts == sorted(set(counts), reverse=True)


@pytest.mark.parametrize("arch", ["lenet5_student", "lenet5", "resnet8", "resnet20"])
@pytest.mark.parametrize("ratio", [2, 7.3, 20])
def test_no_factor_gives_a_nearer_count(arch: str, ratio: float) -> None:
    """Tried on a grid of factors that is finer than any of its widths."""
    base = resolve(ModelConfig(arch=arch), GREY, "student")
    wanted = parameter_count(resolve(ModelConfig(arch="resnet20"), GREY, "teacher")) / ratio

    def off(spec: ModelSpec) -> float:
        count = parameter_count(spec)
        return max(count / wanted, wanted / count)

    tried = []
    for step in range(1, 40_000):
        widths = tuple(max(1, round(width * step / 10_000)) for width in base.channels)
        tried.append(off(ModelSpec(base.arch, widths, 1, 28, 10)))
    assert off(student(arch, ratio, GREY, "resnet20")) <= min(tried) + 1e-12


def test_golden_widths() -> None:
    for arch, widths in GOLDEN.items():
        assert [student(arch, ratio, COLOUR).channels for ratio in RATIOS] == widths


def test_proportions_are_those_of_the_channels_that_are_given() -> None:
    found = student("lenet5", 10, GREY, "resnet8", channels=[4, 8, 24])
    assert found.channels == student("lenet5", 10, GREY, "resnet8", channels=[40, 80, 240]).channels
    first, second, hidden = found.channels
    assert (second / first, hidden / second) == (pytest.approx(2, rel=0.15), pytest.approx(3, rel=0.15))


def test_the_same_widths_by_hand_are_the_same_model() -> None:
    solved = make_jobs(make_config(student__ratio=8))
    widths = list(solved["student_Digits_Direct_run1"].model.channels)
    by_hand = make_jobs(make_config(student__arch="lenet5", student__channels=widths))
    assert {key: job.fingerprint for key, job in solved.items()} == {
        key: job.fingerprint for key, job in by_hand.items()
    }
    assert "ratio" not in str(solved["student_Digits_Direct_run1"].recipe())


def test_ratios_are_pairs() -> None:
    more: dict[str, Any] = {"runs": 2, "data__train_images": None, "kd__logits": "cached"}
    jobs = make_jobs(make_config(ratios=[2, 4.5, 20], **more))
    networks = networks_of(jobs.values())
    assert list(networks) == ["Digits+r2", "Digits+r4.5", "Digits+r20"]
    for (teacher, small), ratio in zip(networks.values(), (2, 4.5, 20), strict=True):
        assert compression(teacher, small)[0] == pytest.approx(ratio, rel=0.05)
    assert len([job for job in jobs.values() if job.role == "teacher"]) == 2, "shared by all"
    named = {f"r{ratio:g}": {"student": {"arch": "lenet5_student", "ratio": ratio}} for ratio in (2, 4.5, 20)}
    spelt = make_jobs(make_config(pairs=named, **more))
    assert {key: job.fingerprint for key, job in jobs.items()} == {key: job.fingerprint for key, job in spelt.items()}
    plain = make_jobs(make_config(**more))
    assert jobs["student_Digits+r20_AT_run2"].seed == plain["student_Digits_AT_run2"].seed


def test_a_single_ratio_is_not_in_names() -> None:
    jobs = make_jobs(make_config(ratios=[4]))
    assert "student_Digits_Direct_run1" in jobs
    assert {key: job.fingerprint for key, job in jobs.items()} == {
        key: job.fingerprint for key, job in make_jobs(make_config(student__ratio=4)).items()
    }


def test_assistants_lie_between() -> None:
    for arch, teacher in (
        ("lenet5", "lenet5"),
        ("resnet8", "resnet56"),
        ("lenet5", "resnet20"),
        ("resnet8", "resnet8"),
    ):
        for ratio in (4, 20):
            config = make_config(
                teacher__arch=teacher, student__arch=arch, student__ratio=ratio, baselines=["TAKD-steps2"],
                datasets=["CIFAR10"], data__train_images=None,
            )  # fmt: skip
            jobs = make_jobs(config)
            sizes = {str(job.number or job.role): parameter_count(job.model) for job in jobs.values()}
            assert sizes["teacher"] > sizes["1"] > sizes["2"] > sizes["student"]


@pytest.mark.parametrize(
    ("settings", "parts"),
    [
        ({"student__ratio": 0.5}, ["`student.ratio`", "greater than or equal to 1"]),
        ({"teacher__ratio": 2}, ["unknown key `teacher.ratio`"]),
        ({"ratios": [2, 2.0]}, ["`ratios`", "2 is given twice"]),
        ({"ratios": [2], "student__ratio": 2}, ["`ratios`", "beside student.ratio"]),
        ({"ratios": [2], "pairs": {"a": {}}}, ["`ratios`", "beside pairs"]),
        ({"ratios": [0.5, 2]}, ["`ratios`", "greater than or equal to 1"]),
        ({"pairs": {"a": {"teacher": {"arch": "lenet5", "ratio": 2}}}}, ["pairs.a.teacher.ratio"]),
    ],
)
def test_ratios_that_mean_nothing(settings: dict[str, Any], parts: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        make_config(**settings)
    for part in parts:
        assert part in str(caught.value)


def test_a_ratio_that_cannot_be_reached_says_what_can() -> None:
    with pytest.raises(UsageError, match=r"^student: no resnet110 has 90 times fewer parameters") as caught:
        student("resnet110", 90, COLOUR, "resnet8")
    found = re.search(r"a ratio from 1 to ([\d.]+)", str(caught.value))
    assert found
    smallest = ModelSpec("resnet110", (1, 1, 1), 3, 32, 10)
    teacher = resolve(ModelConfig(arch="resnet8"), COLOUR, "teacher")
    assert float(found[1]) == pytest.approx(built(teacher) / built(smallest), rel=0.01)
    with pytest.raises(UsageError, match="near 35 there are") as caught:
        student("resnet110", 35, COLOUR, "resnet8", channels=[1, 1, 1])
    near = re.search(r"there are ([\d.]+) and ([\d.]+)", str(caught.value))
    assert near
    assert float(near[1]) < 35 / 1.1 < 35 * 1.1 < float(near[2])


def test_two_ratios_with_the_same_widths_are_refused() -> None:
    with pytest.raises(UsageError, match=r"same networks under two names") as caught:
        make_jobs(make_config(ratios=[20, 20.01]))
    assert re.match(r"r20 and r20.01, lenet5 [\d-]+, [\d,]+ parameters", str(caught.value.found))


def test_ratios_come_back_from_the_saved_config() -> None:
    for settings in ({"ratios": [2, 4.5]}, {"student__ratio": 3}):
        config = make_config(**settings)
        assert validate(parse_yaml(to_yaml(config), "x"), "again") == config
