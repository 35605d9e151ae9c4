"""What is looked at before Ray is started, on a machine that lacks it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.homes import set_home
from support.sweeps import ROOT

from hpmkd.cluster import surroundings
from hpmkd.cluster.surroundings import advice, place_for_ray
from hpmkd.errors import EnvironmentProblem
from hpmkd.store import output_dir, scratch

PREFIX = "hpmkd-0123456789ab-"


@pytest.fixture(autouse=True)
def usual(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing in the environment, and a home that can be written."""
    for name in ("RAY_TMPDIR", "TMPDIR", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_AUTH_MODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def is_root() -> bool:
    return os.geteuid() == 0


def test_a_usual_machine_changes_nothing() -> None:
    before = dict(os.environ)
    with place_for_ray(PREFIX) as settings:
        assert settings == {}
        assert dict(os.environ) == before


@pytest.mark.parametrize("variable", ["TMPDIR", "RAY_TMPDIR"])
@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("x" * 90, "too long for sockets"),
        ("tränen", "not ASCII"),
        ("", "not absolute"),
        ("a-file/inside", "cannot be written (ENOTDIR"),
    ],
)
def test_a_temp_folder_that_does_not_do_is_replaced_and_that_is_said(
    variable: str,
    name: str,
    why: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "a-file").write_text("")
    if name and "/" not in name:
        (tmp_path / name).mkdir()
    monkeypatch.setattr(surroundings, "_room", lambda: 41 if "x" in name else 200)
    monkeypatch.setenv(variable, str(tmp_path / name) if name else "")
    with caplog.at_level("INFO", "hpmkd.progress"), place_for_ray(PREFIX) as settings:
        folder = Path(settings["_temp_dir"])
        assert folder.name.startswith(PREFIX)
        assert folder.stat().st_mode & 0o777 == 0o700
        assert str(folder).isascii()
        (folder / "session").mkdir()
    assert not folder.exists(), "it is cleaned"
    assert [record.message for record in caplog.records if why in record.message]


def test_the_room_for_a_path_is_that_of_sockets() -> None:
    """Of the longest name that Ray can make, the kernel's own rule: 107 bytes."""
    folder = Path("/tmp", "x" * 400)
    longest = str(folder)[: surroundings._room()]
    path = f"{longest}/{surroundings._SOCKET}"
    assert len(path) == (103 if sys.platform == "darwin" else 107)


def test_somebody_elses_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`/tmp/ray` is there and cannot be written: for root, who may write anywhere, by a disk that is read-only."""
    (tmp_path / "ray").mkdir()
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.setattr(surroundings, "_room", lambda: 200)

    def refuse(dir: Path) -> None:
        if dir == tmp_path / "ray":
            raise PermissionError(13, "Permission denied")
        return real(dir=dir)  # type: ignore[return-value]

    real = surroundings.tempfile.TemporaryFile
    monkeypatch.setattr(surroundings.tempfile, "TemporaryFile", refuse)
    with place_for_ray(PREFIX) as settings:
        assert not settings["_temp_dir"].startswith(str(tmp_path / "ray"))


def test_no_folder_at_all_says_what_was_tried(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TMPDIR", "/proc/none")
    monkeypatch.setattr(surroundings, "scratch_places", lambda: [Path("/proc/1/x"), tmp_path / ("y" * 120)])
    with pytest.raises(EnvironmentProblem) as caught, place_for_ray(PREFIX):
        pytest.fail("there is none")
    assert "/proc/none/ray: " in str(caught.value)
    assert "/proc/1/x: " in str(caught.value)
    assert "y: the path is too long" in str(caught.value)
    assert "set RAY_TMPDIR" in str(caught.value)


def test_folders_of_killed_sweeps_are_found(tmp_path: Path) -> None:
    output = output_dir.OutputDir(tmp_path / "out")
    for place in scratch.scratch_places():
        if os.access(place, os.W_OK):
            (place / f"{output.scratch_prefix}ray-x").mkdir()
    assert output.remove_scratch() >= 1
    assert not [one for place in scratch.scratch_places() for one in place.glob(f"{output.scratch_prefix}*")]


@pytest.mark.parametrize("home", ["/dev/null", None])
def test_without_a_writable_home_the_token_is_this_process_own(
    home: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_home(monkeypatch, home)
    with place_for_ray(PREFIX):
        first = os.environ["RAY_AUTH_TOKEN"]
        assert len(first) == 64
    assert "RAY_AUTH_TOKEN" not in os.environ
    with place_for_ray(PREFIX):
        assert os.environ["RAY_AUTH_TOKEN"] == first, "Ray reads it once per process"


@pytest.mark.parametrize("name", ["RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_AUTH_MODE"])
def test_what_the_user_has_set_stays(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/dev/null")
    monkeypatch.setenv(name, "mine")
    with place_for_ray(PREFIX):
        assert os.environ[name] == "mine"
        assert [one for one in surroundings._TOKENS if one in os.environ] == [name] * (name != "RAY_AUTH_MODE")
    assert os.environ[name] == "mine"


def test_a_mode_that_a_ray_above_has_left_is_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """`ray.init` puts it into the environment, for all that this process starts."""
    monkeypatch.setenv("HOME", "/dev/null")
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    with place_for_ray(PREFIX):
        assert os.environ["RAY_AUTH_TOKEN"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux alone has /dev/shm")
def test_without_shared_memory_objects_lie_on_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(surroundings, "SHARED_MEMORY", tmp_path / "none")
    monkeypatch.setenv("RAY_TMPDIR", "/tmp")
    with place_for_ray(PREFIX) as settings:
        assert settings == {"_plasma_directory": "/tmp"}


def test_no_loopback_is_said_within_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*given: object, **more: object) -> None:
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(socket, "create_connection", unreachable)
    with (
        pytest.raises(EnvironmentProblem, match=r"127\.0\.0\.1: .*Network is unreachable") as caught,
        place_for_ray(""),
    ):
        pytest.fail("there is none")
    assert "loopback" in (caught.value.todo or "")


NO_NETWORK = """
import pathlib, sys
from hpmkd.cluster.surroundings import place_for_ray
from hpmkd.errors import EnvironmentProblem
try:
    with place_for_ray("x"):
        print("it would start")
except EnvironmentProblem as error:
    print(error)
"""


def test_no_loopback_for_real() -> None:
    """In a network namespace of its own, where nothing is up."""
    words = ["unshare", "-n"] if is_root() else ["unshare", "-rn"]
    if shutil.which("unshare") is None or subprocess.run([*words, "true"], capture_output=True).returncode:
        pytest.skip("no network namespaces here")
    begun = time.monotonic()
    done = subprocess.run(
        [*words, sys.executable, "-c", NO_NETWORK], capture_output=True, text=True, timeout=100,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert "cannot connect to itself" in done.stdout, done.stderr
    assert time.monotonic() - begun < 30


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(28, "No space left on device"), "free space in /tmp or /dev/shm"),
        (PermissionError(13, "Permission denied: '/x/.ray'"), "HOME (its token)"),
        (OSError("validate_socket_filename failed: AF_UNIX path length cannot exceed 107 bytes"), "short path"),
        (MemoryError("out of memory"), "free memory"),
        (BlockingIOError(11, "Resource temporarily unavailable"), "ulimit -u"),
        (RuntimeError("The current node timed out during startup"), "firewall"),
    ],
)
def test_advice_fits_the_cause(error: BaseException, words: str) -> None:
    assert words in advice(error)
