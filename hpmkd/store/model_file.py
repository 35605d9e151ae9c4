"""Save, verify and load one model file.

A model file is a `torch.save` zip that plain `torch.load(path)` reads: a dict with `model_state_dict`, `accuracy`
(percent, test), `train_time` (seconds), `timestamp` (ISO 8601) and `metadata` (plain Python types only).
"""

from __future__ import annotations

import contextlib
import datetime
import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpmkd.errors import DamagedModel, EnvironmentProblem
from hpmkd.files import commit_bytes, sha256_of
from hpmkd.store.logits_file import LOGITS_SUFFIX, no_sidecar
from hpmkd.store.payload import parse, reading, weights_hash
from hpmkd.store.search_file import verify_search
from hpmkd.store.sidecar import CONTENT_HASH, Header, content_hash, file_hash, read_sidecar, sidecar_path, write_sidecar

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["check", "examine", "load_weights", "plain", "read_whole", "save_model", "verify", "weights_hash"]


def plain(value: Any, where: str = "metadata") -> Any:
    """`value` with numpy scalars, paths and dates as plain types; TypeError for anything else.

    `torch.load` refuses all but plain types unless the reader gives up its safety, so they never get in.
    """
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item, where) for item in value]
    if isinstance(value, str | Path):  # str subclasses such as torch.__version__
        return str(value)
    if isinstance(value, datetime.date):
        return value.isoformat()
    if getattr(value, "shape", None) == () and hasattr(value, "item"):  # numpy scalars, tensors without axes
        return plain(value.item(), where)
    raise TypeError(f"{where}: {type(value).__name__} cannot be stored; use plain Python types")


def save_model(
    state: Mapping[str, Tensor], path: Path, accuracy: float, train_time: float, metadata: Mapping[str, Any]
) -> Header:
    """Commits a model file, then its sidecar. `metadata` gains `weights_sha256` and `content_hash`.

    Raises:
        TypeError: metadata that is not plain. EnvironmentProblem: it cannot be written; an old file is intact.
    """
    import torch

    cpu_state = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    accuracy, train_time = float(accuracy), float(train_time)
    timestamp = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    meta = {**plain(metadata), "weights_sha256": weights_hash(cpu_state)}
    meta[CONTENT_HASH] = content_hash(accuracy, train_time, timestamp, meta)
    payload = {
        "model_state_dict": cpu_state,
        "accuracy": accuracy,
        "train_time": train_time,
        "timestamp": timestamp,
        "metadata": meta,
    }
    buffer = io.BytesIO()
    torch.save(payload, buffer)
    data = buffer.getbuffer()
    header = Header(sha256_of(data), len(data), accuracy, train_time, timestamp, meta)
    commit_bytes(path, data)
    _renew_sidecar(path, header)
    return header


def _renew_sidecar(path: Path, header: Header) -> None:
    """Writes the sidecar, if it can be written: without it, or beside an old one, the file speaks for itself."""
    with contextlib.suppress(EnvironmentProblem):
        write_sidecar(path, header)


def verify(path: Path) -> Header:
    """`check`, after which a sidecar that was missing, torn or another file's is written again."""
    header, known = _check(path)
    if not known:
        _renew_sidecar(path, header)
    return header


def check(path: Path) -> Header:
    """The header of a model file whose bytes are those that were written. Changes nothing on disk.

    A search (`.json`) carries its own digest. A model or logits cache with a sidecar: size and hash. A model without
    one, or with the sidecar of another file: zip CRC, safe load, schema, hash of the weights, hash of the rest.

    Raises:
        DamagedModel: it is not whole, not a model file, no file at all, or must not be read.
        FileNotFoundError: it is not there. EnvironmentProblem: the disk does not answer.
    """
    return _check(path)[0]


def _check(path: Path) -> tuple[Header, bool]:
    """The header, and whether it is what stands beside the file."""
    with reading(path):
        if path.suffix == ".json":
            return verify_search(path), True
        sidecar = read_sidecar(path)
        if path.suffix == LOGITS_SUFFIX and path.is_file() and sidecar is None:
            raise no_sidecar(path)
        if sidecar is None:
            return read_whole(path)[0], False
        size = path.stat().st_size
        found = file_hash(path) if size == sidecar.size else ""
        if found == sidecar.sha256:
            return sidecar, True
        damage = _other_bytes(path, sidecar, size, found)
        try:
            header = read_whole(path)[0]
        except DamagedModel as error:
            raise (damage if path.is_file() else error) from None
        if header.content_id == sidecar.content_id:
            raise damage
        return header, False  # whole, and written at another time than the sidecar


def read_whole(path: Path) -> tuple[Header, dict[str, Tensor]]:
    """Header and weights from the file alone, whatever its sidecar says; errors as `check`."""
    with reading(path):
        data = path.read_bytes()
    return parse(path, data)


def examine(path: Path) -> tuple[Header, dict[str, Tensor], bool]:
    """Everything that can be known about one model file: read from within, then held against its sidecar.

    Changes nothing on disk.

    Returns:
        Header, weights (on the CPU), and whether a sidecar with the same hash and content stands beside it.

    Raises:
        DamagedModel: as `check`; also where a sidecar vouches for these very bytes with other numbers.
    """
    sidecar = read_sidecar(path)
    header, state = read_whole(path)
    if sidecar is None:
        return header, state, False
    same_bytes, same_content = sidecar.sha256 == header.sha256, sidecar.content_id == header.content_id
    if same_bytes and not same_content:
        raise DamagedModel(str(path), expected="a sidecar that says what the file says", found="a forged one")
    if same_content and not same_bytes:
        raise _other_bytes(path, sidecar, header.size, header.sha256)
    return header, state, same_bytes


def load_weights(path: Path) -> tuple[Header, dict[str, Tensor]]:
    """Verifies, then gives header and weights (on the CPU); errors as `check`.

    A sidecar that vouches for what is no model is removed: without it the next look finds the file damaged.
    """
    try:
        return examine(path)[:2]
    except DamagedModel:
        sidecar = read_sidecar(path)
        with contextlib.suppress(OSError):
            if sidecar is not None and file_hash(path) == sidecar.sha256:
                sidecar_path(path).unlink()
        raise


def _other_bytes(path: Path, sidecar: Header, size: int, found: str) -> DamagedModel:
    if size != sidecar.size:
        what = "truncated?" if size < sidecar.size else "something was added?"
        return DamagedModel(str(path), expected=f"{sidecar.size:,} bytes", found=f"{size:,} bytes ({what})")
    return DamagedModel(str(path), expected=f"hash {sidecar.sha256[:12]}", found=f"hash {found[:12]}")
