"""Decoded once, checked at every use, shared by all."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from support.builders import make_config

from hpmkd.config import specs, sweep
from hpmkd.data import cache, digits
from hpmkd.data.images import RawData
from hpmkd.errors import EnvironmentProblem, UsageError


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """One entry per decoding; `load` forgets what it kept."""
    seen: list[str] = []
    real = digits.read

    def count(config, dataset) -> RawData:
        seen.append(dataset.name)
        return real(config, dataset)

    monkeypatch.setattr(digits, "read", count)
    cache.load.cache_clear()
    return seen


def test_decoded_once_and_again_only_if_damaged(tmp_path: Path, reads: list[str]) -> None:
    config = make_config(tmp_path)
    (spec,) = cache.describe(config)
    assert reads == [], "a known data set is described without reading it"
    first = cache.prepare(spec, config.data)
    assert cache.prepare(spec, config.data) == first
    before = cache.load(spec, config.data.model_dump_json())
    assert reads == ["Digits"]
    (path,) = tmp_path.glob("*.pt")
    for damage in ("flip", "cut", "sidecar"):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        if damage == "sidecar":
            path.with_suffix(".json").write_text("{")
        else:
            path.write_bytes(data if damage == "flip" else data[:100])
        assert cache.prepare(spec, config.data) == first
    assert reads == ["Digits"] * 4
    cache.load.cache_clear()
    after = cache.load(spec, config.data.model_dump_json())
    assert torch.equal(before.train.pixels, after.train.pixels)
    assert not list(tmp_path.glob(".tmp-*"))


def test_says_that_it_reads_images_and_not_that_it_has_them(
    tmp_path: Path, reads: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "hpmkd")
    config = make_config(tmp_path)
    (spec,) = cache.describe(config)
    for _ in range(2):
        cache.prepare(spec, config.data)
    assert caplog.messages == ["decoding the images of Digits; later sweeps reuse them"]


def test_a_cache_that_cannot_be_used(tmp_path: Path, reads: list[str]) -> None:
    (tmp_path / "file").write_text("")
    config = make_config(tmp_path / "file")
    (spec,) = cache.describe(config)
    with pytest.raises(EnvironmentProblem, match=r"--data\.cache_dir"):
        cache.prepare(spec, config.data)


def test_default_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert sweep.cache_folder(make_config().data) == tmp_path / "hpmkd"


def test_more_images_than_there_are(tmp_path: Path) -> None:
    config = make_config(tmp_path, data__train_images=1299)
    (spec,) = cache.describe(config)
    with pytest.raises(UsageError, match=r"(?s)at most 1298.*--train-images null"):
        cache.prepare(spec, config.data)


def test_specs_survive_json(tmp_path: Path) -> None:
    (spec,) = cache.describe(make_config(tmp_path))
    assert specs.spec_from_json(specs.spec_to_json(spec)) == spec


def test_a_cache_on_a_file_system_without_locks(
    tmp_path: Path, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(*given: Any) -> None:
        raise OSError(errno.ENOTSUP, "no locks here")

    monkeypatch.setattr(fcntl, "flock", flock)
    config = make_config(tmp_path)
    (spec,) = cache.describe(config)
    for _ in range(2):
        cache.prepare(spec, config.data)
    assert reads == ["Digits"]
    assert not list(tmp_path.glob("*.soft"))


def test_the_images_are_hashed_once_per_process_and_again_when_they_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker trains model after model on them; the hash of a large data set costs more than a small model's epoch."""
    config = make_config(tmp_path)
    (spec,) = cache.describe(config)
    digest = cache.prepare(spec, config.data)
    (path,) = tmp_path.glob("*.pt")
    hashed: list[str] = []
    whole = hashlib.file_digest
    monkeypatch.setattr(hashlib, "file_digest", lambda file, kind: (hashed.append(file.name), whole(file, kind))[1])
    assert {cache.prepare(spec, config.data) for _ in range(5)} == {digest}
    assert len(hashed) <= 1, "at most once after it was decoded"
    hashed.clear()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert cache.prepare(spec, config.data) == digest, "found, and decoded again"
    assert hashed


