"""`hpmkd models`: every network, with sizes that are those of the plan."""

from __future__ import annotations

import json

import pytest
from support.networks import usual

from hpmkd.cli.main import main
from hpmkd.config.architectures import ARCHITECTURES
from hpmkd.plan.architecture import forward_cost, parameter_count


def test_every_network_is_listed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    assert main(["models"]) == 0
    printed = capsys.readouterr().out
    assert [name for name in ARCHITECTURES if name not in printed] == []
    assert "862 K" in next(line for line in printed.splitlines() if " resnet56 " in line)
    assert "126 M" in next(line for line in printed.splitlines() if " resnet56 " in line)
    assert "multiply-adds 224x224" in printed


def test_numbers_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--json", "--classes", "10", "--image-sizes", "64", "4"]) == 0
    found = {one["name"]: one for one in json.loads(capsys.readouterr().out)}
    assert found.keys() == ARCHITECTURES.keys()
    spec = usual("wrn_40_2", image_size=64, classes=10)
    assert found["wrn_40_2"]["parameters"]["64"] == parameter_count(spec)
    assert found["wrn_40_2"]["multiply_adds"]["64"] == forward_cost(spec)
    assert list(found["vgg8"]["parameters"]) == ["64"], "not for images that it cannot take"
    assert found["lenet5_teacher"]["widths"] == [20, 50, 500]


@pytest.mark.parametrize("flag", ["--classes", "--channels", "--image-sizes"])
def test_numbers_that_cannot_be(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", flag, "0"]) == 2
    assert f"{flag}" in capsys.readouterr().err
