"""Random data sets: each is read without a loss, or refused with words; never anything else."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.random_datasets import all_files, arrays, class_folders, lists, tables

from hpmkd.config.sweep import DataConfig
from hpmkd.data.catalog import find
from hpmkd.data.census import census_of, contact_sheet, remarks, summary
from hpmkd.data.identity import identity
from hpmkd.data.layouts.detect import take_inventory
from hpmkd.errors import EnvironmentProblem

MAKERS = {"class folders": class_folders, "tables": tables, "lists": lists, "arrays": arrays}
slow = pytest.mark.slow
QUICK = settings(max_examples=50, derandomize=True, suppress_health_check=list(HealthCheck))
LONG = settings(max_examples=2_000, suppress_health_check=list(HealthCheck))
CONFIGS = st.builds(
    DataConfig,
    image_size=st.sampled_from([None, None, 8, 16]),
    allow_empty_classes=st.booleans(),
    ignore_suffixes=st.sampled_from([[], [".mp4", ".heic", ".parquet", ""]]),
)


def look(source: Path, config: DataConfig) -> str:
    """Reads the data set; checks that nothing was lost. Returns how it ended."""
    try:
        inventory = take_inventory(source, config)
        content = identity(inventory, config)
        raw = find(f"x={source}").read(config)
        raw.check("x")
    except EnvironmentProblem as error:
        return "refused" if error.where and (error.found or error.todo) else f"without words: {error}"
    census = census_of(raw)
    assert census["parts"]["train"]["images"] == len(raw.train) == len(inventory.train.items)
    assert census["parts"]["test"]["images"] == len(raw.test) == len(inventory.test.items)
    assert sum(one["train"] + one["test"] for one in census["classes"]) == len(raw.train) + len(raw.test)
    aside = sum(about["count"] for about in census["ignored"].values())
    used = {file.path for _, part, _ in inventory.parts() for file in part.sources}
    if source.is_dir() and "a link that leads back to a folder above it" not in census["ignored"]:
        assert len(used) + aside == all_files(source), "files used and files named are all there are"
    if census["layout"] == "image folders":
        assert len(used) == len(raw.train) + len(raw.test)
    assert identity(take_inventory(source, config), config) == content
    assert summary("x", census)
    assert all(line.startswith("x: ") for line in remarks("x", census))
    assert contact_sheet(raw)[0]
    return "read"


def examine(maker: Any, data: st.DataObject, ends: dict[str, int]) -> None:
    with tempfile.TemporaryDirectory(prefix="hpmkd-fuzz-") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        root = Path(folder) / "own"
        root.mkdir()
        end = look(data.draw(maker(root)), data.draw(CONFIGS))
        ends[end] = ends.get(end, 0) + 1


@pytest.mark.parametrize("kind", MAKERS)
def test_random_data_sets(kind: str) -> None:
    ends: dict[str, int] = {}

    @QUICK
    @given(st.data())
    def each(data: st.DataObject) -> None:
        examine(MAKERS[kind], data, ends)

    each()
    assert set(ends) == {"read", "refused"}, "both ends are tried"


@slow
@pytest.mark.parametrize("kind", MAKERS)
def test_many_random_data_sets(kind: str) -> None:
    ends: dict[str, int] = {}

    @LONG
    @given(st.data())
    def each(data: st.DataObject) -> None:
        examine(MAKERS[kind], data, ends)

    each()
    assert set(ends) == {"read", "refused"}
    assert min(ends.values()) > 100, ends