def test_a_fault_of_the_data_is_none_of_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a reader raises; of a known data set too."""
    (spec,) = cache.describe(make_config(tmp_path))
    for fault, word in (
        (OSError(5, "Input/output error"), "Input/output"),
        (RecursionError("deep"), "RecursionError: deep"),
    ):

        def fail(config: Any, dataset: Any, fault: Exception = fault) -> RawData:
            raise fault

        monkeypatch.setattr(digits, "read", fail)
        with pytest.raises(EnvironmentProblem, match="Digits: cannot be read") as caught:
            cache.prepare(spec, make_config(tmp_path).data)
        assert word in str(caught.value)
        assert "cache_dir" not in str(caught.value)


def test_caches_under_the_identities_of_earlier_versions_are_not_used(tmp_path: Path) -> None:
    from support.datasets import image_folder

    config = make_config(tmp_path / "cache", datasets=[f"x={image_folder(tmp_path / 'own')}"])
    (spec,) = cache.describe(config)
    (path,) = (tmp_path / "cache").glob("x-*.pt")
    assert path.name == f"x-{spec.content[:16]}-v3.pt"
    meta = path.with_suffix(".json")
    meta.write_text(meta.read_text().replace('"format": 3', '"format": 2'))
    before = path.stat().st_mtime_ns
    cache.describe(config)
    assert path.stat().st_mtime_ns != before, "decoded again"


def test_no_fault_in_reading_is_a_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from support.datasets import image_folder

    from hpmkd.data.layouts import detect

    def fail(source: Path, config: Any) -> None:
        raise MemoryError

    config = make_config(tmp_path / "cache", datasets=[f"x={image_folder(tmp_path / 'own')}"])
    monkeypatch.setattr(detect, "inventory_in", fail)
    with pytest.raises(EnvironmentProblem, match="own: cannot be read") as caught:
        cache.describe(config)
    assert "MemoryError" in str(caught.value)


def test_a_size_does_not_apply_to_known_data_sets_and_that_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (spec,) = cache.describe(make_config(tmp_path, data__image_size=64))
    assert spec.image_size == 28
    assert caplog.messages == ["data.image_size: not for Digits, whose images have 28 pixels"]


def test_fewer_of_the_users_images_than_there_are_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    from support.datasets import image_folder

    own, caches = f"x={image_folder(tmp_path / 'own')}", tmp_path / "cache"
    (spec,) = cache.describe(make_config(caches, datasets=[own], data__train_images=None))
    there = spec.images - spec.validation_count(spec.images)
    caplog.set_level("INFO", "hpmkd")
    kept = spec.images - there
    limited = f"x: 2 of {there} training images are used (data.train_images; {kept} kept for validation)"
    for count, said in ((2, [limited]), (there, []), (500, [])):
        caplog.clear()
        cache.describe(make_config(caches, datasets=[own], data__train_images=count))
        lines = [line for line in caplog.messages if "training images are used" in line]
        assert [line.rpartition(";")[0] for line in lines] == said


def test_what_is_remembered_of_a_data_set_that_is_gone(tmp_path: Path) -> None:
    from PIL import Image
    from support.datasets import image_folder

    config = make_config(tmp_path / "cache", datasets=[f"x={image_folder(tmp_path / 'own')}"])
    (spec,) = cache.describe(config)
    shutil.rmtree(tmp_path / "own")
    found = cache.remembered(spec, config.data)
    assert found is not None
    meta, picture = found
    assert [one["name"] for one in meta["census"]["classes"]] == ["cat", "dog", "eel"]
    assert Image.open(picture).size == (16, 16)
    picture.with_suffix(".json").write_text("[")
    assert cache.remembered(spec, config.data) is None
