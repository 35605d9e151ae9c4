"""The networks of the literature: their published sizes, their taps, and what is counted of them without building them.

The numbers of parameters and multiply-adds were counted on the networks of RepDistiller (Tian et al. 2020; their code,
with hooks on convolutions and linear layers), 100 classes, 3x32x32 pixels. Rounded, they are those that papers print:
ResNet-56 0.86 M, ResNet-20 0.28 M, WRN-40-2 2.26 M, WRN-16-2 0.70 M, WRN-40-1 0.57 M, ResNet-32x4 7.43 M, ResNet-8x4
1.23 M, VGG-13 9.46 M, VGG-8 3.97 M, MobileNetV2 0.81 M, ShuffleNetV1 0.95 M, ShuffleNetV2 1.36 M, ResNet-50 23.71 M.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from support.builders import make_spec
from support.networks import NETWORKS, SMALLEST, narrow, usual
from torch import nn
from torch.nn import functional as F

from hpmkd.config.architectures import ARCHITECTURES, FAMILIES, family_of
from hpmkd.config.networks import ModelConfig
from hpmkd.config.specs import ModelSpec
from hpmkd.errors import UsageError
from hpmkd.models import build
from hpmkd.models.build import MODELS
from hpmkd.plan.architecture import (
    activation_count,
    forward_cost,
    layer_count,
    network_name,
    parameter_count,
    resolve,
    scaled,
    sized,
)
from hpmkd.plan.compression import narrowed
from hpmkd.plan.families import LAYERS

PUBLISHED = {
    "resnet8": (83_892, 12_507_392),
    "resnet14": (181_108, 26_663_168),
    "resnet20": (278_324, 40_818_944),
    "resnet32": (472_756, 69_130_496),
    "resnet44": (667_188, 97_442_048),
    "resnet56": (861_620, 125_753_600),
    "resnet110": (1_736_564, 253_155_584),
    "resnet8x4": (1_233_540, 177_071_104),
    "resnet32x4": (7_433_860, 1_083_040_768),
    "wrn_16_1": (180_916, 26_663_168),
    "wrn_16_2": (703_284, 101_118_464),
    "wrn_40_1": (569_780, 83_286_272),
    "wrn_40_2": (2_255_156, 327_610_880),
    "vgg8": (3_965_028, 96_192_512),
    "vgg11": (9_277_284, 209_438_720),
    "vgg13": (9_462_180, 284_936_192),
    "resnet18": (11_220_132, 555_468_800),
    "resnet34": (21_328_292, 1_159_448_576),
    "resnet50": (23_705_252, 1_298_014_208),
    "mobilenetv2": (812_836, 6_523_648),
    "shufflenetv1": (949_258, 38_691_456),
    "shufflenetv2": (1_355_528, 44_504_448),
}
# Of the features that RepDistiller's methods compare: channels and side at 32x32 pixels.
TAPS = {
    "resnet20": [(16, 32), (32, 16), (64, 8)],
    "resnet8x4": [(64, 32), (128, 16), (256, 8)],
    "wrn_40_2": [(32, 32), (64, 16), (128, 8)],
    "vgg8": [(128, 16), (256, 8), (512, 4), (512, 4)],
    "resnet50": [(256, 32), (512, 16), (1024, 8), (2048, 4)],
    "mobilenetv2": [(12, 16), (16, 8), (48, 4), (160, 2)],
    "shufflenetv1": [(240, 16), (480, 8), (960, 4)],
    "shufflenetv2": [(116, 16), (232, 8), (464, 4)],
}


def images(spec: ModelSpec, count: int = 4) -> torch.Tensor:
    shape = (count, spec.in_channels, spec.image_size, spec.image_size)
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


def counted(model: nn.Module, image: torch.Tensor) -> tuple[int, int]:
    """Parameters and multiply-adds of the built network, by hooks."""
    sums: list[int] = []

    def note(layer: nn.Module, given: object, made: torch.Tensor) -> None:
        each = layer.weight[0].numel()
        sums.append(each * made.numel())

    kinds = (nn.Conv2d, nn.Linear)
    hooks = [layer.register_forward_hook(note) for layer in model.modules() if isinstance(layer, kinds)]
    with torch.no_grad():
        model.eval()(image)
    for hook in hooks:
        hook.remove()
    return sum(one.numel() for one in model.parameters()), sum(sums)


@pytest.mark.parametrize("arch", PUBLISHED)
def test_sizes_are_the_published_ones(arch: str) -> None:
    assert (parameter_count(usual(arch)), forward_cost(usual(arch))) == PUBLISHED[arch]


@pytest.mark.parametrize("arch", NETWORKS)
@pytest.mark.parametrize("side", [21, 64])
def test_what_is_counted_is_what_is_built(arch: str, side: int) -> None:
    spec = narrow(arch, image_size=side)
    with torch.random.fork_rng():
        assert counted(build(spec, 0), images(spec, 1)) == (parameter_count(spec), forward_cost(spec))


@pytest.mark.parametrize("arch", SMALLEST)
def test_the_published_network_is_built(arch: str) -> None:
    """At its usual widths, on grey images too."""
    for spec in (usual(arch), replace(usual(arch, image_size=28), in_channels=1)):
        assert counted(build(spec, 0), images(spec, 1)) == (parameter_count(spec), forward_cost(spec))


@pytest.mark.parametrize(("arch", "depth"), [("wrn_40_2", 38), ("vgg13", 11), ("resnet50", 50), ("resnet8x4", 8)])
def test_layers_on_the_longest_way(arch: str, depth: int) -> None:
    assert layer_count(usual(arch)) == depth
    assert activation_count(usual(arch)) > 0


def test_every_family_is_counted_and_built() -> None:
    assert FAMILIES.keys() == LAYERS.keys() == MODELS.keys()
    assert {one.family for one in ARCHITECTURES.values()} == FAMILIES.keys()


@pytest.mark.parametrize("arch", TAPS)
def test_taps_are_those_of_the_literature(arch: str) -> None:
    with torch.no_grad():
        found = build(usual(arch), 0).eval()(images(usual(arch), 2), features=True)
    assert [(one.shape[1], one.shape[2]) for one in found.features] == TAPS[arch]


@pytest.mark.parametrize("arch", SMALLEST)
@pytest.mark.parametrize("training", [False, True])
def test_what_is_asked_for_changes_no_logit_and_no_statistic(arch: str, training: bool) -> None:
    spec = narrow(arch, image_size=32)
    asked = (
        {},
        {"features": True},
        {"embedding": True},
        {"features": True, "embedding": True, "pre_activations": True},
    )
    found, states = [], []
    for flags in asked:
        model = build(spec, 3).train(training)
        with torch.no_grad():
            found.append(model(images(spec), **flags))
        states.append(model.state_dict())
    assert all(torch.equal(one.logits, found[0].logits) for one in found)
    assert all(torch.equal(value, states[0][name]) for state in states for name, value in state.items())
    assert [len(one.features) > 0 for one in found] == [False, True, False, True]
    assert len(found[3].features) == len(found[3].pre_activations)
    assert torch.equal(build(spec, 3).fc(found[2].embedding) if arch != "lenet5" else found[0].logits, found[0].logits)


@pytest.mark.parametrize("arch", SMALLEST)
def test_the_pre_activation_is_what_the_relu_is_given(arch: str) -> None:
    """Where a ReLU makes the tap. WRN has it in the next block, MobileNetV2 none; ShuffleNetV2 shuffles after it."""
    spec = narrow(arch, image_size=32)
    with torch.no_grad():
        found = build(spec, 3).eval()(images(spec), features=True, pre_activations=True)
    for tap, before in zip(found.features, found.pre_activations, strict=True):
        family = family_of(arch)
        if family == "mobilenetv2":
            assert torch.equal(before, tap)
        elif family == "shufflenetv2":
            kept, given = before.chunk(2, 1)
            assert torch.equal(F.channel_shuffle(torch.cat([kept, F.relu(given)], 1), 2), tap)
        elif family == "wrn":
            assert before.shape == tap.shape
            assert not torch.equal(before, tap)
        else:
            assert torch.equal(F.relu(before), tap)
            assert (before < 0).any()


@pytest.mark.parametrize("training", [False, True])
def test_the_pre_activation_of_a_wide_resnet_is_that_of_the_next_block(training: bool) -> None:
    spec = narrow("wrn_16_1", image_size=32)
    model = build(spec, 3).train(training)
    seen: list[torch.Tensor] = []
    for norm in (model.stages[1][0].bn1, model.stages[2][0].bn1, model.bn):
        norm.register_forward_hook(lambda layer, given, made: seen.append(made.clone()))  # a ReLU follows in place
    with torch.no_grad():
        found = model(images(spec), pre_activations=True).pre_activations
    assert all(torch.allclose(one, other, atol=1e-6) for one, other in zip(found, seen, strict=True))


@pytest.mark.parametrize("arch", ["resnet18", "resnet50"])
def test_big_resnets_are_torchvisions_with_another_stem(arch: str) -> None:
    models = pytest.importorskip("torchvision.models")
    theirs = getattr(models, arch)(num_classes=7)
    theirs.conv1, theirs.maxpool = nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.Identity()
    spec = usual(arch, classes=7)
    ours = build(spec, 0)
    kinds = (nn.Conv2d, nn.BatchNorm2d, nn.Linear)

    def in_order(model: nn.Module) -> list[nn.Module]:
        order: list[nn.Module] = []
        hooks = [
            one.register_forward_hook(lambda layer, given, made: order.append(layer))
            for one in model.modules()
            if isinstance(one, kinds)
        ]
        with torch.no_grad():
            model.eval()(images(spec, 1))
        for hook in hooks:
            hook.remove()
        return order

    for mine, other in zip(in_order(ours), in_order(theirs), strict=True):
        mine.load_state_dict(other.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(ours(images(spec)).logits, theirs(images(spec)), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    "arch", ["wrn_40_2", "vgg13", "resnet50", "resnet32x4", "mobilenetv2", "shufflenetv1", "shufflenetv2"]
)
@pytest.mark.parametrize("share", [0.05, 0.3, 0.7])
def test_assistants_have_the_wanted_size_and_the_teachers_family(arch: str, share: float) -> None:
    teacher = usual(arch)
    wanted = share * parameter_count(teacher)
    found = sized(teacher, usual("vgg8"), wanted)
    assert family_of(found.arch) == family_of(arch)
    assert parameter_count(found) == pytest.approx(wanted, rel=0.15 if arch == "shufflenetv1" else 0.06)
    build(found, 0)


@pytest.mark.parametrize("arch", SMALLEST)
@pytest.mark.parametrize("factor", [0.01, 0.37, 1.0, 2.3])
def test_scaled_widths_can_be_built(arch: str, factor: float) -> None:
    spec = replace(usual(arch, classes=4), channels=scaled(usual(arch), factor))
    if factor == 1.0:
        assert spec == usual(arch, classes=4)
    with torch.no_grad():
        assert build(spec, 0).eval()(images(spec, 1)).logits.shape == (1, 4)


@pytest.mark.parametrize("arch", ["vgg8", "shufflenetv1", "shufflenetv2", "mobilenetv2", "wrn_16_2"])
def test_students_of_a_ratio(arch: str) -> None:
    teacher = usual("resnet32x4")
    found = narrowed(usual(arch), teacher, 10, "student.ratio")
    assert parameter_count(teacher) / parameter_count(found) == pytest.approx(10, rel=0.1)


@pytest.mark.parametrize(
    ("arch", "channels", "said"),
    [
        ("shufflenetv1", [24, 240, 480, 950], "multiples of 12"),
        ("shufflenetv1", [24, 240, 240, 960], "each larger than the one before"),
        ("shufflenetv2", [24, 115, 232, 464, 1024], "multiples of 1, 2, 2, 2, 1"),
        ("vgg8", [64, 128], "5 for vgg8"),
        ("resnet8x4", [16, 32, 64], "4 for resnet8x4"),
    ],
)
def test_widths_that_cannot_be(arch: str, channels: list[int], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        resolve(ModelConfig(arch=arch, channels=channels), make_spec(channels=3, image_size=32), "student")


def test_images_too_small_for_vgg() -> None:
    with pytest.raises(UsageError, match="vgg8 needs images of at least 8x8 pixels"):
        resolve(ModelConfig(arch="vgg8"), make_spec(image_size=7), "student")


@pytest.mark.parametrize("arch", SMALLEST)
def test_the_smallest_images_that_are_taken(arch: str) -> None:
    spec = narrow(arch, image_size=FAMILIES[family_of(arch)].smallest)
    with torch.no_grad():
        assert torch.isfinite(build(spec, 0).eval()(images(spec)).logits).all()


def test_names_in_files_have_no_underscore() -> None:
    """Which separates the parts of a file's name."""
    names = [network_name(usual(arch)) for arch in NETWORKS]
    assert len(set(names)) == len(NETWORKS)
    assert not [name for name in names if "_" in name]
    assert network_name(usual("wrn_40_2")) == "wrn-40-2"
