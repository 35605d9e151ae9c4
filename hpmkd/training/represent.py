"""Makes the files in `representations/` of finished models: how alike they are, how well they separate classes."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped] # scikit-learn has it

from hpmkd.config.sweep import DataConfig
from hpmkd.data.cache import prepare
from hpmkd.data.source.images import Images
from hpmkd.plan.job import Job
from hpmkd.plan.roles import NETWORK_SUFFIX
from hpmkd.store import representation_file
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.representation_file import Comparison, Floats, Representation, Wanted
from hpmkd.store.sidecar import Header
from hpmkd.training import activations, embedding, similarity
from hpmkd.training.embedding import Labelled
from hpmkd.training.missing_predictions import Outcome, ask_each
from hpmkd.training.remeasure import device_for, job_of, open_model

# Images at most: test images whose layers are compared (the cost grows with the square), those of them that are drawn,
# training images in the bank, validation images that choose, test images that are classified.
COMPARED, DRAWN, BANK, VALIDATION, TEST = 1000, 500, 5000, 5000, 10_000
_REMEMBERED = 4  # networks whose Gram matrices are kept: 8 MB per layer


@dataclass
class _Seen:
    """What is computed of a network alone; layers as `similarity.u_centred` matrices."""

    content: tuple[str, str]  # of its data set: what is compared has seen the same images
    layers: dict[str, Floats]


def subset(images: Images, most: int, seed: str) -> Images:
    """At most so many images, drawn at random; smaller numbers give the first of larger ones' draws."""
    if len(images) <= most:
        return images
    number = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8], "big") >> 1
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(number))
    return images.take(order[:most])


def represent(
    output: OutputDir,
    wanted: Mapping[str, Wanted],
    found: Mapping[str, Header],
    data: DataConfig,
    sources: Mapping[str, str | None],
    tell: Callable[[str, int], None],
) -> Outcome:
    """Makes the files of networks, by key, and commits each: cut off anywhere, another call goes on with the next.

    Args:
        output: where the models lie.
        wanted: which, and with whom they are compared.
        found: verified headers of all models, by key.
        data, sources: where images lie, see `job_of`.
        tell: is told key and number of each network before it is shown its images.

    Raises:
        EnvironmentProblem: a file cannot be written.
    """
    work = _Work(output, found, data=data, sources=sources)

    def ask(key: str, header: Header) -> Representation:
        with threadpool_limits(1):  # those of numpy and scikit-learn wait for one another where cores are busy
            return work.representation(key, wanted[key])

    def keep(key: str, header: Header, made: Representation) -> None:
        representation_file.write(output.representation_file(key), made)

    # Those that are compared with the same network one after the other: its layers are looked at once.
    order = sorted(wanted, key=lambda key: (str(found[key].metadata.get("dataset")), *wanted[key].others, key))
    return ask_each(((key, found[key]) for key in order), ask, keep, tell)


@dataclass
class _Work:
    """Looks at networks; the layers of the last few are remembered."""

    output: OutputDir
    found: Mapping[str, Header]
    data: DataConfig
    sources: Mapping[str, str | None]
    _seen: dict[str, _Seen] = field(default_factory=dict)

    def representation(self, key: str, wanted: Wanted) -> Representation:
        began = time.perf_counter()
        job = job_of(self.found[key], self.sources)
        own = self._layers(key)
        others = {other: self._compare(own, other, weights) for other, weights in wanted.others.items()}
        parts = self._embeddings(key, job)
        bank, validation, test = (parts[name] for name in ("bank", "validation", "test"))
        compared = parts["compared"]
        probe_pct, strength = embedding.probe(bank, validation, test)
        return Representation(
            wanted.weights,
            tuple(own.layers),
            silhouette=embedding.silhouette(*compared),
            knn_pct=embedding.neighbours_pct(bank, test),
            probe_pct=probe_pct,
            probe_c=strength,
            images={name: len(labels) for name, (_, labels) in parts.items()},
            others=others,
            scatter=embedding.scatter(compared[0][:DRAWN], compared[1][:DRAWN]) if wanted.is_mapped else None,
            data_sha256=prepare(job.data, self.data),
            seconds=time.perf_counter() - began,
        )

    def _compare(self, own: _Seen, other: str, weights: str) -> Comparison:
        theirs = self._layers(other)
        values = np.full((len(own.layers), len(theirs.layers)), math.nan)
        if own.content == theirs.content:
            values = similarity.cka([*own.layers.values()], [*theirs.layers.values()])
        return Comparison(weights, tuple(theirs.layers), values)

    def _layers(self, key: str) -> _Seen:
        """Of a network, and from now on the last one that is forgotten."""
        known = self._seen.pop(key, None) or self._look(key)
        self._seen[key] = known
        while len(self._seen) > _REMEMBERED:
            del self._seen[next(iter(self._seen))]
        return known

    def _look(self, key: str) -> _Seen:
        job, device = job_of(self.found[key], self.sources), device_for(self.found[key])
        model, splits, normalise = open_model(job, self._path(key), self.data, device)
        images = subset(splits.test, COMPARED, f"compared:{job.data.name}").to(device)
        if len(images) < similarity.FEWEST:
            return _Seen((job.data.name, job.data.content), {})
        found = activations.grams(model, images, normalise, job.fit.precision)
        layers = {name: similarity.u_centred(gram) for name, gram in found.items()}
        return _Seen((job.data.name, job.data.content), layers)

    def _embeddings(self, key: str, job: Job) -> dict[str, Labelled]:
        device = device_for(self.found[key])
        model, splits, normalise = open_model(job, self._path(key), self.data, device)
        name = job.data.name
        chosen = {
            "compared": subset(splits.test, COMPARED, f"compared:{name}"),
            "bank": subset(splits.train, BANK, f"bank:{name}"),
            "validation": subset(splits.validation, VALIDATION, f"validation:{name}"),
            "test": subset(splits.test, TEST, f"compared:{name}"),
        }
        made = {}
        for part, images in chosen.items():
            rows = activations.embedding(model, images.to(device), normalise, job.fit.precision)
            made[part] = rows, images.labels.cpu().numpy()
        return made

    def _path(self, key: str) -> Path:
        return self.output.models / f"{key}{NETWORK_SUFFIX}"
