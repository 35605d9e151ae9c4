"""What else can lie under a model's name: found before it is used, and never run."""

from __future__ import annotations

import errno
import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from support.malicious import STATE, write_evil

from hpmkd.errors import DamagedModel, EnvironmentProblem
from hpmkd.store.result_file import check, commit, load_weights, read_whole, verify
from hpmkd.store.search_file import SearchResult
from hpmkd.store.sidecar import Header, file_hash, read_sidecar, sidecar_path, write_sidecar


@pytest.fixture
def path(tmp_path: Path) -> Path:
    target = tmp_path / "models" / "student_D_AT_run1.pt"
    commit(target, STATE, 69.5, 12.25, {"key": "student_D_AT_run1"})
    return target


@pytest.mark.parametrize("how", ["bare", "zip", "old torch format"])
@pytest.mark.parametrize("sidecar", ["old one", "none", "agrees"])
@pytest.mark.parametrize("read", [check, verify, read_whole, load_weights])
def test_an_evil_pickle_is_never_run(
    path: Path, tmp_path: Path, how: str, sidecar: str, read: Callable[[Path], Any]
) -> None:
    proof = tmp_path / "ran"
    write_evil(path, proof, how)
    if sidecar == "none":
        sidecar_path(path).unlink()
    elif sidecar == "agrees":
        meta = {"key": "student_D_AT_run1"}
        write_sidecar(path, Header(file_hash(path), path.stat().st_size, 99.0, 1.0, "2026-01-01", meta))
    if sidecar == "agrees" and read in (check, verify):
        read(path)  # bytes and sidecar agree; nothing is unpickled here
    else:
        with pytest.raises(DamagedModel):
            read(path)
    assert not proof.exists()
    with pytest.raises(DamagedModel):
        load_weights(path)
    with pytest.raises(DamagedModel):
        verify(path)  # once it was to be used, no sidecar vouches for it any more
    assert not proof.exists()
    if how == "bare":
        pickle.loads(path.read_bytes())
        assert proof.exists(), "the pickle of this test would do what it says"


def test_an_older_file_without_a_seal_is_a_model(path: Path) -> None:
    saved = torch.load(path)
    del saved["metadata"]["content_hash"]
    torch.save(saved, path)
    sidecar_path(path).unlink()
    assert verify(path).accuracy == 69.5
    assert "content_hash" not in verify(path).metadata


@pytest.mark.parametrize("field", ["accuracy", "train_time", "timestamp", "metadata", "model_state_dict"])
def test_an_edited_file_is_not_believed(path: Path, field: str) -> None:
    """Saved anew by torch itself, so that every CRC is right; only the content hash and the weights' hash know."""
    saved = torch.load(path)
    changes = {"accuracy": 99.0, "train_time": 0.5, "timestamp": "2020-01-01", "model_state_dict": {"w": torch.ones(6)}}
    saved[field] = changes.get(field, {**saved["metadata"], "key": "other"})
    torch.save(saved, path)
    sidecar_path(path).unlink()
    with pytest.raises(DamagedModel, match="other weights" if field == "model_state_dict" else "other metadata"):
        verify(path)


def test_metadata_that_hpmkd_never_writes(path: Path) -> None:
    saved = torch.load(path)
    saved["metadata"] = {"tensor": torch.ones(2)}
    torch.save(saved, path)
    sidecar_path(path).unlink()
    with pytest.raises(DamagedModel, match="never writes"):
        verify(path)


@pytest.mark.parametrize("same_size", [True, False])
def test_the_sidecar_of_another_file_condemns_no_good_one(path: Path, tmp_path: Path, same_size: bool) -> None:
    other = tmp_path / "other.pt"
    commit(other, {"w": torch.ones(6 if same_size else 600)}, 11.0, 1.0, {"key": "student_D_AT_run1"})
    shutil.copy(sidecar_path(other), sidecar_path(path))
    before = sidecar_path(path).read_bytes()
    assert check(path).accuracy == 69.5
    assert load_weights(path)[0].accuracy == 69.5
    assert sidecar_path(path).read_bytes() == before, "a look changes nothing"
    assert verify(path).accuracy == 69.5
    assert read_sidecar(path) == check(path)


