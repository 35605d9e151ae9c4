"""`fit.precision: auto`: decided once, by what the machine computes natively, and then kept."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from support.builders import make_config

from hpmkd.config.load import to_yaml
from hpmkd.config.request import Request
from hpmkd.errors import ConfigMismatch, HpmkdError, UsageError
from hpmkd.plan.recipes import fit_of
from hpmkd.sweep import precision
from hpmkd.sweep.resolution import resolve


@pytest.fixture
def hardware(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the machine is said to have: `cpu`, bf16 instructions; `gpus`, the generation of each."""
    found: dict[str, Any] = {"cpu": False, "gpus": []}
    monkeypatch.setattr(precision, "computes_bf16", lambda: found["cpu"])
    monkeypatch.setattr(precision, "gpu_generations", lambda: found["gpus"])
    return found


def asked(output: Path, **keys: Any) -> str:
    overrides = {key.replace("__", "."): value for key, value in keys.items()}
    return resolve(Request("quick", str(output), overrides={"fit.precision": "auto", **overrides}))[0].fit.precision


@pytest.mark.parametrize(
    ("cpu", "gpus", "keys", "expected"),
    [
        (False, [], {}, "fp32"),
        (True, [], {}, "bf16"),
        (False, [9], {}, "bf16"),
        (False, [8, 9], {}, "bf16"),
        (True, [7], {}, "fp32"),  # fp16 stands in there
        (True, [9, 7], {}, "fp32"),  # one sweep, one precision
        (True, [7], {"resources__device": "cpu"}, "bf16"),
        (True, [7], {"resources__gpus_per_trial": 0}, "bf16"),
        (False, [9], {"resources__device": "cpu"}, "fp32"),
        (True, [], {"fit__kernels": "compiled"}, "fp32"),
        (True, [9], {"teacher__arch": "resnet8"}, "fp32"),  # of which it was not shown that it costs nothing
        (True, [9], {"student__arch": "resnet20"}, "fp32"),
    ],
)
def test_what_the_hardware_has(
    cpu: bool, gpus: list[int], keys: dict[str, Any], expected: str, hardware: dict[str, Any], tmp_path: Path
) -> None:
    hardware |= {"cpu": cpu, "gpus": gpus}
    assert asked(tmp_path, **keys) == expected


@pytest.mark.parametrize("then", ["fp32", "bf16"])
@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize("how", ["same command", "restore", "restore a mode"])
def test_a_sweep_keeps_what_it_was_started_with(
    then: str, native: bool, how: str, hardware: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    started, output = resolve(Request("quick", str(tmp_path), overrides={"fit.precision": then}))
    output.config_file.write_text(to_yaml(started))
    hardware["cpu"] = native
    mode, folder, restore = {
        "same command": ("quick", str(tmp_path), None),
        "restore": (None, None, str(tmp_path)),
        "restore a mode": ("quick", None, str(tmp_path)),
    }[how]
    with caplog.at_level(logging.INFO, "hpmkd"):
        config, _ = resolve(Request(mode, folder, restore, overrides={"fit.precision": "auto"}))
    assert config.fit.precision == then
    assert [one.message for one in caplog.records] == [f"fit.precision auto: {then} (as in {output.config_file})"]


@pytest.mark.parametrize(
    "text", ["", "fit: 3\n", "fit: {precision: auto}\n", "fit: {precision: [x]}\n", "{\n", "- a\n"]
)
def test_a_file_that_says_nothing(text: str, hardware: dict[str, Any], tmp_path: Path) -> None:
    """A new start writes another one."""
    hardware["cpu"] = True
    (tmp_path / "sweep.yaml").write_text(text)
    assert asked(tmp_path) == "bf16"


def test_other_settings_than_the_sweep_has_are_refused_as_ever(hardware: dict[str, Any], tmp_path: Path) -> None:
    hardware["cpu"] = True
    started, output = resolve(Request("quick", str(tmp_path), overrides={"fit.precision": "auto"}))
    output.config_file.write_text(to_yaml(started))
    assert "precision: bf16" in output.config_file.read_text()
    overrides = {"fit.precision": "auto", "fit.lr": 0.5}
    resolve(Request("quick", None, str(tmp_path), overrides={"fit.precision": "auto"}))
    output.config_file.write_text(to_yaml(started.model_copy(update={"runs": 7})))
    with pytest.raises(ConfigMismatch, match=r"`runs` 7 -> 3") as caught:
        resolve(Request("quick", None, str(tmp_path), overrides=overrides))
    assert "precision" not in str(caught.value)


def test_compiled_kernels_on_what_was_started_in_bf16(hardware: dict[str, Any], tmp_path: Path) -> None:
    """Another recipe, as any other setting would make: refused where there are models, and before anything is moved."""
    hardware["cpu"] = True
    started, output = resolve(Request("quick", str(tmp_path), overrides={"fit.precision": "auto"}))
    output.config_file.write_text(to_yaml(started))
    compiled = {"fit.kernels": "compiled"}
    assert asked(tmp_path, fit__kernels="compiled") == "fp32"
    both = Request("quick", None, str(tmp_path), overrides={"fit.precision": "auto", **compiled})
    assert resolve(both)[0].fit.precision == "fp32"
    with pytest.raises(UsageError, match=r"command line, --fit\.kernels.*\n.*torch beside fit\.precision: bf16"):
        resolve(
            Request(
                None, None, str(tmp_path), overrides=compiled, places={"fit.kernels": "command line, --fit.kernels"}
            )
        )


def test_no_recipe_says_auto() -> None:
    with pytest.raises(ValueError, match=r"fit\.precision: auto is no recipe"):
        fit_of(make_config(fit__precision="auto"), "lenet5", 1)


def test_a_sweep_has_one_precision(tmp_path: Path) -> None:
    """So models of two are never averaged."""
    grid = {"baselines": ["Direct"], "fit.precision": ["fp32", "bf16"]}
    with pytest.raises(HpmkdError, match=r"fit\.precision, which cannot be varied"):
        resolve(Request("quick", str(tmp_path), overrides={"vary": [grid]}))
