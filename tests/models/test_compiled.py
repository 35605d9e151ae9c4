"""LeNet5 by compiled kernels: what torch computes in float64, and the same bits whatever the vectors are like."""

from __future__ import annotations

import copy
import importlib
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from support.builders import STUDENT
from torch import Tensor, nn
from torch.nn import functional as F

from hpmkd.config.specs import ModelSpec
from hpmkd.errors import EnvironmentProblem
from hpmkd.models import build
from hpmkd.models.compiled import processor
from hpmkd.models.compiled.lenet_function import convolutional_part
from hpmkd.models.compiled.processor import AVX2, MANY_REGISTERS, NEON, VectorSetting, setting_of
from hpmkd.models.kernels import use_kernels

pytest.importorskip("numba")
OTHER = VectorSetting(4, 2, 7)


@pytest.fixture(autouse=True)
def _own_cache(kernel_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(kernel_cache))


def network(spec: ModelSpec = STUDENT, kernels: str = "compiled") -> nn.Module:
    made = build(spec, 1)
    use_kernels(made, kernels)
    return made


def images(count: int, spec: ModelSpec = STUDENT) -> Tensor:
    generator = torch.Generator().manual_seed(count)
    shape = (count, spec.in_channels, spec.image_size, spec.image_size)
    return torch.randn(shape, generator=generator).to(memory_format=torch.channels_last)


def weights(model: nn.Module) -> list[Tensor]:
    return [*model.conv1.parameters(), *model.conv2.parameters()]


def answers(model: nn.Module, shown: Tensor) -> list[Tensor]:
    """Logits, and the gradients of a loss."""
    model.zero_grad()
    logits = model(shown).logits
    F.cross_entropy(logits, torch.arange(len(shown)) % logits.shape[1]).backward()
    return [logits.detach(), *(one.grad.clone() for one in model.parameters())]


def bits(setting: VectorSetting | None) -> list[Tensor]:
    model = build(STUDENT, 1)
    made = convolutional_part(images(11), *weights(model), setting=setting)
    made.backward(torch.randn(made.shape, generator=torch.Generator().manual_seed(0)))
    return [made.detach(), *(one.grad for one in weights(model))]


@pytest.mark.parametrize(
    ("channels", "side", "widths", "count"),
    [
        (1, 16, (3, 5), 13),
        (1, 16, (3, 5), 32),
        pytest.param(3, 21, (7, 2), 9, marks=pytest.mark.slow),
        pytest.param(2, 19, (5, 11), 8, marks=pytest.mark.slow),
    ],
)
def test_as_float64(channels: int, side: int, widths: tuple[int, int], count: int) -> None:
    """Widths with and without a remainder in each group, blocks of images too; sides of which pooling leaves a row out,
    in the first layer and in the second."""
    spec = ModelSpec("lenet5", (*widths, 12), channels, side, 4)
    model, shown = network(spec), images(count, spec)
    exact = answers(build(spec, 1).double(), shown.double())
    for found, wanted in zip(answers(model, shown), exact, strict=True):
        assert (found - wanted).abs().max() <= 3e-6 * wanted.abs().max()


@pytest.mark.slow
def test_the_bits_do_not_depend_on_the_vectors() -> None:
    found = bits(None)
    for again in (bits(None), bits(OTHER)):
        assert all(map(torch.equal, found, again))


def test_ties_and_what_is_no_number() -> None:
    """As torch has them: of equal values the first one has the gradient."""
    plain, compiled = network(kernels="torch"), network()
    flat = torch.zeros(8, 1, 16, 16)
    flat[:, :, 4:12, 4:12] = 1.0
    for one, other in zip(answers(compiled, flat), answers(plain, flat), strict=True):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-6)
    broken = images(8)
    broken[3, 0, 5, 5] = float("nan")
    for one, other in zip(answers(compiled, broken), answers(plain, broken), strict=True):
        assert torch.equal(one.isnan(), other.isnan())
        assert one.isnan().any()


def test_an_image_does_not_depend_on_its_batch() -> None:
    model, shown = build(STUDENT, 1), images(21)
    whole = convolutional_part(shown, *weights(model))
    assert torch.equal(whole[7:12], convolutional_part(shown[7:12], *weights(model)))
    with torch.no_grad():
        assert torch.equal(whole, convolutional_part(shown.contiguous(), *weights(model)))


