"""A cluster that asks for a token: a server that answers as Ray's head does."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest

from hpmkd.cluster.auth_token import need_token
from hpmkd.errors import EnvironmentProblem

RIGHT, WRONG = "a" * 32, "b" * 32


class Head(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Lets in whoever has the token; `None`: everybody."""

    def __init__(self) -> None:
        self.token: str | None = RIGHT
        self.server = grpc.server(ThreadPoolExecutor(2), handlers=(self,))
        self.address = f"127.0.0.1:{self.server.add_insecure_port('127.0.0.1:0')}"
        self.server.start()

    def service(self, details: Any) -> Any:
        sent = dict(details.invocation_metadata).get("authorization")

        def answer(request: bytes, context: Any) -> bytes:
            if self.token is not None and sent != f"Bearer {self.token}":
                context.abort(grpc.StatusCode.UNAUTHENTICATED, "InvalidAuthToken")
            return b""

        return grpc.unary_unary_rpc_method_handler(answer)


@pytest.fixture
def head(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Head]:
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_USE_TLS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    made = Head()
    yield made
    made.server.stop(None)


@pytest.mark.parametrize(
    ("given", "file", "found"),
    [
        ({}, "", "RAY_AUTH_MODE is not set"),
        ({"RAY_AUTH_TOKEN": RIGHT}, "", "RAY_AUTH_MODE is not set"),
        ({"RAY_AUTH_MODE": "disabled", "RAY_AUTH_TOKEN": RIGHT}, "", "none is sent, because RAY_AUTH_MODE is disabled"),
        ({"RAY_AUTH_MODE": "token"}, "", r"none in RAY_AUTH_TOKEN and .*/\.ray/auth_token"),
        ({"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": WRONG}, RIGHT, "another one, from RAY_AUTH_TOKEN"),
        ({"RAY_AUTH_MODE": "token"}, WRONG, r"another one, from .*/\.ray/auth_token"),
        ({"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": "/nowhere"}, RIGHT, "none in RAY_AUTH_TOKEN_PATH=/nowhere"),
    ],
)
def test_no_token_or_another(
    given: dict[str, str], file: str, found: str, head: Head, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    keep(given, file, monkeypatch, tmp_path)
    with pytest.raises(
        EnvironmentProblem, match=rf"(?s)asks for a token.*found: {found}.*ray get-auth-token"
    ) as caught:
        need_token(head.address)
    assert not {RIGHT, WRONG} & set(str(caught.value).split())


@pytest.mark.parametrize(
    ("given", "file"),
    [
        ({"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": RIGHT}, ""),
        ({"RAY_AUTH_MODE": "TOKEN"}, f"{RIGHT}\n"),
        ({"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": "token"}, RIGHT),
        ({"RAY_USE_TLS": "1"}, ""),
    ],
)
def test_the_right_one(
    given: dict[str, str], file: str, head: Head, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    keep(given, file, monkeypatch, tmp_path)
    need_token(head.address)


def test_a_cluster_that_asks_for_none(head: Head, monkeypatch: pytest.MonkeyPatch) -> None:
    head.token = None
    need_token(head.address)
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", WRONG)
    need_token(head.address)


def test_nobody_listens(head: Head) -> None:
    """Whoever joins says it."""
    head.server.stop(None).wait()
    need_token(head.address)


def keep(given: dict[str, str], file: str, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.chdir(home)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    (home / ".ray").mkdir()
    for path in (home / ".ray" / "auth_token", home / "token") if file else ():
        path.write_text(file)
