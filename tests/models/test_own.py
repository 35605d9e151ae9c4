"""Networks from a user's file, from a package and from libraries: what is found out, and what is refused."""

from __future__ import annotations

import importlib
import random
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from support.own_networks import BLOCKS, NETS, ask, write
from torch import nn

from hpmkd.config.own import file_word, locate
from hpmkd.config.specs import ModelSpec, model_from_json
from hpmkd.errors import UsageError
from hpmkd.models import build
from hpmkd.own_code.importing import importing
from hpmkd.plan.architecture import forward_cost, layer_count, parameter_count


def known(tmp_path: Path, name: str = "copy", **more: object) -> ModelSpec:
    """Tiny, looked at, with the copy of its source."""
    folder = tmp_path / "mine"
    write(folder)
    answer = ask(folder, tmp_path / name, **more)
    return model_from_json(answer["network"], str(tmp_path / name))


def test_size_taps_and_head_are_found(tmp_path: Path) -> None:
    spec = known(tmp_path)
    assert (spec.taps, spec.head) == (("stage1", "stage2"), "head")
    # 3x3 convolutions of 3 to 4 and 4 to 8 channels, BatchNorm, and a linear layer of 8 to 4
    assert parameter_count(spec) == 27 * 4 + 8 + 36 * 8 + 16 + 9 * 4
    assert forward_cost(spec) == 27 * 4 * 8**2 + 36 * 8 * 4**2 + 8 * 4
    assert layer_count(spec) == 3


def test_what_is_needed_is_copied_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/other.py").write_text("raise SystemExit")
    known(tmp_path)
    copied = {path.relative_to(tmp_path / "copy").as_posix() for path in (tmp_path / "copy").rglob("*.py")}
    assert copied == {"nets.py", "parts/__init__.py", "parts/blocks.py"}


def test_logits_taps_and_embedding(tmp_path: Path) -> None:
    model = build(known(tmp_path), 3).eval()
    images = torch.randn(5, 3, 16, 16)
    with torch.no_grad():
        plain, found = model(images), model(images, features=True, embedding=True)
    assert (plain.features, plain.embedding) == ((), None)
    assert torch.equal(plain.logits, found.logits)
    assert [tuple(one.shape) for one in found.features] == [(5, 4, 8, 8), (5, 8, 4, 4)]
    assert torch.equal(model.network.head(found.embedding), found.logits)
    assert torch.equal(found.features[1].mean((2, 3)), found.embedding)


def test_the_weights_are_those_of_the_bare_network(tmp_path: Path) -> None:
    """So whoever has the file can load them without this package."""
    spec = known(tmp_path)
    model = build(spec, 3)
    assert list(model.state_dict()) == list(model.network.state_dict())
    assert "head.weight" in model.state_dict()
    other = build(spec, 4)
    other.load_state_dict(model.state_dict())
    assert torch.equal(other.network.head.weight, model.network.head.weight)
    assert len(list(model.parameters())) == len(list(model.network.parameters()))


def test_seeds_decide_and_no_generator_is_moved(tmp_path: Path) -> None:
    spec = known(tmp_path)
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[2]
    first, again, other = build(spec, 3), build(spec, 3), build(spec, 4)
    assert torch.equal(torch.get_rng_state(), states[0])
    assert (random.getstate(), np.random.get_state()[2]) == states[1:]
    assert torch.equal(first.network.head.weight, again.network.head.weight)
    assert not torch.equal(first.network.head.weight, other.network.head.weight)


def test_weights_drawn_by_numpy_and_python_follow_the_seed(tmp_path: Path) -> None:
    nets = NETS.replace(
        "        self.drop", "        import random, numpy\n        nn.init.constant_(self.stage1[0].weight, "
        "random.random() + numpy.random.rand())\n        self.drop",
    )  # fmt: skip
    write(tmp_path / "mine", nets)
    spec = model_from_json(ask(tmp_path / "mine", tmp_path / "copy")["network"], str(tmp_path / "copy"))
    values = [build(spec, seed).network.stage1[0].weight[0, 0, 0, 0].item() for seed in (1, 1, 2)]
    assert values[0] == values[1] != values[2]


def test_two_networks_may_have_helpers_of_one_name(tmp_path: Path) -> None:
    first = known(tmp_path)
    write(tmp_path / "yours", blocks=BLOCKS.replace("nn.ReLU", "nn.SiLU"))
    second = model_from_json(ask(tmp_path / "yours", tmp_path / "copy2")["network"], str(tmp_path / "copy2"))
    assert first.source != second.source
    kinds = [type(build(spec, 0).network.stage1[2]) for spec in (first, second, first)]
    assert kinds == [nn.ReLU, nn.SiLU, nn.ReLU]
    assert not [name for name in sys.modules if name.startswith("parts")]


@pytest.mark.parametrize("helper", [False, True])
def test_the_source_is_known_by_its_content(tmp_path: Path, helper: bool) -> None:
    first, again = known(tmp_path), known(tmp_path, "again")
    assert first.source == again.source
    text = (NETS, BLOCKS + "\n# a remark\n") if helper else (NETS + "\n# a remark\n", BLOCKS)
    write(tmp_path / "mine", *text)
    assert ask(tmp_path / "mine", tmp_path / "changed")["network"]["source"] != first.source


