"""Commit, check and read the files of a sweep's results, whatever kind they are; the only place where one is written.

A file is committed atomically, its sidecar with it, and believed only where all that is known about it agrees.
"""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpmkd.errors import TRAIN_AGAIN, DamagedModel, EnvironmentProblem
from hpmkd.files import commit_bytes, sha256_of
from hpmkd.plan.roles import NETWORK_SUFFIX
from hpmkd.store.handlers import Handler
from hpmkd.store.logits_file import LogitsHandler
from hpmkd.store.model_file import ModelHandler
from hpmkd.store.payload import reading
from hpmkd.store.search_file import SearchHandler
from hpmkd.store.sidecar import HASH_KEYS, Header, file_hash, read_sidecar, sidecar_path, write_sidecar

if TYPE_CHECKING:
    from torch import Tensor

_MODEL = ModelHandler()
HANDLERS: dict[str, Handler] = {".pt": _MODEL, ".npy": LogitsHandler(), ".json": SearchHandler()}


def handler_of(path: Path) -> Handler:
    """Who knows the bytes of a file, by its ending; what has another ending is read as a network."""
    return HANDLERS.get(path.suffix, _MODEL)


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


def commit(path: Path, content: Any, accuracy: float, train_time: float, metadata: Mapping[str, Any]) -> Header:
    """Commits a result under `path`, and its sidecar if its kind has one.

    Args:
        path: where to; its ending says what kind of file it is.
        content: a `state_dict`, a tensor of logits, or a `SearchResult`; see the handlers.
        accuracy: percent; of a network on the test set, of all else on validation images.
        train_time: seconds that it took to make, all resumed parts added up.
        metadata: gains `weights_sha256`, the identity of the content.

    Raises:
        TypeError: metadata that are not plain. EnvironmentProblem: it cannot be written; an old file is intact (of a
            logits cache, which can always be made again, it may be gone).
    """
    handler, accuracy, train_time = handler_of(path), float(accuracy), float(train_time)
    timestamp = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    known = {name: value for name, value in plain(metadata).items() if name not in HASH_KEYS}
    data, meta = handler.encode(content, accuracy, train_time, timestamp=timestamp, metadata=known)
    header = Header(
        sha256_of(data), len(data), accuracy=accuracy, train_time=train_time, timestamp=timestamp, metadata=meta
    )
    if handler.has_sidecar and not handler.self_describing:
        # The sidecar first: whenever this is cut off, there is no file without its description.
        path.unlink(missing_ok=True)
        write_sidecar(path, header)
    commit_bytes(path, data)
    if handler.has_sidecar and handler.self_describing:
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
    """The header of a file whose bytes are those that were written. Changes nothing on disk.

    With a sidecar: size and hash. Without one, or with the sidecar of another file, what the file itself carries: of a
    network zip CRC, safe load, schema, hash of the weights and of the rest; of a search its digest.

    Raises:
        DamagedModel: it is not whole, not a result of hpmkd, no file at all, or must not be read.
        FileNotFoundError: it is not there. EnvironmentProblem: the disk does not answer.
    """
    return _check(path)[0]


def _check(path: Path) -> tuple[Header, bool]:
    """The header, and whether it is what stands beside the file (or needs not to)."""
    with reading(path):
        if not handler_of(path).has_sidecar:
            return read_whole(path)[0], True
        sidecar = read_sidecar(path)
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


def read_whole(path: Path) -> tuple[Header, Any]:
    """Header and content from the file alone, whatever its sidecar says; errors as `check`."""
    with reading(path):
        data = path.read_bytes()
    return handler_of(path).decode(data, str(path))


def examine(path: Path) -> tuple[Header, Any, bool]:
    """Everything that can be known about one file: read from within, then held against its sidecar.

    Changes nothing on disk.

    Returns:
        Header; content (of a network its tensors, on the CPU; None of a file that only its sidecar describes); and
        whether a sidecar with the same hash and content stands beside it, where its kind has one.

    Raises:
        DamagedModel: as `check`; also where a sidecar vouches for these very bytes with other numbers.
    """
    handler = handler_of(path)
    if not handler.self_describing:
        return check(path), None, True
    sidecar = read_sidecar(path) if handler.has_sidecar else None
    header, content = read_whole(path)
    if sidecar is None:
        return header, content, not handler.has_sidecar
    same_bytes, same_content = sidecar.sha256 == header.sha256, sidecar.content_id == header.content_id
    if same_bytes and not same_content:
        raise DamagedModel(
            str(path), expected="a sidecar that says what the file says", found="a forged one", todo=TRAIN_AGAIN
        )
    if same_content and not same_bytes:
        raise _other_bytes(path, sidecar, header.size, header.sha256)
    return header, content, same_bytes


def load(path: Path) -> tuple[Header, Any]:
    """Verifies a file from within, then gives header and content (as `examine`); errors as `check`.

    A sidecar that vouches for what is no result is removed: without it the next look finds the file damaged.
    """
    try:
        return examine(path)[:2]
    except DamagedModel:
        sidecar = read_sidecar(path)
        with contextlib.suppress(OSError):
            if sidecar is not None and file_hash(path) == sidecar.sha256:
                sidecar_path(path).unlink()
        raise


def load_weights(path: Path) -> tuple[Header, dict[str, Tensor]]:
    """`load` of a network's file: header and weights; DamagedModel where another kind of result lies there."""
    if handler_of(path) is not _MODEL:
        raise DamagedModel(
            str(path),
            expected="the file of a network",
            found=f"a file that ends in {path.suffix}",
            todo=f"name one that ends in {NETWORK_SUFFIX}",
        )
    return load(path)


def _other_bytes(path: Path, sidecar: Header, size: int, found: str) -> DamagedModel:
    if size != sidecar.size:
        what = "truncated?" if size < sidecar.size else "something was added?"
        return DamagedModel(
            str(path), expected=f"{sidecar.size:,} bytes", found=f"{size:,} bytes ({what})", todo=TRAIN_AGAIN
        )
    short = _apart(sidecar.sha256, found)
    return DamagedModel(
        str(path), expected=f"hash {sidecar.sha256[:short]}", found=f"hash {found[:short]}", todo=TRAIN_AGAIN
    )


def _apart(one: str, other: str) -> int:
    """How many digits of two hashes to show: twelve, or as many as tell them apart."""
    same = next((place for place, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), 0)
    return max(12, same + 1)
