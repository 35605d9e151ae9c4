"""What a machine must give a private Ray: a folder for its sockets, a place for its token, an address of its own.

Looked at before Ray is started, which says little and waits for minutes where one of them is missing.
"""

from __future__ import annotations

import contextlib
import functools
import os
import secrets
import shutil
import socket
import sys
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import psutil

from hpmkd.data.source.listing import named, shown
from hpmkd.errors import EnvironmentProblem
from hpmkd.files import is_utf8, system_words
from hpmkd.log import progress
from hpmkd.store.scratch import scratch_places

# What Ray appends, as long as it can become: the session's name has a time and a process id.
_SOCKET = "session_2000-01-01_00-00-00_000000_4194304/sockets/plasma_store.1"
_SOCKET_BYTES = 103 if sys.platform == "darwin" else 107
_LOOPBACK_SECONDS = 5.0
SHARED_MEMORY = Path("/dev/shm")
_TOKENS = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")


@contextlib.contextmanager
def place_for_ray(prefix: str) -> Iterator[dict[str, Any]]:
    """Ray is started and ended inside: arguments of `ray.init` that the surroundings ask for, mostly none.

    Args:
        prefix: of the name of a folder that is made where Ray's own place does not do; it is removed at the end.

    Raises:
        EnvironmentProblem: there is no folder for sockets, or no loopback address.
    """
    if os.name != "posix":
        yield {}
        return
    _check_loopback()
    settings: dict[str, Any] = {}
    folder, token = _folder(prefix), _token()
    if folder is not None:
        settings["_temp_dir"] = str(folder)
    if sys.platform.startswith("linux") and not os.access(SHARED_MEMORY, os.W_OK | os.X_OK):
        settings["_plasma_directory"] = str(folder or default_folder().parent)
        progress.info(f"{SHARED_MEMORY} cannot be written: Ray's objects are in {settings['_plasma_directory']}")
    os.environ.update(token)
    try:
        yield settings
    finally:
        for name in token:
            os.environ.pop(name, None)
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def need_temp() -> None:
    """Gives this process and its children a temp folder whose path is UTF-8, where theirs is not: Ray knows no other.

    Raises:
        EnvironmentProblem: there is none.
    """
    usual = tempfile.gettempdir()
    if is_utf8(usual):
        return
    for base in scratch_places():
        if is_utf8(base) and os.access(base, os.W_OK | os.X_OK):
            os.environ["TMPDIR"], tempfile.tempdir = str(base), None
            progress.info(f"temporary files are in {base}, because the path {shown(usual)} is not UTF-8")
            return
    raise EnvironmentProblem(
        "no temp folder for Ray", expected="a writable one whose path is UTF-8", found=shown(usual), todo="set TMPDIR"
    )


def need_words() -> None:
    """Ray notes the command line of the process that starts it.

    Raises:
        EnvironmentProblem: it has bytes that are not UTF-8.
    """
    with contextlib.suppress(psutil.Error, OSError):
        wrong = [word for word in psutil.Process().cmdline() if not is_utf8(word)]
        if wrong:
            raise EnvironmentProblem(
                "Ray: words of this command are not UTF-8",
                expected="UTF-8 throughout, because Ray notes the command that has started it",
                found=named(wrong),
                todo="rename these files or folders, or go there (cd) and name them from there, such as my-images=.",
            )


def _folder(prefix: str) -> Path | None:
    """A new folder where Ray's own does not do; None where it does."""
    usual = default_folder()
    why = _unfit(usual)
    if not why:
        return None
    found = [f"{usual}: {why}"]
    for base in scratch_places():
        why = _unfit(base, f"{prefix}ray-xxxxxxxx")
        if not why:
            with contextlib.suppress(OSError):
                made = Path(tempfile.mkdtemp(prefix=f"{prefix}ray-", dir=base))
                progress.info(f"Ray's files are in {made}, because {found[0]}")
                return made
        found.append(f"{base}: {why or 'no folder can be made there'}")
    raise EnvironmentProblem(
        "Ray: no folder for its sockets and logs",
        expected=f"a writable folder whose path is short (at most {_room()} bytes) and ASCII",
        found="; ".join(dict.fromkeys(found)),
        todo="set RAY_TMPDIR to such a folder",
    )