def test_a_file_may_be_called_as_a_module_of_python(tmp_path: Path) -> None:
    write(tmp_path / "mine")
    (tmp_path / "mine/nets.py").rename(tmp_path / "mine/json.py")
    assert "network" in ask(tmp_path / "mine", tmp_path / "copy", arch="json.py:Tiny")


def test_a_package_of_the_working_folder(tmp_path: Path) -> None:
    write(tmp_path / "mine/zoo")
    (tmp_path / "mine/zoo/__init__.py").write_text("from .nets import Tiny\n")
    text = (tmp_path / "mine/zoo/nets.py").read_text().replace("from parts", "from .parts")
    (tmp_path / "mine/zoo/nets.py").write_text(text)
    found = ask(tmp_path / "mine", tmp_path / "copy", arch="zoo:Tiny")
    spec = model_from_json(found["network"], str(tmp_path / "copy"))
    assert (tmp_path / "copy/zoo/parts/blocks.py").is_file()
    build(spec, 0)
    assert not [name for name in sys.modules if name.partition(".")[0] == "zoo"]


def test_what_a_process_has_imported_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A notebook that works on the same module."""
    write(tmp_path / "mine")
    monkeypatch.syspath_prepend(tmp_path / "mine")
    mine = importlib.import_module("parts.blocks")
    try:
        known(tmp_path)
        assert sys.modules["parts.blocks"] is mine
        with importing(locate("parts.blocks:block", ""), str(tmp_path / "mine")):
            assert "parts.blocks" not in sys.modules
        assert sys.modules["parts.blocks"] is mine
    finally:
        for name in [one for one in sys.modules if one.partition(".")[0] == "parts"]:
            del sys.modules[name]


def test_torchvision_by_name(tmp_path: Path) -> None:
    """Its parameters and multiply-adds are those that torchvision's pages give: 11.69 M with 1,000 classes, 1.81 G."""
    pytest.importorskip("torchvision")
    size = {"image_size": 224, "classes": 1000}
    spec = model_from_json(ask(None, tmp_path / "x", arch="torchvision:resnet18", **size)["network"])
    assert (parameter_count(spec), round(forward_cost(spec) / 1e9, 2)) == (11_689_512, 1.81)
    assert (spec.taps, spec.head) == (("relu", "layer1", "layer2", "layer3", "layer4"), "fc")
    small = ask(None, tmp_path / "y", arch="torchvision:resnet18")["network"]
    assert small["source"] == ask(None, tmp_path / "z", arch="torchvision:resnet18")["network"]["source"]
    assert build(model_from_json(small), 0).eval()(torch.zeros(1, 3, 16, 16)).logits.shape == (1, 4)


def test_timm_by_name(tmp_path: Path) -> None:
    pytest.importorskip("timm")
    found = ask(None, tmp_path / "x", arch="timm:resnet10t", image_size=32, in_channels=1)
    spec = model_from_json(found["network"])
    assert spec.head == "fc"
    assert len(spec.taps or ()) >= 3
    assert build(spec, 0).eval()(torch.zeros(2, 1, 32, 32)).logits.shape == (2, 4)


def body(text: str) -> str:
    """Tiny with another `forward`."""
    return NETS.partition("    def forward")[0] + f"    def forward(self, x):\n        {text}\n"


