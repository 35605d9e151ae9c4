"""Decoded images on disk: one file per data set with its hash, shared by sweeps and by all trials."""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpmkd.config.specs import DataSpec
from hpmkd.config.sweep import DataConfig, SweepConfig, cache_folder
from hpmkd.data.cache_lock import locked
from hpmkd.data.catalog import DATASETS, Dataset, find_all
from hpmkd.data.census import remarks, summary
from hpmkd.data.conditions.catalog import conditioned
from hpmkd.data.conditions.confusable import confusable
from hpmkd.data.conditions.entries import entries_of
from hpmkd.data.decode import FORMAT, commit_labels, decode, faults_of
from hpmkd.data.realised import sentence, with_realised
from hpmkd.data.selection import ORDER, limit_of, overruled, spread, twins, untrained, used
from hpmkd.log import log, progress

if TYPE_CHECKING:
    from hpmkd.data.images import RawData, Splits


def describe(config: SweepConfig, entries: list[str] | None = None) -> list[DataSpec]:
    """The data sets of a sweep. A user's own is hashed, and decoded if it never was; others are known.

    What a user should know of their own data set is logged.

    Args:
        config: names them.
        entries: those of `entries_of(config)` that are asked for; default: all.

    Raises:
        UsageError: an unknown name or condition. EnvironmentProblem: a data set that can't be used.
    """
    specs: list[DataSpec] = []
    bare: dict[str, DataSpec] = {}
    for dataset, condition in find_all(entries_of(config) if entries is None else entries):
        if dataset.name not in bare:  # looked at once, under however many conditions
            bare[dataset.name] = _describe(dataset, config)
        spec = realised(conditioned(bare[dataset.name], condition), config.data)
        if condition:
            spec.check()
        _say_used(spec, config.data)
        specs.append(spec)
    if config.data.train_images is not None:
        for line in overruled(specs, config.data.train_images):
            log.info(line)
    for line in twins(bare.values()):
        log.warning(line)
    return specs


def realised(spec: DataSpec, config: DataConfig) -> DataSpec:
    """The spec with what its condition comes to, as far as the cache knows the labels.

    Raises:
        UsageError: a condition leaves a class without an image.
    """
    known = remembered(spec, config) if spec.condition is not None else None
    return spec if known is None else with_realised(spec, known[1].with_suffix(ORDER))


def _say_used(spec: DataSpec, config: DataConfig) -> None:
    """Where not all images are trained on: how many of each class, and of which none. Silent where it is not known."""
    known = remembered(spec, config)
    found = used(spec, known[1].with_suffix(ORDER)) if known else None
    if spec.source is not None and spec.condition is None and (limit := limit_of(spec)):
        log.info(f"{limit}; {spread(found)}" if found else limit)
    if line := sentence(spec):
        log.info(line)
    if known and found and (line := untrained(spec.label, found, known[0]["census"]["classes"])):
        log.warning(line)


def _describe(dataset: Dataset, config: SweepConfig) -> DataSpec:
    """Under no condition, with all that one may need."""
    said = config.data.confused.get(dataset.name)
    if dataset.source is not None:
        content, meta = _own(dataset, config.data)
        log.info(summary(dataset.name, meta["census"]))
        for line in remarks(dataset.name, meta["census"]):
            log.warning(line)
        names = [str(one["name"]) for one in meta["census"]["classes"]]
        spec = dataset.known(meta, content).spec(config.data)
        return replace(spec, confused=confusable(dataset.name, said, names))
    if config.data.image_size not in (None, dataset.image_size):
        log.warning(f"data.image_size: not for {dataset.name}, whose images have {dataset.image_size} pixels")
    numbers = list(map(str, range(dataset.classes)))
    return replace(dataset.spec(config.data), confused=confusable(dataset.name, said, numbers))


def take_census(dataset: Dataset, config: DataConfig) -> dict[str, Any]:
    """The sidecar of a data set's decoded images with its census, for any data set; decodes it if it never was.

    `used` has the numbers of images of each class that are trained on, and kept for validation (see `selection.used`).

    Args:
        dataset: which one.
        config: where images and cache lie, and how they are read.

    Raises:
        EnvironmentProblem: missing or corrupt data.
    """
    content, meta = _own(dataset, config) if dataset.source else (None, _ensure(dataset, dataset.name, config))
    spec = dataset.known(meta, content).spec(config)
    found = used(spec, _path(dataset, spec.content, config).with_suffix(ORDER))
    return {**meta, **({"content": content} if content else {}), "used": asdict(found) if found else None}


def remembered(spec: DataSpec, config: DataConfig) -> tuple[dict[str, Any], Path] | None:
    """What the cache knows of a data set, without its images: the sidecar, and the picture with an image per class.

    Args:
        spec: which data set; it need not be there any more.
        config: where the cache lies.

    Returns:
        The sidecar with its census and `pictures` (see `census.contact_sheet`); None where nothing is in the cache.
    """
    path = _path(_dataset(spec), spec.content, config)
    try:
        meta = json.loads(path.with_suffix(".json").read_text())
    except (OSError, ValueError):
        return None
    return (meta, path.with_suffix(".png")) if isinstance(meta, dict) and meta.get("format") == FORMAT else None


