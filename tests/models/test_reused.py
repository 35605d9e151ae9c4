"""Students that end in their teacher's classifier: their sizes, what they give, and whose weights they have."""

from __future__ import annotations

import itertools

import pytest
import torch
from support.networks import SMALLEST, narrow, usual
from torch import nn
from torch.nn import functional as F

from hpmkd.config.specs import ModelSpec, model_from_json, model_to_json, reused_of, reusing
from hpmkd.models import build
from hpmkd.models.reused import Reused
from hpmkd.plan.architecture import forward_cost, parameter_count
from hpmkd.plan.reused import last_maps

PAIRS = [
    ("resnet56", "resnet20"), ("resnet32x4", "resnet8x4"), ("wrn_40_2", "wrn_16_2"), ("vgg13", "vgg8"),
    ("resnet32x4", "shufflenetv1"), ("resnet32x4", "shufflenetv2"), ("vgg13", "mobilenetv2"), ("resnet50", "vgg8"),
    ("lenet5", "resnet8"), ("resnet20", "lenet5"), ("wrn_40_2", "lenet5"), ("mobilenetv2", "resnet8"),
]  # fmt: skip


@pytest.mark.parametrize("name", [*SMALLEST, "resnet50", "vgg13", "resnet32x4"])
@pytest.mark.parametrize("side", [18, 33, 64])
def test_the_plan_knows_the_last_maps(name: str, side: int) -> None:
    spec = narrow(name, side)
    network = build(spec, 0).eval()
    with torch.no_grad():
        found = network(torch.randn(2, spec.in_channels, side, side), last_maps=True, embedding=True)
    assert found.last_maps.shape[1:] == (last_maps(spec)[0], last_maps(spec)[1], last_maps(spec)[1])
    assert torch.allclose(found.last_maps.mean((2, 3)), found.embedding, atol=1e-5)
    assert torch.allclose(network.classifier(found.embedding), found.logits)


def pair(teacher: str, student: str) -> tuple[ModelSpec, ModelSpec]:
    large, small = narrow(teacher), narrow(student)
    return large, reusing(small, large, 2)


@pytest.mark.parametrize(("teacher", "student"), PAIRS)
def test_what_is_counted_is_what_is_built(teacher: str, student: str) -> None:
    from torch.utils.flop_counter import FlopCounterMode

    _, spec = pair(teacher, student)
    network = build(spec, 0).eval()
    assert parameter_count(spec) == sum(one.numel() for one in network.parameters())
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(torch.randn(1, spec.in_channels, spec.image_size, spec.image_size))
    assert forward_cost(spec) == counter.get_total_flops() // 2


def test_the_published_sizes() -> None:
    """ResNet-32x4 to ResNet-8x4, r = 2: 256 x 128 + 9 x 128 x 128 + 128 x 256 weights, two numbers per BatchNorm's
    channel; as many as in the authors' code."""
    spec = reusing(usual("resnet8x4"), usual("resnet32x4"), 2)
    projector = build(spec, 0).projector
    assert sum(one.numel() for one in projector.parameters()) == 2 * 256 * 128 + 9 * 128**2 + 2 * (128 + 128 + 256)


@pytest.mark.parametrize(("teacher", "student"), PAIRS[:3])
def test_it_starts_as_other_students_do(teacher: str, student: str) -> None:
    _, spec = pair(teacher, student)
    network, plain = build(spec, 3), build(narrow(student), 3).state_dict()
    for name, value in network.encoder.state_dict().items():
        assert torch.equal(value, plain[name]), name
    assert set(plain) - set(network.encoder.state_dict()) == {"fc.weight", "fc.bias"}


def test_the_classifier_is_the_teachers_and_stays() -> None:
    large, spec = pair("resnet20", "resnet8")
    teacher, network = build(large, 1), build(spec, 2)
    assert isinstance(network, Reused)
    network.take_classifier(teacher)
    assert torch.equal(network.classifier.weight, teacher.fc.weight)
    assert network.classifier.weight is not teacher.fc.weight
    assert {name for name, one in network.named_parameters() if not one.requires_grad} == {
        "classifier.weight",
        "classifier.bias",
    }


def test_maps_of_other_sizes_are_averaged_to_the_smaller() -> None:
    for teacher, student in itertools.product(("resnet20", "vgg8"), ("resnet8", "mobilenetv2")):
        large, spec = pair(teacher, student)
        found = build(spec, 2).eval()(torch.randn(2, 3, 18, 18), last_maps=True, features=True, embedding=True)
        side = min(last_maps(large)[1], last_maps(narrow(student))[1])
        assert found.last_maps.shape == (2, last_maps(large)[0], side, side)
        assert len(found.features) == len(build(narrow(student), 0)(torch.randn(2, 3, 18, 18), features=True).features)
        assert torch.allclose(found.last_maps.mean((2, 3)), found.embedding)


def test_a_projector_from_the_formula() -> None:
    """Three convolutions, each with BatchNorm and ReLU, then the mean and the classifier; in evaluation, by hand."""
    _, spec = pair("resnet20", "resnet8")
    network = build(spec, 2).double().eval()
    images = torch.randn(2, 3, 18, 18).double()
    x = network.encoder(images, last_maps=True).last_maps
    convolutions = [one for one in network.projector if isinstance(one, nn.Conv2d)]
    for convolution, padding in zip(convolutions, (0, 1, 0), strict=True):
        x = F.relu(F.conv2d(x, convolution.weight, padding=padding) / (1 + 1e-5) ** 0.5)
    logits = x.mean((2, 3)) @ network.classifier.weight.T + network.classifier.bias
    assert torch.allclose(network(images).logits, logits)


def test_it_comes_back_from_a_file() -> None:
    large, spec = pair("wrn_40_2", "wrn_16_1")
    assert model_from_json(model_to_json(spec)) == spec
    assert reused_of(spec) == (large, 2)
