"""Save, verify and load one model file.

A model file is a `torch.save` zip that plain `torch.load(path)` reads: a dict with `model_state_dict`, `accuracy`
(percent, test), `train_time` (seconds), `timestamp` (ISO 8601) and `metadata` (plain Python types only).
"""

from __future__ import annotations

import datetime
import hashlib
import io
import math
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpmkd.atomic import commit_bytes, sha256_of
from hpmkd.errors import DamagedModel
from hpmkd.store.choice_file import verify_choice
from hpmkd.store.header import Header, file_hash, read_sidecar, sidecar_path, write_sidecar
from hpmkd.store.table_file import TABLE_SUFFIX, no_sidecar

if TYPE_CHECKING:
    from torch import Tensor

_FIELDS = {
    "model_state_dict": dict,
    "accuracy": float,
    "train_time": float,
    "timestamp": str,
    "metadata": dict,
}


def weights_hash(state: Mapping[str, Tensor]) -> str:
    """SHA-256 (hex) over names, types, shapes and bytes of all tensors: the identity of the weights."""
    import torch

    digest = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        digest.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)}\n".encode())
        if tensor.numel():
            digest.update(tensor.flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


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
    """Commits a model file, then its sidecar. `metadata` gains `weights_sha256`.

    Raises:
        TypeError: metadata that is not plain. EnvironmentFault: it cannot be written; an old file is intact.
    """
    import torch

    cpu_state = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    meta = {**plain(metadata), "weights_sha256": weights_hash(cpu_state)}
    timestamp = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    payload = {
        "model_state_dict": cpu_state,
        "accuracy": float(accuracy),
        "train_time": float(train_time),
        "timestamp": timestamp,
        "metadata": meta,
    }
    buffer = io.BytesIO()
    torch.save(payload, buffer)
    data = buffer.getbuffer()
    header = Header(sha256_of(data), len(data), float(accuracy), float(train_time), timestamp, meta)
    # An old sidecar beside a new file would call a good file damaged if we died between the two.
    sidecar_path(path).unlink(missing_ok=True)
    commit_bytes(path, data)
    write_sidecar(path, header)
    return header


def verify(path: Path) -> Header:
    """The header of a model file whose bytes are those that were written.

    A choice (`.json`) carries its own digest. A model or table with a sidecar: size and hash. A model without one: zip
    CRC, safe load, schema; then the sidecar is written again.

    Raises:
        DamagedModel: it is not whole, or not a model file. FileNotFoundError: it is not there.
    """
    if path.suffix == ".json":
        return verify_choice(path)
    size = path.stat().st_size
    header = read_sidecar(path)
    if header is None and path.suffix == TABLE_SUFFIX:
        raise no_sidecar(path)
    if header is None:
        header = read_whole(path)[0]
        write_sidecar(path, header)
        return header
    if size != header.size:
        raise DamagedModel(str(path), expected=f"{header.size:,} bytes", found=f"{size:,} bytes (truncated?)")
    found = file_hash(path)
    if found != header.sha256:
        raise DamagedModel(str(path), expected=f"hash {header.sha256[:12]}", found=f"hash {found[:12]}")
    return header


def read_whole(path: Path) -> tuple[Header, dict[str, Tensor]]:
    """Header and weights from the file alone; every byte of the zip's members is checked (CRC).

    The pickle inside is read by torch's restricted unpickler, which executes nothing.
    """
    import torch

    data = path.read_bytes()
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            bad = archive.testzip()
        if bad:
            raise DamagedModel(str(path), expected="an intact zip", found=f"wrong CRC of {bad}")
        payload = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except DamagedModel:
        raise
    except (zipfile.BadZipFile, pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        raise _not_a_model(path, str(error).splitlines()[0]) from error
    except Exception as error:  # a damaged zip or pickle can raise anything; all of it means the same
        raise _not_a_model(path, f"{type(error).__name__}: {error}") from error
    if not isinstance(payload, dict):
        raise _not_a_model(path, type(payload).__name__)
    for name, kind in _FIELDS.items():
        if not isinstance(payload.get(name), kind):
            raise _not_a_model(path, f"field {name}: {type(payload.get(name)).__name__}")
    if not all(isinstance(value, torch.Tensor) for value in payload["model_state_dict"].values()):
        raise _not_a_model(path, "model_state_dict holds other things than tensors")
    if not (0 <= payload["accuracy"] <= 100 and math.isfinite(payload["train_time"])):
        raise _not_a_model(path, f"accuracy {payload['accuracy']}, train_time {payload['train_time']}")
    rest = {name: payload[name] for name in ("accuracy", "train_time", "timestamp", "metadata")}
    return Header(sha256_of(data), len(data), **rest), payload["model_state_dict"]


def _not_a_model(path: Path, found: str) -> DamagedModel:
    return DamagedModel(str(path), expected="a model file written by hpmkd", found=found or "unreadable content")


def load_weights(path: Path) -> tuple[Header, dict[str, Tensor]]:
    """Verifies, then reads header and weights (on the CPU); errors as `verify`."""
    verify(path)
    return read_whole(path)
