"""Networks and weights from elsewhere in the plan: what was found out about each, once, when a sweep was started.

The plan never imports a network's module. What it needs to know of it (sizes, feature maps, the hash of its source) a
start of the sweep finds out in a process of its own and notes in the output.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from hpmkd.config.own import is_own
from hpmkd.config.specs import DataSpec, ModelSpec, model_from_json, model_to_json
from hpmkd.errors import UsageError

if TYPE_CHECKING:
    from hpmkd.config.networks import ModelConfig

# What is asked for, see `asked` -> the network.
Networks = Mapping[str, ModelSpec]


def asked(config: ModelConfig, data: DataSpec) -> str:
    """What a config asks for on a data set, as text: two that ask for the same network are equal."""
    keys = {"arch", "channels", "args", "taps", "head", "weights", "normalisation"}
    wanted = config.model_dump(include=keys, exclude_none=True)
    shape = {"channels": data.channels, "image_size": data.image_size, "classes": data.classes}
    return json.dumps({**wanted, "images": shape}, sort_keys=True)


def known_network(config: ModelConfig, data: DataSpec, networks: Networks, where: str) -> ModelSpec:
    """The network from elsewhere that a config asks for.

    Raises:
        UsageError: it was never looked at, or it is given what only networks of hpmkd have.
    """
    if config.channels is not None and is_own(config.arch):
        raise UsageError(
            f"{where}.channels: not of a network from elsewhere",
            expected=f"the arguments of its factory, in {where}.args",
            found=f"{where}.channels beside {config.arch}",
            todo=f"leave it out, or give {where}.args '{{NAME: VALUE}}'",
        )
    found = networks.get(asked(config, data))
    if found is None:
        raise UsageError(
            f"{where}: {config.arch} was never looked at",
            expected="what a start of the sweep has noted about it",
            found="nothing",
            todo="start the sweep again with its settings",
        )
    return found


def is_noted(config: ModelConfig) -> bool:
    """Whether a start of the sweep has to look at it: it, or its weights, come from elsewhere."""
    return is_own(config.arch) or getattr(config, "weights", None) is not None


def need_own(config: ModelConfig, where: str) -> None:
    """UsageError where a network of hpmkd is given what only networks from elsewhere have."""
    for key in ("args", "taps", "head"):
        if getattr(config, key) is not None:
            raise UsageError(
                f"{where}.{key}: only of a network from elsewhere",
                expected="an arch such as nets.py:tiny beside it",
                found=f"{where}.arch {config.arch}",
                todo=f"leave {where}.{key} out" + (f", or name the widths: {where}.channels" if key == "args" else ""),
            )


def need_taps(baseline: str, taps: Collection[str], networks: Iterable[ModelSpec]) -> None:
    """UsageError where a baseline compares maps, values before a ReLU, or what the classifier is given, that one of its
    networks does not have."""
    for spec in networks:
        if "pre_activations" in taps and spec.taps is not None:
            raise UsageError(
                f"baselines: {baseline} compares values before a ReLU, which are not known of {spec.arch}",
                expected="networks of hpmkd (`hpmkd models`)",
                found="a network from elsewhere, of which outputs of modules are known",
                todo=f"leave {baseline} out",
            )
        if "last_maps" in taps and spec.taps is not None:
            raise UsageError(
                f"baselines: {baseline} needs the classifier of {spec.arch} and its maps, which are not known",
                expected="networks of hpmkd (`hpmkd models`)",
                found="a network from elsewhere",
                todo=f"leave {baseline} out",
            )
        if "features" in taps and spec.taps == ():
            raise UsageError(
                f"baselines: {baseline} compares feature maps, and {spec.arch} has none",
                expected="maps (N, C, H, W) of some of its modules",
                found="no module whose output is such maps",
                todo=f"name modules (taps) if some of them give maps, or leave {baseline} out",
            )


def networks_to_json(networks: Networks) -> list[dict[str, Any]]:
    """For `networks.json`."""
    return [{"asked": json.loads(text), "network": model_to_json(spec)} for text, spec in networks.items()]


def networks_from_json(entries: Iterable[Mapping[str, Any]], copies: Mapping[str, str]) -> dict[str, ModelSpec]:
    """The reverse; `copies`: the beginning of the hash of a source, or of weights -> where its copy lies.

    Raises:
        KeyError, TypeError: it is not what a sweep wrote.
    """
    found = {}
    for entry in entries:
        hashes = (str(entry["network"].get(name)) for name in ("source", "weights"))
        places = [next((copies[name] for name in copies if one.startswith(name)), None) for one in hashes]
        found[json.dumps(entry["asked"], sort_keys=True)] = model_from_json(entry["network"], *places)
    return found