def _own(dataset: Dataset, config: DataConfig) -> tuple[str, dict[str, Any]]:
    """Identity and sidecar of a user's data set. What needs no decoding is counted now: other files may lie there."""
    from hpmkd.data.glimpse import told_on_refusal
    from hpmkd.data.identity import identity
    from hpmkd.data.layouts.detect import inventory_in, tree_of

    source = dataset.source or ""
    with told_on_refusal() as seen:
        with faults_of(source):
            seen.append(tree := tree_of(Path(source)))
            seen.append(inventory := inventory_in(tree, config))
            content = identity(inventory, config)
        meta = _ensure(replace(dataset, content=content), content, config)
    return content, {**meta, "census": {**meta["census"], **inventory.census()}}


def prepare(spec: DataSpec, config: DataConfig) -> str:
    """Makes sure that the decoded images lie in the cache, whole and enough; returns their SHA-256 (hex).

    Args:
        spec: which data set.
        config: where images and cache lie.

    Raises:
        EnvironmentProblem: missing or corrupt data. UsageError: more training images are asked for than there are.
    """
    dataset = _dataset(spec)
    meta = _ensure(dataset, spec.content, config)
    spec.validation_count(meta["train_images"])
    path = _path(dataset, spec.content, config)
    if spec.condition is not None and not (order := path.with_suffix(ORDER)).is_file():  # an older version decoded them
        commit_labels(order, _read(path, meta).train.labels.numpy(), spec.name, spec.classes)
    return str(meta["sha256"])


@functools.lru_cache(maxsize=2)
def load(spec: DataSpec, config_json: str) -> Splits:
    """The splits of a data set; kept in memory, because a worker trains many models on the same one.

    Args:
        spec: which data set.
        config_json: of `as_json` (text, so that it can be a cache key).
    """
    from hpmkd.data.images import split

    config = DataConfig.model_validate(json.loads(config_json))
    dataset = _dataset(spec)
    meta = _ensure(dataset, spec.content, config)
    return split(_read(_path(dataset, spec.content, config), meta), spec)


def as_json(config: DataConfig) -> str:
    """The settings for `load`. pydantic's own JSON knows no paths whose bytes are not UTF-8."""
    return json.dumps(config.model_dump())


def _dataset(spec: DataSpec) -> Dataset:
    own = Dataset(spec.name, "hpmkd.data.folder:read", source=spec.source, content=spec.content)
    return DATASETS.get(spec.name) or own


def _path(dataset: Dataset, content: str, config: DataConfig) -> Path:
    suffix = f"-{content[:16]}" if dataset.source else ""
    return cache_folder(config) / f"{dataset.name}{suffix}-v{FORMAT}.pt"


def _ensure(dataset: Dataset, content: str, config: DataConfig) -> dict[str, Any]:
    """The sidecar of the cached file, after its hash was checked; decodes first where there is none."""
    path = _path(dataset, content, config)
    meta = _valid_meta(path)
    if meta is not None:
        return meta
    with locked(path.with_suffix(".pt.lock")):
        meta = _valid_meta(path)
        if meta is None:
            progress.info(f"decoding the images of {dataset.name}; later sweeps reuse them")
            meta = decode(dataset, path, config)
        return meta


def _valid_meta(path: Path) -> dict[str, Any] | None:
    try:
        meta = json.loads(path.with_suffix(".json").read_text())
        good = _hash(path, path.stat()) == meta["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return meta if good and meta.get("format") == FORMAT else None


# A worker trains model after model on the same images: their bytes are hashed once, and again only if they may differ.
_HASHES: dict[Path, tuple[tuple[int, ...], str]] = {}


def _hash(path: Path, stat: os.stat_result) -> str:
    """SHA-256 (hex) of a file, remembered for as long as it is the same file with the same size and time."""
    identity = (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
    if _HASHES.get(path, ((), ""))[0] != identity:
        with path.open("rb") as file:
            _HASHES[path] = identity, hashlib.file_digest(file, "sha256").hexdigest()
    return _HASHES[path][1]


def _read(path: Path, meta: Mapping[str, Any]) -> RawData:
    import torch

    from hpmkd.data.images import MAPPED_BYTES, RawData
    from hpmkd.data.source.images import Images
    from hpmkd.data.source.mapped import Pages

    # Of a large file each page is read once for all workers of the machine.
    mapped = path.stat().st_size >= MAPPED_BYTES
    saved = torch.load(path, weights_only=True, mmap=mapped)
    parts = [(saved[f"{part}_pixels"], saved[f"{part}_labels"]) for part in ("train", "test")]
    train, test = (Images(one, labels, None, Pages(one) if mapped else None) for one, labels in parts)
    return RawData(train, test, int(meta["classes"]))