def test_a_sidecar_of_wrong_types_is_none(path: Path) -> None:
    from hpmkd.store.sidecar import digest_of

    values = json.loads(sidecar_path(path).read_text())
    values.pop("digest")
    values["metadata"] = ["a list"]
    sidecar_path(path).write_text(json.dumps({**values, "digest": digest_of(values)}))
    assert read_sidecar(path) is None
    assert verify(path).accuracy == 69.5


def test_a_folder_under_the_sidecars_name(path: Path) -> None:
    sidecar_path(path).unlink()
    sidecar_path(path).mkdir()
    assert verify(path).accuracy == 69.5
    commit(path, {"w": torch.ones(2)}, 70.5, 1.0, {})
    assert load_weights(path)[0].accuracy == 70.5


@pytest.mark.parametrize("what", ["a folder", "a link that leads nowhere", "a link that leads to itself"])
@pytest.mark.parametrize("sidecar", [True, False])
@pytest.mark.parametrize("name", ["student_D_AT_run1.pt", "search_D.json"])
def test_no_file_at_all(path: Path, what: str, sidecar: bool, name: str) -> None:
    path.unlink()
    if not sidecar:
        sidecar_path(path).unlink()
    path = path.with_name(name)
    if what == "a folder":
        path.mkdir()
    else:
        path.symlink_to("nowhere" if what == "a link that leads nowhere" else path.name)
    for read in (check, verify, load_weights)[: 2 if name.startswith("search") else 3]:
        with pytest.raises(DamagedModel) as caught:
            read(path)
        assert caught.value.found == what


def test_a_link_to_a_model_is_the_model(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.pt"
    link.symlink_to(path)
    assert verify(link).accuracy == 69.5


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_a_file_that_must_not_be_read(path: Path) -> None:
    """In a process that, if it is root's, has given up root's right to read everything."""
    path.chmod(0)
    code = "import sys, pathlib; from hpmkd.store.result_file import check; check(pathlib.Path(sys.argv[1]))"
    command = [sys.executable, "-c", code, str(path)]
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("root reads everything, and there is no setpriv to give that up")
        rights = "-dac_override,-dac_read_search"
        command = ["setpriv", f"--bounding-set={rights}", f"--inh-caps={rights}", *command]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "DamagedModel" in done.stderr
    assert "no permission to read it" in done.stderr


@pytest.mark.parametrize("code", ["EIO", "ESTALE", "ENOTCONN"])
def test_a_disk_that_does_not_answer_is_no_damage(path: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    def why_invalid(*args: Any, **kwargs: Any) -> None:
        raise OSError(getattr(errno, code), "the disk says no")

    inner = Path.open
    for name in ("student_D_AT_run1.pt", "search_D.json"):
        target = path.with_name(name)
        monkeypatch.setattr(
            Path, "open", lambda self, *a, target=target, **k: why_invalid() if self == target else inner(self, *a, **k)
        )
        with pytest.raises(EnvironmentProblem, match=code) as caught:
            check(target)
        assert str(target) in str(caught.value)


def test_a_look_writes_nothing(path: Path) -> None:
    sidecar_path(path).unlink()
    check(path)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_a_good_file_that_has_no_place_for_a_sidecar(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read-only output, a full disk: the model is whole, and only that counts."""
    sidecar_path(path).unlink()

    def full(*args: Any) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "fsync", full)
    assert verify(path).accuracy == 69.5
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("change", ["flip", "cut", "empty", "zeros", "other json", "extra key", "a model"])
def test_damaged_choices(tmp_path: Path, path: Path, change: str) -> None:
    choice = tmp_path / "search_D.json"
    commit(choice, SearchResult({"kd.alpha": 0.5}, [{"rung": 1}]), 70.0, 1.0, {"key": "search_D"})
    good = choice.read_bytes()
    assert check(choice).metadata["chosen"] == {"kd.alpha": 0.5}
    data = {
        "flip": good.replace(b"0.5", b"0.7"),
        "cut": good[:-20],
        "empty": b"",
        "zeros": bytes(len(good)),
        "other json": b'{"accuracy": 1.0}',
        "extra key": json.dumps({**json.loads(good), "more": 1}).encode(),
        "a model": path.read_bytes(),
    }[change]
    choice.write_bytes(data)
    with pytest.raises(DamagedModel):
        check(choice)
    assert choice.read_bytes() == data
