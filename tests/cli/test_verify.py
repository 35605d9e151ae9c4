"""`verify` of folders that are no finished sweep."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.builders import make_config, make_spec

from hpmkd.cli.verify import verify
from hpmkd.config.load import to_yaml
from hpmkd.config.specs import spec_to_json
from hpmkd.errors import UsageError
from hpmkd.files import commit_json

SPEC = make_spec()
DATA = {"train_images": SPEC.train_images, "validation_fraction": SPEC.validation_fraction, "augment": SPEC.augment}


def test_a_sweep_without_models_is_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With its plan everything is missing; without one it says how to go on."""
    (tmp_path / "sweep.yaml").write_text(to_yaml(make_config(baselines=["Direct"], runs=1, data=DATA)))
    with pytest.raises(UsageError, match="has no models yet") as caught:
        verify([str(tmp_path)], "hpmkd verify")
    assert f"hpmkd run --restore {tmp_path}" in (caught.value.todo or "")
    commit_json(tmp_path / "datasets.json", [spec_to_json(SPEC)])
    assert verify([str(tmp_path)], "hpmkd verify") == 1
    assert "2 missing" in capsys.readouterr().out


@pytest.mark.parametrize(("name", "found"), [("file", "a file"), ("none", "no such folder"), ("empty", "neither")])
def test_what_is_no_sweep(tmp_path: Path, name: str, found: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no sweep here") as caught:
        verify([str(tmp_path / name)], "hpmkd verify")
    assert caught.value.found == found
