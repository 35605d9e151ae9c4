"""The token that a Ray cluster may ask for. With a wrong one Ray tries on for 20 s, and says that it cannot connect."""

from __future__ import annotations

import os
from pathlib import Path

from hpmkd.errors import EnvironmentProblem

_ASK = "/ray.rpc.NodeInfoGcsService/GetClusterId"  # what Ray itself asks first, before anything else
_SECONDS = 5.0
_FILE = Path(".ray", "auth_token")  # in the home folder


def need_token(address: str) -> None:
    """Whether the head of a cluster lets this process in.

    Args:
        address: `HOST:PORT` of the head.

    Raises:
        EnvironmentProblem: it asks for a token, and the one that is here is not it, or there is none.
    """
    if os.environ.get("RAY_USE_TLS", "0") not in ("", "0"):
        return
    mode = os.environ.get("RAY_AUTH_MODE", "")
    token, place = _token() if mode.lower() == "token" else ("", "")
    if place and not token:
        raise _refused(address, f"none in {place}")
    if _lets_in(address, token):
        return
    if token:
        raise _refused(address, f"another one, from {place}")
    raise _refused(address, f"none is sent, because RAY_AUTH_MODE is {mode}" if mode else "RAY_AUTH_MODE is not set")


def _token() -> tuple[str, str]:
    """It, and from where, by Ray's rules."""
    if os.environ.get("RAY_AUTH_TOKEN"):
        return os.environ["RAY_AUTH_TOKEN"].strip(), "RAY_AUTH_TOKEN"
    named = os.environ.get("RAY_AUTH_TOKEN_PATH")
    path = Path(named) if named else Path.home() / _FILE
    try:
        return path.read_text().strip(), f"RAY_AUTH_TOKEN_PATH={path}" if named else str(path)
    except (OSError, ValueError):
        return "", f"RAY_AUTH_TOKEN_PATH={path}" if named else f"RAY_AUTH_TOKEN and {path}"


def _lets_in(address: str, token: str) -> bool:
    """False only where it says that it is the token."""
    import grpc

    with grpc.insecure_channel(address) as channel:
        try:
            channel.unary_unary(_ASK)(
                b"", timeout=_SECONDS, metadata=(("authorization", f"Bearer {token}"),) if token else None
            )
        except grpc.RpcError as error:
            return bool(error.code() != grpc.StatusCode.UNAUTHENTICATED)
    return True


def _refused(address: str, found: str) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"resources.address: the Ray cluster at {address} asks for a token",
        expected="RAY_AUTH_MODE=token, and the cluster's token in RAY_AUTH_TOKEN, in the file that RAY_AUTH_TOKEN_PATH "
        f"names, or in ~/{_FILE}",
        found=found,
        todo="ray get-auth-token on the machine where the cluster was started shows it",
    )