def test_no_second_derivative() -> None:
    model = build(STUDENT, 1)
    made = convolutional_part(images(3), *weights(model)).square().sum()
    (first,) = torch.autograd.grad(made, [model.conv1.weight], create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        first.sum().backward()


def test_where_torch_computes() -> None:
    """Maps are asked for; another precision; the images' gradient; nobody has asked for kernels."""
    plain, compiled, shown = network(kernels="torch"), network(), images(8)
    other, usual = compiled(shown).logits, plain(shown).logits
    assert not torch.equal(other, usual), "or there would be nothing to tell by"
    assert torch.allclose(other, usual, atol=1e-5)
    assert torch.equal(build(STUDENT, 1)(shown).logits, usual)
    for taps in ({"features": True}, {"pre_activations": True}):
        assert torch.equal(compiled(shown, **taps).logits, plain(shown, **taps).logits)
    assert torch.equal(compiled(shown, embedding=True, last_maps=True).logits, other)
    assert torch.equal(
        copy.deepcopy(compiled).double()(shown.double()).logits, copy.deepcopy(plain).double()(shown.double()).logits
    )
    wanted = shown.clone().requires_grad_()
    compiled(wanted).logits.sum().backward()
    assert wanted.grad is not None
    compiled.requires_grad_(False)
    traced = torch.jit.trace(lambda x: compiled(x).logits, shown, check_trace=False)
    assert "ConvolutionalPart" not in str(traced.graph)


def test_a_damaged_and_a_read_only_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither ends a trial; a damaged one is made anew."""
    disk_cache = importlib.import_module("hpmkd.models.compiled.disk_cache")
    made: list[dict[str, object]] = []

    def make(options: dict[str, object]) -> str:
        made.append(options)
        if options.get("cache"):
            (Path(disk_cache.numba.config.CACHE_DIR) / "code").write_text("code")
        return "kernels"

    before = disk_cache.numba.config.CACHE_DIR
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert disk_cache.through_cache("x", make) == "kernels"
    (folder,) = (tmp_path / "hpmkd" / "kernels").iterdir()
    assert disk_cache._is_sound(folder)
    (folder / "code").write_text("cod")
    assert not disk_cache._is_sound(folder)
    assert disk_cache.through_cache("x", make) == "kernels"
    assert disk_cache._is_sound(folder)
    monkeypatch.setattr(disk_cache, "user_cache", lambda: Path("/proc/nothing"))
    assert disk_cache.through_cache("x", make) == "kernels"
    assert made[-1] == {"nogil": True}
    assert before == disk_cache.numba.config.CACHE_DIR


def test_what_killed_processes_left_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk_cache = importlib.import_module("hpmkd.models.compiled.disk_cache")
    monkeypatch.setattr(disk_cache, "user_cache", lambda: tmp_path)
    at_work, left = (tmp_path / "kernels" / f".new-{name}" for name in ("young", "old"))
    for folder in (at_work, left):
        folder.mkdir(parents=True)
        (folder / "code").write_text("code")
    os.utime(left, (0, 0))
    assert disk_cache.through_cache("x", lambda options: "kernels") == "kernels"
    assert at_work.is_dir()
    assert not left.exists()
    assert len(list(at_work.parent.iterdir())) == 2, "that of a process at work, and the new kernels"


def test_a_link_to_the_package_leads_to_the_same_files(tmp_path: Path) -> None:
    """Workers see it through one; numba's cache goes by the path of the source."""
    vectors = importlib.import_module("hpmkd.models.compiled.vectors")
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "there")
    found: dict[str, Any] = {}
    exec(compile("def f():\n    return 1\n", str(tmp_path / "link" / "x.py"), "exec"), found)
    made = vectors.compiling({"nogil": True})(found["f"])
    assert made.py_func.__code__.co_filename == str((tmp_path / "there" / "x.py").resolve())


@pytest.mark.parametrize(
    ("features", "machine", "setting"),
    [
        ({"avx2", "fma", "avx512f", "avx512vl"}, "x86_64", MANY_REGISTERS),
        ({"avx2", "fma", "avx512f"}, "AMD64", AVX2),
        ({"avx2"}, "x86_64", None),
        ({"neon"}, "arm64", NEON),
        (set(), "aarch64", None),
    ],
)
def test_settings_of_processors(features: set[str], machine: str, setting: VectorSetting | None) -> None:
    assert setting_of(frozenset(features), machine) == setting


def test_what_a_machine_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor, "host_features", frozenset)
    with pytest.raises(EnvironmentProblem, match=r"(?s)fused multiply-add.*--fit\.kernels torch"):
        network()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(EnvironmentProblem, match=r"(?s)numba is not installed.*pip install -e '\.\[compiled\]'"):
        network()
    network(kernels="torch")
    network(ModelSpec("resnet8", (2, 2, 2), 1, 16, 4))


def test_images_that_the_kernels_were_not_made_for() -> None:
    """Torch's own answer, or error: none, of other channels, not square."""
    made = network(ModelSpec("lenet5", (3, 4, 5), 1, 28, 10))
    assert made(torch.zeros(0, 1, 28, 28)).logits.shape == (0, 10)
    for shape in ((2, 3, 28, 28), (2, 1, 28, 40)):
        with pytest.raises(RuntimeError):
            made(torch.zeros(shape))


@pytest.mark.parametrize("kind", ["file", "link"])
def test_something_else_at_the_name_of_kernels(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk_cache = importlib.import_module("hpmkd.models.compiled.disk_cache")
    monkeypatch.setattr(disk_cache, "user_cache", lambda: tmp_path)
    folder = tmp_path / "kernels" / disk_cache._name("x")
    folder.parent.mkdir()
    if kind == "file":
        folder.write_text("")
    else:
        folder.symlink_to(tmp_path / "nowhere")
    assert disk_cache.through_cache("x", lambda options: "kernels") == "kernels"
    assert disk_cache._is_sound(folder)
