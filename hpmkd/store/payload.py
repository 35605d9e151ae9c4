"""Reads header and weights from the bytes of a model file, and accepts them only if all hashes in it agree."""

from __future__ import annotations

import errno
import hashlib
import io
import math
import pickle
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpmkd.errors import TRAIN_AGAIN, DamagedModel, EnvironmentProblem
from hpmkd.files import sha256_of, system_words
from hpmkd.store.sidecar import Header, content_hash, hash_key

if TYPE_CHECKING:
    from torch import Tensor

_FIELDS = {
    "model_state_dict": dict,
    "accuracy": float,
    "train_time": float,
    "timestamp": str,
    "metadata": dict,
}
_EXPECTED = "a model file that can be read"
_MOVE_ASIDE = "move it away, then start the same command again"


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


def parse(data: bytes, where: str) -> tuple[Header, dict[str, Tensor]]:
    """Header and weights from the bytes of a model file alone.

    The CRC of every member of the zip, the fields and their types, the hash of the weights, and the hash of the
    rest are checked (the oldest files have none). Bytes that no reader looks at, such as padding,
    may differ; what is returned may not.

    Raises:
        DamagedModel: something in it does not agree, or it is another kind of file; it names `where`.
    """
    payload = _unpickle(data, where)
    if not isinstance(payload, dict):
        raise _not_a_model(where, type(payload).__name__)
    for name, kind in _FIELDS.items():
        if not isinstance(payload.get(name), kind):
            raise _not_a_model(where, f"field {name}: {type(payload.get(name)).__name__}")
    rest = {name: payload[name] for name in ("accuracy", "train_time", "timestamp", "metadata")}
    if not (0 <= rest["accuracy"] <= 100 and math.isfinite(rest["train_time"])):
        raise _not_a_model(where, f"accuracy {rest['accuracy']}, train_time {rest['train_time']}")
    _check_hashes(where, payload["model_state_dict"], rest)
    return Header(sha256_of(data), len(data), **rest), payload["model_state_dict"]


def _unpickle(data: bytes, where: str) -> Any:
    """What the pickle inside holds, read by torch's restricted unpickler, which executes nothing."""
    import torch

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            bad = archive.testzip()
        if bad:
            raise DamagedModel(where, expected="an intact zip", found=f"wrong CRC of {bad}", todo=TRAIN_AGAIN)
        return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except DamagedModel:
        raise
    except (zipfile.BadZipFile, pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        raise _not_a_model(where, next(iter(str(error).splitlines()), "")) from error
    except Exception as error:  # a damaged zip or pickle can raise anything; all of it means the same
        raise _not_a_model(where, f"{type(error).__name__}: {error}") from error


def _check_hashes(where: str, state: Mapping[Any, Any], rest: Mapping[str, Any]) -> None:
    """The weights and the rest against the digests that the file carries."""
    import torch

    if not all(isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in state.items()):
        raise _not_a_model(where, "model_state_dict holds other things than tensors")
    try:
        content = content_hash(**rest)
        weights = weights_hash(state)
    except (TypeError, ValueError, RuntimeError, RecursionError) as error:
        raise _not_a_model(where, f"metadata or weights that hpmkd never writes ({error})") from error
    meta = rest["metadata"]
    if meta.get("weights_sha256", weights) != weights:
        raise DamagedModel(
            where, expected="the weights that its metadata names", found="other weights", todo=TRAIN_AGAIN
        )
    if meta.get(hash_key(meta), content) != content:
        raise DamagedModel(where, expected="the metadata that was written", found="other metadata", todo=TRAIN_AGAIN)


def _not_a_model(where: str, found: str) -> DamagedModel:
    return DamagedModel(
        where, expected="a model file written by hpmkd", found=found or "unreadable content", todo=TRAIN_AGAIN
    )


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Around whatever reads `path`.

    Raises:
        FileNotFoundError: nothing has that name.
        DamagedModel: a folder, a link that leads nowhere, or no permission: that can be moved aside.
        EnvironmentProblem: the disk or the network does not answer; the file may be as good as ever.
    """
    try:
        yield
    except FileNotFoundError:
        if path.is_symlink():
            raise DamagedModel(
                str(path), expected=_EXPECTED, found="a link that leads nowhere", todo=_MOVE_ASIDE
            ) from None
        raise
    except IsADirectoryError:
        raise DamagedModel(str(path), expected=_EXPECTED, found="a folder", todo=_MOVE_ASIDE) from None
    except PermissionError:
        raise DamagedModel(
            str(path),
            expected=_EXPECTED,
            found="no permission to read it",
            todo="correct the permissions, then start the same command again",
        ) from None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise DamagedModel(
                str(path), expected=_EXPECTED, found="a link that leads to itself", todo=_MOVE_ASIDE
            ) from None
        raise EnvironmentProblem(
            f"{path}: cannot be read",
            expected="a disk that answers",
            found=system_words(error),
            todo="see to the disk or its connection, then start the same command again; "
            "if this one file is lost, delete it and it is trained again",
        ) from error
