"""Which files of an output are copied to its mirror, and in which order."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from hpmkd.config.mirror import CLAIM
from hpmkd.files import is_utf8
from hpmkd.store.epoch_log import SUFFIX as EPOCHS
from hpmkd.store.output_dir import EPOCH_FILE, EPOCH_META, OutputDir

# Of another machine, of a moment, or damaged: of no use elsewhere. Hidden ones are the lock and its like; what a worker
# notes of its epochs lasts until the driver has heard of them.
_NOT_COPIED = ("gpu.json", CLAIM)
_PLAN = ("sweep.yaml", "datasets.json", "networks.json", "methods.json", "networks", "methods")
_FOLDERS = (
    "archive", "memorised", "methods", "models", "networks", "predictions", "progress", "representations",
    "tensorboard", "tune",
)  # fmt: skip
_SUFFIXES = (".yaml", ".json", ".csv", ".parquet", ".html", ".md")
_PLAN_RANK, _MODEL_RANK, _EPOCH_RANK, _REST_RANK = range(4)


@dataclass(frozen=True)
class Copied:
    """A file that is to be copied.

    Args:
        name: relative to the output, with slashes.
        version: its size in bytes, and when its content last changed, in nanoseconds.
    """

    name: str
    version: tuple[int, int]

    @property
    def grows(self) -> bool:
        """Whether it is written to while models are trained, so that a copy is soon an old one."""
        return _rank(self.name) == _REST_RANK and not self.name.startswith("archive/")


def is_ours(name: str) -> bool:
    """Whether a sweep makes, and reads, files of such names: no others are copied or fetched."""
    parts = name.split("/")  # of hundreds of thousands, again and again: as paths they take four times as long
    if not all(parts) or not is_utf8(name):
        return False
    if any(part.startswith(".") or part == "__pycache__" for part in parts) or name.endswith(EPOCHS):
        return False
    first = parts[0]
    if len(parts) == 1:
        return os.path.splitext(name)[1] in _SUFFIXES and first not in _NOT_COPIED
    return first in _FOLDERS


def to_copy(output: OutputDir) -> list[list[Copied]]:
    """All there are now, in the order in which they are copied: the plan, results, epochs, what people look at.

    What belongs together is one list: a result and its sidecar, the state of an epoch before its description.
    """
    epochs = list(_epochs(output))  # first: a model that is finished meanwhile is in one of both, never in none
    found = [_copied(output.root, name) for name in (*_plain(output), *epochs)]
    files = sorted((one for one in found if one is not None), key=lambda one: _place(one.name))
    return [list(group) for _, group in groupby(files, key=lambda one: _place(one.name)[:2])]


def _place(name: str) -> tuple[int, str, str]:
    rank = _rank(name)
    whole = name
    if rank == _EPOCH_RANK:
        whole, _, last = name.rpartition("/")
        return rank, whole, "1" if last == EPOCH_META else "0"
    if rank == _MODEL_RANK:
        whole = name.removesuffix(".json") if name.count(".") > 1 else name
    return rank, whole, name


def _rank(name: str) -> int:
    first = name.partition("/")[0]
    if first in _PLAN:
        return _PLAN_RANK
    return {"models": _MODEL_RANK, "tune": _EPOCH_RANK}.get(first, _REST_RANK)


def is_result(name: str) -> bool:
    """Whether it is a model, a search or a logits cache, or the sidecar of one: it is verified before it is copied."""
    return _rank(name) == _MODEL_RANK


def is_epoch(name: str) -> bool:
    """Whether it belongs to an epoch checkpoint, which goes when it is not needed any more."""
    return _rank(name) == _EPOCH_RANK


def trial_of(name: str) -> str:
    """`TRIAL` of `tune/round000/TRIAL/checkpoint_000000/epoch.json`; '' of other names."""
    parts = name.split("/")
    return parts[2] if is_epoch(name) and len(parts) == 5 else ""


def key_of_epoch(name: str) -> str:
    """The key of the job that an epoch belongs to; '' of other names."""
    return trial_of(name).rpartition("-")[0]


def predictions_names(key: str) -> list[str]:
    """Of a network's answers to the test images, by the key of its job."""
    return [f"predictions/{key}.npy", f"predictions/{key}.npy.json"]


def curves_folder(key: str) -> str:
    """Of a network's TensorBoard files."""
    return f"tensorboard/{key}"


def plan_names(output: OutputDir) -> list[str]:
    """Of the files that are there without which no job can be begun."""
    found = [output.root / name for name in _PLAN]
    paths = [path for one in found for path in (one.rglob("*") if one.is_dir() else [one])]
    names = (path.relative_to(output.root).as_posix() for path in paths if path.is_file())
    return sorted(name for name in names if is_ours(name))


def is_for_all(name: str) -> bool:
    """Whether it is fetched wherever it is missing: the plan, records, what was measured, the archive."""
    return _rank(name) in (_PLAN_RANK, _REST_RANK)


def is_of_plan(name: str) -> bool:
    """Whether the sweep cannot be continued without it."""
    return _rank(name) == _PLAN_RANK


def _copied(root: Path, name: str) -> Copied | None:
    try:
        found = os.stat(os.path.join(root, name))
    except OSError:  # gone since: the newest epoch takes the place of an older one
        return None
    return Copied(name, (found.st_size, found.st_mtime_ns))


def _plain(output: OutputDir) -> Iterator[str]:
    """Names of all but Tune's; a folder may be a link to another disk."""
    for first in os.listdir(output.root):
        place = os.path.join(output.root, first)
        if first != output.tune.name and os.path.isdir(place):
            for folder, _, names in os.walk(place):
                inside = first + folder[len(place) :].replace(os.sep, "/")
                yield from (name for name in (f"{inside}/{last}" for last in names) if is_ours(name))
        elif first != output.tune.name and is_ours(first):
            yield first


def _epochs(output: OutputDir) -> Iterator[str]:
    """Of what is not finished; the rest of Tune's folders is Tune's own, and of no use on another machine."""
    done = {path.stem for path in output.model_files()}
    for folder in output.tune.glob("round*/*"):
        if folder.name.rpartition("-")[0] not in done:
            for about in folder.glob(f"checkpoint_*/{EPOCH_META}"):
                for path in (about.with_name(EPOCH_FILE), about):
                    yield path.relative_to(output.root).as_posix()
