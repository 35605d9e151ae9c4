"""Signs Tune's state files, so that only files that this user's sweep wrote are read again.

Tune writes them in place, so a kill can tear them, and it reads them by pickle, which runs what stands in them.
So a state is used only under a signature: hashes of its files, signed with a key that lies outside the output.
"""

from __future__ import annotations

import fnmatch
import hmac
import json
import os
import secrets
from pathlib import Path
from typing import Any

from ray.tune import Callback

from hpmkd.errors import EnvironmentProblem
from hpmkd.files import commit_bytes, commit_json, parse_json, sha256_of
from hpmkd.store.sidecar import file_hash

SIGNATURE = "hpmkd-signature.json"
# Each kind must be there, but for the last: Tune's generator of grids writes one only for some searchers.
_KINDS = ("tuner.pkl", "experiment_state-*.json", "searcher-state-*.pkl", "search_gen_state-*.json")


def signing_key(folder: Path) -> bytes:
    """This user's key on this machine, made if missing; empty where none can be kept (then nothing is restored)."""
    path = folder / "key"
    try:
        if not path.exists():
            commit_bytes(path, secrets.token_bytes(32))
            path.chmod(0o600)
        return path.read_bytes()
    except (OSError, EnvironmentProblem):
        return b""


def _states(folder: Path) -> list[Path]:
    names = os.listdir(folder)
    return sorted(folder / name for kind in _KINDS for name in fnmatch.filter(names, kind))


def _signature(hashes: dict[str, str], key: bytes) -> str:
    return hmac.new(key, json.dumps(hashes, sort_keys=True).encode(), "sha256").hexdigest()


def sign(folder: Path, key: bytes) -> None:
    """Signs the state files of a round as they are now."""
    hashes = {path.name: file_hash(path) for path in _states(folder)}
    commit_json(folder / SIGNATURE, {"files": hashes, "signature": _signature(hashes, key)})


def why_invalid(folder: Path, key: bytes) -> str | None:
    """Why a round's state cannot be used; None where every file is what was signed. Executes nothing."""
    try:
        values = parse_json((folder / SIGNATURE).read_text())
        hashes = {str(name): str(digest) for name, digest in values["files"].items()}
        signature = str(values["signature"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return f"{SIGNATURE} is missing or torn"
    if not key or not hmac.compare_digest(signature.encode(), _signature(hashes, key).encode()):
        return "it was not written by you on this machine"
    found = {path.name: path for path in _states(folder)}
    for kind in _KINDS[:-1]:
        if not any(path.match(kind) for path in found.values()):
            return f"{kind} is missing"
    for name in sorted(hashes.keys() | found.keys()):
        if name not in hashes or name not in found or sha256_of(found[name].read_bytes()) != hashes[name]:
            return f"{name} is not as it was written"
    return None


class StateSigner(Callback):
    """Seals a running round's state each time that Tune has written it."""

    def __init__(self, folder: Path, key: bytes) -> None:
        self.folder, self.key = folder, key
        self._signed: list[tuple[str, int, int]] = []
        self._before = set(_states(folder)) if folder.is_dir() else set()
        self._session: set[Path] = set()

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Between two writes of Tune, which this same thread does."""
        self.update()

    def update(self) -> None:
        """Seals anew if a file has another size or time. A full disk costs the restore, not the sweep."""
        try:
            found = ((path, path.stat()) for path in self._files() if path.exists())
            now = [(path.name, at.st_size, at.st_mtime_ns) for path, at in found]
            if self.key and now != self._signed:
                sign(self.folder, self.key)
                self._signed = now
        except (OSError, EnvironmentProblem):
            self._signed = []

    def _files(self) -> list[Path]:
        """What Tune may write. Each round, a restored one too, has one name for its session, which all its files bear;
        once that is known, the folder is not read any more: it has a subfolder per trial."""
        if not self._session:
            listed = _states(self.folder)
            new = [path for path in listed if path not in self._before and path.match(_KINDS[1])]
            if not new:
                return listed
            name = new[0].stem.removeprefix(_KINDS[1].partition("*")[0])
            self._session = self._before | {self.folder / kind.replace("*", name) for kind in _KINDS}
        return sorted(self._session)
