"""Clusters that are named and not there."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hpmkd.cluster import join as module
from hpmkd.cluster.join import join
from hpmkd.errors import EnvironmentProblem


@pytest.fixture(autouse=True)
def nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No Ray on this machine, and none named; Ray itself is never asked."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.setattr(module.services, "find_gcs_addresses", set)
    monkeypatch.setattr(module.ray, "init", lambda **given: pytest.fail("Ray was asked"))
    monkeypatch.setattr(module, "_SECONDS", 0.5)


def fault(address: str) -> str:
    begun = time.monotonic()
    with pytest.raises(EnvironmentProblem) as caught:
        join(address, {})
    assert time.monotonic() - begun < 15
    assert f"no Ray cluster at {address}" in str(caught.value)
    return str(caught.value)


@contextlib.contextmanager
def listener(answer: bytes) -> Iterator[str]:
    """A program that says one thing to whoever comes."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):
                connection, _ = server.accept()
                with connection:
                    if answer:
                        connection.sendall(answer)
                    connection.settimeout(5)
                    while connection.recv(100):
                        pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
    thread.join(10)


def test_auto_where_there_is_none() -> None:
    assert "ray start --head" in fault("auto")


def test_auto_by_a_stale_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    text = fault("auto")
    assert "RAY_ADDRESS=127.0.0.1:1: " in text
    assert "correct RAY_ADDRESS or unset it" in text


def test_auto_by_a_variable_that_no_sweep_can_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "ray://127.0.0.1:10001")
    assert "not an address that a sweep can join" in fault("auto")


def test_auto_by_the_note_of_a_cluster_that_is_gone(tmp_path: Path) -> None:
    note = tmp_path / "ray" / "ray_current_cluster"
    note.parent.mkdir()
    note.write_text("127.0.0.1:1")
    text = fault("auto")
    assert f"{note} names 127.0.0.1:1: " in text
    assert "remove the file" in text


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-OpenSSH_9.2\r\n"])
def test_a_program_that_is_no_ray(answer: bytes) -> None:
    with listener(answer) as address:
        assert "no Ray listens there, or one that hangs" in fault(address)


def test_who_speaks_as_ray_does_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, object]] = []
    monkeypatch.setattr(module.ray, "init", lambda **given: asked.append(given))
    with listener(bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])) as address:
        join(address, {"log_to_driver": False})
    assert asked == [{"address": address, "log_to_driver": False}]


@pytest.mark.usefixtures("small_ray")
def test_a_real_gcs_speaks_so() -> None:
    """The one of the tests' own Ray: only reached, not joined."""
    import ray

    module._reach(ray.get_runtime_context().gcs_address)