FAULTS = [
    (NETS, "nets.py:Missing", {}, "no Missing"),
    (NETS.replace("class Tiny", "raise ValueError('at import')\nclass Tiny"), "nets.py:Tiny", {},
     r"at import \(nets.py, line 6\)"),
    (NETS.replace("from parts.blocks", "from nowhere"), "nets.py:Tiny", {}, r"No module named 'nowhere' \(nets.py"),
    ("import sys(", "nets.py:Tiny", {}, "SyntaxError"),
    (NETS, "nets.py:Tiny", {"arguments": '{"depth": 3}'}, "unexpected keyword argument 'depth'"),
    (NETS.replace("width=4", "width"), "nets.py:Tiny", {}, "missing 1 required positional argument: 'width'"),
    (NETS + "\ndef make():\n    return 3\n", "nets.py:make", {}, "int"),
    (NETS + "\nmake = 3\n", "nets.py:make", {}, "make is of type int"),
    (NETS + "\ndef make():\n    return nn.Flatten()\n", "nets.py:make", {}, "none"),
    (NETS.replace("* width, num_classes)", "* width, 1000)"), "nets.py:Tiny", {}, r"\(2, 1000\)"),
    (body("return x.flatten(1) @ self.head.weight"), "nets.py:Tiny", {}, "RuntimeError"),
    (body("return [self.head(x.new_zeros(len(x), 8))]"), "nets.py:Tiny", {}, "list"),
    (body("return self.head(x.new_zeros(len(x), 8)) * float('nan')"), "nets.py:Tiny", {}, "NaN"),
    (body("return self.head(x.new_zeros(len(x), 8)).detach()"), "nets.py:Tiny", {}, "no gradient"),
    (body("return self.head(nn.functional.dropout(x.new_ones(len(x), 8)))"), "nets.py:Tiny", {}, "differ by up to"),
    (NETS.replace("        self.drop", "        nn.init.uniform_(self.stage1[0].weight, generator=__import__('torch')"
     ".Generator().manual_seed(__import__('time').time_ns() % 2**31))\n        self.drop"),
     "nets.py:Tiny", {}, "other values of"),
    (NETS, "nets.py:Tiny", {"taps": ["stage3"]}, "'stage3'"),
    (NETS, "nets.py:Tiny", {"taps": ["head"]}, r"head gives \(2, 4\)"),
    (NETS, "nets.py:Tiny", {"head": "heed"}, "'heed'"),
    (NETS.replace("from torch import nn", "from torch import nn\nopen(__file__.replace('nets.py', 'data.txt')).read()"),
     "nets.py:Tiny", {}, "No such file"),
    (body("return self.head(x.mul_(2).mean((2, 3)).repeat(1, 3)[:, :8])"), "nets.py:Tiny", {}, "changed in place"),
    (body("self.extra = getattr(self, 'extra', nn.Linear(8, 4)); return self.head(x.new_zeros(len(x), 8))"),
     "nets.py:Tiny", {}, "extra.bias, extra.weight, which the first images"),
    (NETS.replace("from parts", "import torch\ntorch.set_default_dtype(torch.float64)\nfrom parts"), "nets.py:Tiny", {},
     "torch.float64"),
    (NETS.replace("        self.drop", "        self.half()\n        self.drop"), "nets.py:Tiny", {}, "torch.float16"),
    (body("raise ValueError('bang')"), "nets.py:Tiny", {}, r"ValueError: bang \(nets.py, line"),
    (NETS + "\nmake = 'text'\n", "nets.py:make", {}, "make is of type str"),
]  # fmt: skip


@pytest.mark.parametrize(("nets", "arch", "more", "found"), FAULTS, ids=[str(number) for number in range(len(FAULTS))])
def test_what_cannot_be_trained_is_refused(nets: str, arch: str, more: dict, found: str, tmp_path: Path) -> None:
    write(tmp_path / "mine", nets)
    (tmp_path / "mine/data.txt").write_text("beside it")  # which is no Python file, so no worker has it
    dtype = torch.get_default_dtype()
    try:
        answer = ask(tmp_path / "mine", tmp_path / "copy", arch=arch, **more)
    finally:
        torch.set_default_dtype(dtype)
    assert "fault" in answer
    with pytest.raises(AssertionError, match=found):
        raise AssertionError(answer["fault"]["found"])
    assert answer["fault"]["expected"]
    assert answer["fault"]["todo"]


def test_close_names_are_proposed(tmp_path: Path) -> None:
    write(tmp_path / "mine")
    answer = ask(tmp_path / "mine", tmp_path / "copy", taps=["stage_1"])
    assert answer["fault"]["todo"] == "did you mean stage1?"


def test_images_of_another_number_of_channels_are_named(tmp_path: Path) -> None:
    answer = ask(None, tmp_path / "copy", arch="torchvision:resnet18", in_channels=1, image_size=32)
    assert "made for 3 channels, and the images have 1" in answer["fault"]["todo"]


def test_close_names_of_a_library_are_proposed(tmp_path: Path) -> None:
    answer = ask(None, tmp_path / "copy", arch="torchvision:resnet19")
    assert answer["fault"]["todo"].startswith("did you mean resnet1")


SEEDED = ["import torch\ntorch.manual_seed(0)\n", "import torch, random\nrandom.seed(0)\ntorch.manual_seed(3)\n"]


@pytest.mark.parametrize("start", SEEDED)
def test_the_same_weights_for_every_seed_are_said(start: str, tmp_path: Path) -> None:
    """Runs would differ by the order of images alone."""
    write(tmp_path / "mine", start + NETS)
    answer = ask(tmp_path / "mine", tmp_path / "copy")
    assert "the same for every seed" in answer["notes"][0]
    write(tmp_path / "other", NETS)
    assert ask(tmp_path / "other", tmp_path / "copy2")["notes"] == []


def test_nothing_that_a_module_prints_is_on_standard_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "mine", NETS + "\nprint('spam')\n")
    spec = model_from_json(ask(tmp_path / "mine", tmp_path / "copy")["network"], str(tmp_path / "copy"))
    capsys.readouterr()
    build(spec, 1)
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "spam\n")


@pytest.mark.parametrize("arch", ["nets.py:", ":Tiny", "a b:c", "nets.py:1x", "a..b:c", "nets.py:Tiny()"])
def test_places_that_cannot_be(arch: str) -> None:
    with pytest.raises(UsageError, match=r"student\.arch: not the place of a network"):
        locate(arch, "student")


def test_names_in_files() -> None:
    assert file_word("/home/me/my_nets.py:Tiny_2") == "my-nets-Tiny-2"
    assert file_word("pkg.sub.mod:make") == "pkg-sub-mod-make"
    assert file_word("timm:vit_tiny_patch16_224") == "timm-vit-tiny-patch16-224"
