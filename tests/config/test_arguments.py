"""Every function of the public face names the argument that is of another kind, before it does anything."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from torch import nn

import hpmkd
from hpmkd.errors import UsageError

NET = nn.Linear(2, 2)
LOOP: dict[str, Any] = {}
LOOP["fit"] = LOOP
path, save, load = hpmkd.get_model_checkpoint_path, hpmkd.save_model_checkpoint, hpmkd.load_model_checkpoint
CALLS: list[tuple[str, Callable[..., Any], tuple[Any, ...], dict[str, Any]]] = [
    *(("settings", hpmkd.run_sweep, (), {"settings": value}) for value in ([1], "runs=3", LOOP, 3)),
    *(("output", hpmkd.run_sweep, (), {"output": value}) for value in (3, ["a"], b"x", "", "a\0b")),
    *(("mode", hpmkd.run_sweep, (value,), {}) for value in (None, 3, ["quick"], b"quick", "")),
    *((name, hpmkd.run_sweep, (), {name: "no"}) for name in ("force", "quiet", "fail_fast")),
    *(("output_dir", hpmkd.load_results, (value,), {}) for value in (None, 3, [], b"x", "", "a\0b", object())),
    *(("output_dir", path, (value, "D", "teacher"), {}) for value in (None, 3, "")),
    *(("dataset", path, ("o", value, "teacher"), {}) for value in (None, 3, "")),
    ("baseline", path, ("o", "D", "student", 3, 1), {}),
    *(("run", path, ("o", "D", "student", "AT", value), {}) for value in ("1", 1.5, True)),
    *(("path", hpmkd.model_checkpoint_exists, (value,), {}) for value in (None, 3, [])),
    *(("model", save, (value, "x.pt", 1.0, 1.0), {}) for value in (None, "net", nn.Linear)),
    *(("path", save, (NET, value, 1.0, 1.0), {}) for value in (None, 3, "")),
    *(("accuracy", save, (NET, "x.pt", value, 1.0), {}) for value in (None, "90", [1])),
    *(("train_time", save, (NET, "x.pt", 1.0, value), {}) for value in (None, "90")),
    *(("metadata", save, (NET, "x.pt", 1.0, 1.0, value), {}) for value in ([1], "a", LOOP)),
    *(("model", load, (value, "x.pt"), {}) for value in (None, "net")),
    *(("path", load, (NET, value), {}) for value in (None, 3, "")),
]


@pytest.mark.parametrize(("name", "function", "given", "named"), CALLS)
def test_an_argument_of_another_kind_is_named(
    name: str,
    function: Callable[..., Any],
    given: tuple[Any, ...],
    named: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as caught:
        function(*given, **named)
    assert caught.value.where.removeprefix("argument ").startswith(f"{name}:")
    assert caught.value.found
    assert caught.value.todo
    assert list(tmp_path.iterdir()) == []


def test_every_function_of_the_public_face_is_tried() -> None:
    tried = {function.__name__ for _, function, _, _ in CALLS}
    assert tried == {name for name in hpmkd.__all__ if callable(getattr(hpmkd, name))}


def test_a_set_of_mixed_types_is_told_by_the_entry_that_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"^settings, baselines: bad value for `baselines`") as caught:
        hpmkd.run_sweep(settings={"baselines": {"AT", 1, None}})
    assert caught.value.found == "None"