def default_folder() -> Path:
    """Where Ray keeps its files if it is told nothing."""
    return Path(os.environ.get("RAY_TMPDIR", os.environ.get("TMPDIR", "/tmp")), "ray")


def _room() -> int:
    return _SOCKET_BYTES - len(_SOCKET) - len("/")


def _unfit(folder: Path, inside: str = "") -> str:
    """Why Ray cannot work in a folder (in one named `inside` of it), which need not be there yet; empty: it can."""
    path = folder / inside
    if not path.is_absolute():
        return "the path is not absolute"
    if not str(path).isascii():
        return "the path is not ASCII"
    if len(os.fsencode(path)) > _room():
        return f"the path is too long for sockets, which leave it {_room()} bytes"
    while not os.path.lexists(folder) and folder != folder.parent:
        folder = folder.parent
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(4096))
            file.flush()
    except OSError as error:
        return f"{folder} cannot be written ({system_words(error)})"
    return ""


def _token() -> dict[str, str]:
    """A token of this process where Ray would keep one in a home that is not there or cannot be written."""
    # A Ray that was started in this process, or above it, leaves the mode in the environment, but no token.
    if any(name in os.environ for name in _TOKENS) or os.environ.get("RAY_AUTH_MODE", "token").lower() != "token":
        return {}
    try:
        folder = Path.home() / ".ray"
    except RuntimeError:
        return {"RAY_AUTH_TOKEN": _own_token()}
    if os.access(folder / "auth_token", os.R_OK):
        return {}
    while not os.path.lexists(folder) and folder != folder.parent:
        folder = folder.parent
    return {} if os.access(folder, os.W_OK | os.X_OK) else {"RAY_AUTH_TOKEN": _own_token()}


@functools.cache
def _own_token() -> str:
    """One per process: Ray reads it once, and a process may start several Rays."""
    return secrets.token_hex(32)


def _check_loopback() -> None:
    """Ray's processes talk to one another by TCP on this machine; without an address for it they wait for minutes."""
    faults = []
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        try:
            with (
                socket.create_server((host, 0), family=family) as server,
                socket.create_connection(server.getsockname()[:2], timeout=_LOOPBACK_SECONDS),
            ):
                return
        except OSError as error:
            faults.append(f"{host}: {error}")
    raise EnvironmentProblem(
        "Ray: this machine cannot connect to itself",
        expected="a loopback address (127.0.0.1) that answers; Ray's processes talk over it",
        found="; ".join(faults),
        todo="bring the loopback interface up (ip link set lo up), or let the sandbox or firewall allow it",
    )


def advice(error: BaseException, variables: Collection[str] = ()) -> str:
    """What to do about a start of Ray that has failed. `variables`: by which the user has set Ray, by name."""
    text = str(error)
    if "No space left" in text:
        return f"free space in {default_folder().parent} or {SHARED_MEMORY}, or set RAY_TMPDIR to another folder"
    if "Permission denied" in text or "Read-only" in text or "Operation not permitted" in text:
        return "make that path writable, or set RAY_TMPDIR (Ray's files) or HOME (its token) to a writable folder"
    if "AF_UNIX" in text or "File name too long" in text:
        return "set RAY_TMPDIR to a folder with a short path, such as /tmp"
    if "failed to map segment" in text:
        return "raise the limit on the address space (ulimit -v unlimited)"
    if "memory" in text.lower() or "Resource temporarily unavailable" in text:
        return "free memory, or raise the limits of the container or job (ulimit -u and -v show those of processes)"
    first = f"correct or unset {', '.join(variables)}, which set Ray here; else " if variables else ""
    return (
        f"{first}see how busy the machine is, and whether a firewall or proxy keeps it from connecting to itself; "
        f"-v shows Ray's own output, {default_folder() / 'session_latest' / 'logs'} has its logs"
    )
