"""Networks: taps, seeds, and nothing left behind in the global generators."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from hpmkd.config.specs import ModelSpec
from hpmkd.models import build
from hpmkd.models.lenet import max_pool
from hpmkd.models.resnet import Projection

LENET = ModelSpec("lenet5", (6, 8, 24), 3, 32, 10)
RESNET = ModelSpec("resnet8", (4, 8, 16), 3, 32, 10)
ROOT = Path(__file__).resolve().parents[2]


def images(count: int = 5) -> torch.Tensor:
    return torch.randn(count, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("spec", [LENET, RESNET], ids=["lenet5", "resnet8"])
def test_logits_do_not_depend_on_the_taps(spec: ModelSpec) -> None:
    model = build(spec, 0).eval()
    with torch.no_grad():
        plain, tapped = model(images()), model(images(), features=True)
    assert plain.features == ()
    assert torch.equal(plain.logits, tapped.logits)
    assert all((feature >= 0).all() and (feature > 0).any() for feature in tapped.features)


def test_lenet_layer_by_layer() -> None:
    model = build(LENET, 0).eval()
    state = model.state_dict()
    with torch.no_grad():
        found = model(images(), features=True)
        first = F.relu(F.conv2d(images(), state["conv1.weight"], state["conv1.bias"]))
        second = F.conv2d(F.max_pool2d(first, 2), state["conv2.weight"], state["conv2.bias"])
        flat = F.max_pool2d(F.relu(second), 2).flatten(1)
        hidden = F.relu(F.linear(flat, state["fc1.weight"], state["fc1.bias"]))
        logits = F.linear(hidden, state["fc2.weight"], state["fc2.bias"])
    assert torch.allclose(found.logits, logits, atol=1e-5)
    assert [feature.shape[1:] for feature in found.features] == [(6, 28, 28), (8, 10, 10)]
    assert torch.allclose(found.features[0], first, atol=1e-5)


@pytest.mark.parametrize("spec", [LENET, RESNET], ids=["lenet5", "resnet8"])
@pytest.mark.parametrize("features", [False, True])
def test_the_embedding_is_what_the_last_layer_is_given(spec: ModelSpec, features: bool) -> None:
    model = build(spec, 0).eval()
    with torch.no_grad():
        plain, found = model(images(), features=features), model(images(), features=features, embedding=True)
    assert plain.embedding is None
    last = list(model.children())[-1]
    assert found.embedding.shape == (5, last.in_features)
    assert torch.equal(found.logits, plain.logits)
    assert torch.equal(last(found.embedding), found.logits)
    if spec is LENET:
        assert (found.embedding >= 0).all()
    else:
        with torch.no_grad():
            stages = model(images(), features=True).features
        assert torch.allclose(found.embedding, stages[-1].mean((2, 3)), atol=1e-6)


@pytest.mark.parametrize("spec", [LENET, RESNET], ids=["lenet5", "resnet8"])
def test_asking_for_the_embedding_changes_no_gradient(spec: ModelSpec) -> None:
    found = []
    for embedding in (False, True):
        model = build(spec, 0).train()
        model(images(), embedding=embedding).logits.square().mean().backward()
        found.append([one.grad for one in model.parameters()])
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


def test_resnet_taps_its_three_stages() -> None:
    with torch.no_grad():
        features = build(RESNET, 0).eval()(images(), features=True).features
    assert [tuple(feature.shape[1:]) for feature in features] == [(4, 32, 32), (8, 16, 16), (16, 8, 8)]


@pytest.mark.parametrize("depth", [8, 14, 20])
def test_resnet_depth_counts_its_layers(depth: int) -> None:
    model = build(ModelSpec(f"resnet{depth}", (4, 8, 16), 3, 32, 10), 0)
    layers = [name for name, part in model.named_modules() if isinstance(part, torch.nn.Conv2d | torch.nn.Linear)]
    assert len([name for name in layers if "shortcut" not in name]) == depth


@pytest.mark.parametrize("spec", [LENET, RESNET], ids=["lenet5", "resnet8"])
def test_initial_weights_are_a_function_of_spec_and_seed(spec: ModelSpec) -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = build(spec, 7).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    second, other = build(spec, 7).state_dict(), build(spec, 8).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


NARROW = """
import torch
from hpmkd.models.resnet import Projection
torch.set_num_threads(1)
for width, size in ((4, 32), (4, 96), (8, 96), (12, 96), (15, 128)):
    print(width, size, flush=True)
    layer = Projection(width, 32, 2).to(memory_format=torch.channels_last)
    for _ in range(3):
        x = torch.randn(32, width, size, size).to(memory_format=torch.channels_last).requires_grad_()
        layer(x).square().mean().backward()
"""


def test_a_narrow_projection_stays_in_its_memory() -> None:
    """torch's own aborts the process, in which this test must not be; the last line printed says at which sizes."""
    done = subprocess.run([sys.executable, "-c", NARROW], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("width", [4, 8, 16])
def test_a_projection_is_a_strided_convolution_at_any_width(width: int) -> None:
    layer, x = Projection(width, 9, 2), torch.randn(5, width, 7, 7)
    expected = F.conv2d(x, layer.weight, stride=2)
    assert torch.allclose(layer(x.to(memory_format=torch.channels_last)), expected, atol=1e-6)


@pytest.mark.parametrize("shape", [(3, 10, 28, 28), (2, 1, 4, 6), (1, 3, 2, 2), (2, 5, 7, 6)])
@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_pooling_has_the_same_bits_with_and_without_gradients(shape: tuple[int, ...], kind: torch.dtype) -> None:
    maps = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(kind)
    maps[0, 0, 0, 0], maps[0, 0, 1, 1] = torch.nan, torch.inf
    for layout in (torch.channels_last, torch.contiguous_format):
        given = maps.contiguous(memory_format=layout)
        with torch.no_grad():
            found = max_pool(given)
        expected = max_pool(given.requires_grad_()).detach()
        assert torch.equal(found.nan_to_num(-7), expected.nan_to_num(-7))
        assert torch.equal(expected.nan_to_num(-7), F.max_pool2d(maps, 2).nan_to_num(-7))
