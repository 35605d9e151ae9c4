"""Where a request leads: what lies in the way is told before anything is trained."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.builders import make_config

from hpmkd.config.load import to_yaml
from hpmkd.config.request import Request
from hpmkd.errors import HpmkdError
from hpmkd.sweep.resolution import resolve


@pytest.mark.parametrize("inside", ["", "x", "x/y"])
@pytest.mark.parametrize("flag", ["output", "restore"])
def test_an_output_that_is_a_file(tmp_path: Path, inside: str, flag: str) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(HpmkdError, match=f"^--{flag}: ") as caught:
        resolve(Request("quick", **{flag: str(file / inside)}))
    assert f"{file} is a file" in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("name", ["models", "tune", "predictions", "progress", "quarantine", "archive", "tensorboard"])
def test_a_file_where_the_sweep_keeps_a_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("")
    with pytest.raises(HpmkdError, match=rf"^{tmp_path / name}: a file where the sweep keeps a folder") as caught:
        resolve(Request("quick", str(tmp_path)))
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    "name", ["sweep.yaml", "datasets.json", ".sweep.lock", "results.csv", "results.parquet", "measures.parquet"]
)
def test_a_folder_where_the_sweep_keeps_a_file(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(HpmkdError, match=rf"{name}: a folder where the sweep keeps a file") as caught:
        resolve(Request("quick", str(tmp_path)))
    assert "move or remove it" in str(caught.value)


def test_a_usual_output_is_no_matter(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "sweep.yaml").write_text(to_yaml(make_config()))
    assert resolve(Request(restore=str(tmp_path)))[1].root == tmp_path
