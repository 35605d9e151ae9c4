"""A folder behind a URI: what is written there is read back, and whatever goes wrong is one kind of error."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.s3 import S3Server, every

from hpmkd.config.mirror import below, checked_uri, last_name
from hpmkd.errors import EnvironmentProblem, MirrorProblem, NotInMirror, UsageError
from hpmkd.mirror.remote import Remote

LARGE = bytes(range(256)) * 4096 * 6  # 6 MiB: more than one part of an upload


@pytest.fixture(params=["folder", "file", "memory", "s3"])
def remote(request: pytest.FixtureRequest, tmp_path: Path) -> Remote:
    """By pyarrow, by fsspec, with names that are moved into place and without."""
    uris = {
        "folder": str(tmp_path / "there"),
        "file": (tmp_path / "it is there").as_uri(),
        "memory": f"memory://{tmp_path}",
    }
    if request.param == "s3":
        return Remote(checked_uri(request.getfixturevalue("s3").uri()))
    return Remote(checked_uri(uris[request.param]))


def test_round_trip(remote: Remote, tmp_path: Path) -> None:
    assert remote.names() == {}
    here = tmp_path / "here.bin"
    here.write_bytes(LARGE)
    digest = remote.put(here, "models/teacher D.pt")
    assert digest == hashlib.sha256(LARGE).hexdigest() == remote.hash("models/teacher D.pt")
    remote.put_bytes(b"", "empty")
    assert remote.names() == {"models/teacher D.pt": len(LARGE), "empty": 0}
    assert remote.names("models") == {"models/teacher D.pt": len(LARGE)}
    assert remote.names("nothing") == {}
    assert remote.get("models/teacher D.pt", tmp_path / "back" / "it.pt") == digest
    assert (tmp_path / "back" / "it.pt").read_bytes() == LARGE
    assert remote.read("empty") == b""


def test_written_again_and_removed(remote: Remote) -> None:
    remote.put_bytes(b"long before", "a/b")
    remote.put_bytes(b"now", "a/b")
    assert remote.read("a/b") == b"now"
    remote.remove("a/b")
    remote.remove("a/b")
    assert remote.names() == {}
    with pytest.raises(NotInMirror, match="cannot read a/b"):
        remote.read("a/b")


@pytest.mark.parametrize("fault", ["torn", "403"])
def test_what_arrives_otherwise_is_an_error(s3: S3Server, fault: str) -> None:
    remote = Remote(checked_uri(s3.uri()))
    s3.fault = every(1, fault, "PUT")
    with pytest.raises(MirrorProblem) as caught:
        remote.put_bytes(LARGE, "a")
    assert caught.value.found
    s3.fault = lambda method, path: None
    remote.put_bytes(LARGE, "a")
    assert s3.content("a") == LARGE


def test_a_failing_network_is_an_error(s3: S3Server) -> None:
    remote = Remote(checked_uri(s3.uri()))
    remote.put_bytes(b"x", "a")
    works = (lambda: remote.read("a"), remote.names, lambda: remote.put_bytes(b"y", "b"))
    for fault, number in (("500", 3), ("stall", 1)):
        s3.fault = every(1, fault)
        for work in works[:number]:
            with pytest.raises(MirrorProblem):
                work()
        s3.fault = lambda method, path: None
    assert remote.read("a") == b"x"


def test_no_bucket(s3: S3Server) -> None:
    with pytest.raises(MirrorProblem):
        Remote(checked_uri(s3.uri().replace("sweeps", "no-such-bucket"))).put_bytes(b"x", "a")


def test_a_file_in_the_way(tmp_path: Path) -> None:
    """Said at once, not tried again and again; one that comes later is a failure like any other."""
    remote = Remote(str(tmp_path / "there"))
    (tmp_path / "there").write_text("a file")
    with pytest.raises(MirrorProblem):
        remote.put_bytes(b"x", "a/b")
    for name in ("there", "there/below"):
        with pytest.raises(UsageError, match="is a file"):
            Remote(str(tmp_path / name))


def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remote = Remote(str(tmp_path / "there"))
    remote.put_bytes(b"old", "a")
    monkeypatch.setattr(Remote, "_need_same", lambda *given: (_ for _ in ()).throw(MirrorProblem("torn")))
    with pytest.raises(MirrorProblem):
        remote.put_bytes(b"new", "a")
    assert remote.read("a") == b"old"
    assert [path.name for path in (tmp_path / "there").iterdir()] == ["a"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("s3://key:secret@bucket/x", "contains a key or password"),
        ("sftp://me:secret@host/x", "contains a key or password"),
        ("s3://AKIAKEY@bucket/x", "contains a key or password"),
        ("nonsense://bucket/x", "nonsense:// is not known"),
        ("s3:/bucket/x", "neither a path nor a URI"),
        ("sftp:host/x", "neither a path nor a URI"),
        ("s3://", "names no bucket"),
        ("gs:///x", "names no bucket"),
        ("~nobody-of-this-name/x", "no such user"),
        ("  ", "empty"),
    ],
)
def test_refused(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        checked_uri(text)
    assert "secret" not in str(caught.value)


def test_a_missing_package_is_named() -> None:
    with pytest.raises(EnvironmentProblem, match="pip install"):
        Remote(checked_uri("webdav://host/x"))


def test_uris() -> None:
    assert checked_uri("s3://bucket/run7/?region=x") == "s3://bucket/run7?region=x"
    assert below("s3://bucket/run7?region=x", "mode") == "s3://bucket/run7/mode?region=x"
    assert last_name("s3://bucket/a/run7?region=x") == "run7"
    assert below("/mnt/copy", "mode") == "/mnt/copy/mode"
    assert checked_uri("sftp://me@host/x") == "sftp://me@host/x"


@given(st.binary(max_size=3_000_000), st.sampled_from(["a", "b/c", "b/d e", "ü/ß.pt"]))
def test_any_bytes(tmp_path_factory: pytest.TempPathFactory, data: bytes, name: str) -> None:
    remote = Remote(str(tmp_path_factory.mktemp("there")))
    assert remote.put_bytes(data, name) == hashlib.sha256(data).hexdigest()
    assert remote.read(name) == data
    assert list(remote.names()) == [name]
