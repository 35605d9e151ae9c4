"""Which networks are measured: files that are named, or of a sweep one for each architecture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hpmkd.config.specs import ModelSpec, model_from_json
from hpmkd.errors import DamagedModel, UsageError
from hpmkd.plan.architecture import forward_cost, network_name, parameter_count
from hpmkd.plan.roles import NETWORK_SUFFIX
from hpmkd.store.inspection import inspect
from hpmkd.store.named_file import not_whole
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.sidecar import Header


@dataclass(frozen=True)
class Network:
    """A model file that is measured.

    `name` is unique in a measurement; `roles`: what networks of this architecture are in the sweep; `weights`: the
    hash of its weights, by which a measurement knows it again.
    """

    name: str
    path: Path
    spec: ModelSpec
    roles: tuple[str, ...]
    weights: str

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of an image: channels, height, width."""
        return self.spec.in_channels, self.spec.image_size, self.spec.image_size

    @property
    def parameters(self) -> int:
        """Trainable ones."""
        return parameter_count(self.spec)

    @property
    def multiply_adds(self) -> int:
        """Of the forward pass of an image."""
        return forward_cost(self.spec)


def of_sweep(output: OutputDir) -> list[Network]:
    """One network per architecture, the largest first; what is no whole network is passed over."""
    found: dict[ModelSpec, Network] = {}
    for path in output.model_files():
        one = _network(path) if path.suffix == NETWORK_SUFFIX else None
        if one is not None:
            first = found.setdefault(one.spec, one)
            found[one.spec] = replace(first, roles=tuple(dict.fromkeys((*first.roles, *one.roles))))
    if not found:
        raise UsageError(
            f"{output.root}: no network to measure",
            expected="a finished model in its models/",
            found="none that is whole",
            todo="train the sweep first (hpmkd run), or name model files",
        )
    return _ordered(found.values(), network_name)


def of_files(paths: Sequence[Path]) -> list[Network]:
    """Each of them, the largest first."""
    found: dict[Path, Network] = {}
    for path in paths:
        one = _network(path)
        if one is None:
            from hpmkd.store.network_file import load_network

            try:
                load_network(path)  # says what is wrong with it
            except DamagedModel as error:
                raise not_whole(path, error) from error
            raise UsageError(f"{path}: not a network that can be measured", todo=f"hpmkd show {path} says more")
        found[path.absolute()] = one
    return _ordered(found.values(), lambda spec: "")


def _network(path: Path) -> Network | None:
    finding = inspect(path, "hash") if path.is_file() else None
    if finding is None or not finding.good or finding.header is None:
        return None
    spec = spec_of(finding.header.metadata)
    if spec is None:
        return None
    header: Header = finding.header
    role = str(header.metadata.get("role", "model"))
    return Network(path.stem, path, spec, roles=(role,), weights=str(header.weights))


def spec_of(metadata: Any) -> ModelSpec | None:
    """The architecture that a model file tells; None where it tells none of ours."""
    shape = metadata.get("architecture")
    try:
        spec = model_from_json(shape)
        parameter_count(spec)
    except (TypeError, KeyError, ValueError):
        return None
    return spec


def _ordered(networks: Iterable[Network], name_of: Any) -> list[Network]:
    """By multiply-adds, under names that tell them apart."""
    ranked = sorted(networks, key=lambda one: (-one.multiply_adds, -one.parameters, str(one.path)))
    names = [name_of(one.spec) or one.name for one in ranked]
    made: dict[str, Network] = {}
    for one, name in zip(ranked, names, strict=True):
        if names.count(name) > 1:
            shape = "x".join(map(str, one.shape))
            name = f"{name} {shape}-{one.spec.classes}" if name_of(one.spec) else name
        unique, number = name, 2
        while unique in made:
            unique, number = f"{name} ({number})", number + 1
        made[unique] = replace(one, name=unique)
    return list(made.values())
