"""Joins a Ray cluster that runs already, or says within seconds what is in the way; Ray itself tries on for minutes."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import ray
from ray._private import services

from hpmkd.cluster.auth_token import need_token
from hpmkd.cluster.surroundings import default_folder
from hpmkd.errors import EnvironmentProblem

_SECONDS = 5.0
# An empty SETTINGS frame after the preface of HTTP/2, which gRPC speaks; the answer begins with a frame of that type.
_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
_SETTINGS = 4


def join(address: str, settings: dict[str, Any]) -> None:
    """`ray.init` at a cluster's address, or at the one that `auto` means.

    Args:
        address: `HOST:PORT`, or `auto`: what RAY_ADDRESS names, else a Ray that runs on this machine.
        settings: more arguments of `ray.init`.

    Raises:
        EnvironmentProblem: there is no cluster there, or it asks for another token.
    """
    named, todo = "", "start it with ray start --head, or use this machine alone: --address null"
    try:
        target = address
        if address == "auto":
            target, named, todo = _found(todo)
        _reach(target)
        need_token(target)
        ray.init(address=target, **settings)
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        raise no_cluster(address, f"{named}{error}", todo) from error


def no_cluster(address: str, found: str, todo: str) -> EnvironmentProblem:
    """There is no cluster at the address."""
    return EnvironmentProblem(
        f"resources.address: no Ray cluster at {address}",
        expected="auto (on a node of the cluster) or HOST:PORT of its head",
        found=found,
        todo=todo,
    )


def _found(todo: str) -> tuple[str, str, str]:
    """What `auto` means here, by the rules of Ray: the address, who names it, and what to do if nobody is there.

    Raises:
        ConnectionError: nothing names a cluster.
    """
    named = os.environ.get("RAY_ADDRESS", "")
    if named:
        return named, f"RAY_ADDRESS={named}: ", f"correct RAY_ADDRESS or unset it; {todo}"
    note = Path(default_folder(), "ray_current_cluster")
    try:
        noted = note.read_text().strip()
    except OSError:
        noted = ""
    target = services.canonicalize_bootstrap_address("auto")
    if target is None:
        raise ConnectionError("no Ray runs on this machine")
    if noted and target.rpartition(":")[2] == noted.rpartition(":")[2]:
        return target, f"{note} names {noted}: ", f"if that cluster is gone, remove the file (ray stop does); {todo}"
    return target, f"a Ray on this machine at {target}: ", todo


def _reach(address: str) -> None:
    """Fails within seconds where nobody listens, or where who listens is no Ray.

    Raises:
        OSError: nobody does. ValueError: it is no address that a sweep can join.
    """
    host, colon, port = address.rpartition(":")
    if "://" in address or not colon or not port.isdigit():
        raise ValueError(f"{address!r} is not an address that a sweep can join")
    with socket.create_connection((host.strip("[]"), int(port)), timeout=_SECONDS) as connection:
        if os.environ.get("RAY_USE_TLS", "0") not in ("", "0"):
            return
        connection.sendall(_HELLO)
        try:
            answer = connection.recv(9)
        except TimeoutError:
            answer = b""
        if answer[3:4] != bytes([_SETTINGS]):
            raise ConnectionError("a program that is no Ray listens there, or one that hangs")
