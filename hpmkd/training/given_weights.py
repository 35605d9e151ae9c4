"""Reads weights that a user brings, in a process of its own, and holds them against the network that they are for.

`python -m hpmkd.training.given_weights REQUEST ANSWER`: two JSON files, see `main`.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hpmkd.config.architectures import family_of
from hpmkd.config.networks import PRETRAINED
from hpmkd.config.own import is_own
from hpmkd.config.specs import ModelSpec, model_from_json
from hpmkd.errors import DamagedModel
from hpmkd.models import build
from hpmkd.models.inspected import Fault
from hpmkd.models.peer_names import as_ours
from hpmkd.store.payload import parse, weights_hash
from hpmkd.training.library_weights import pretrained

_INSIDE = ("model_state_dict", "state_dict", "model", "net", "network", "teacher", "weights")
_MARKS = ("module.", "_orig_mod.")  # of DataParallel and torch.compile
_SHOWN = 6  # names in a message
Moments = list[list[float]]


def main(request: Path, answer: Path) -> None:
    """Answers each question of a list with the hash of the weights, or with what is wrong with them.

    Args:
        request: a JSON list. Of each: `network`, a `ModelSpec`, and `origin`, where its source lies; `file`, with the
            weights; `copy`, a file that does not exist, into which they are written under the network's own names.
        answer: where the JSON list of answers is written: `weights` (their hash) and `normalisation` (mean and standard
            deviation of each channel, or null where the file does not say), or `fault` (`expected`, `found`, `todo`).
    """
    torch.set_num_threads(1)
    answer.write_text(json.dumps([_answer(**one) for one in json.loads(request.read_text())]))


def _answer(network: Mapping[str, Any], origin: str | None, file: str, copy: str) -> dict[str, Any]:
    spec = model_from_json(network, origin)
    try:
        state, normalisation = pretrained(spec) if file == PRETRAINED else _read(Path(file), spec)
        fitted = _fitted(state, spec)
        torch.save(fitted, copy)
        return {"weights": weights_hash(fitted), "normalisation": normalisation}
    except Fault as fault:
        return {"fault": fault.words}


def _read(path: Path, spec: ModelSpec) -> tuple[dict[str, Tensor], Moments | None]:
    """The tensors of a file by name, and how its images were normalised, if it says so."""
    if path.suffix == ".safetensors":
        return _safetensors(path), None
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever torch raises on bytes that are none of its files
        raise Fault(
            "a file that torch.load reads with weights_only=True: a state_dict, or a dict with one",
            f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')[:200]}",
            "save the weights alone: torch.save(network.state_dict(), FILE)",
        ) from error
    moments = _of_ours(path, found, spec) if isinstance(found, dict) and "metadata" in found else None
    return _tensors(found), moments


def _safetensors(path: Path) -> dict[str, Tensor]:
    if importlib.util.find_spec("safetensors") is None:
        raise Fault("the package safetensors", "none", "pip install -e '.[export]', or bring a state_dict of torch")
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        found: dict[str, Tensor] = load_file(path)
    except (SafetensorError, OSError) as error:
        raise Fault("a whole .safetensors file", str(error), "copy it again") from error
    return found


def _of_ours(path: Path, found: Mapping[str, Any], spec: ModelSpec) -> Moments | None:
    """What a model file of this package says of its images; Fault where it is damaged, or was for another size."""
    try:
        header, _ = parse(path.read_bytes(), str(path))
    except DamagedModel as error:
        if isinstance(found.get("metadata"), dict) and "weights_sha256" in found["metadata"]:
            raise Fault(str(error.expected), str(error.found), "bring an intact copy of the file") from error
        return None
    about = header.metadata
    size = (about.get("architecture") or {}).get("image_size")
    if size not in (None, spec.image_size):
        raise Fault(
            f"a network for images of {spec.image_size}x{spec.image_size} pixels",
            f"one for {size}x{size}",
            f"have the images resized: --data.image_size {size}, or bring another",
        )
    known = about.get("normalisation")
    return [known["mean"], known["std"]] if known else None


def _tensors(found: Any) -> dict[str, Tensor]:
    """A state_dict, or the one that a dict holds."""
    for _ in range(3):  # a checkpoint may hold a dict that holds it
        if isinstance(found, Mapping) and found and all(isinstance(value, Tensor) for value in found.values()):
            return {str(name): value for name, value in found.items()}
        inside = [name for name in _INSIDE if isinstance(found, Mapping) and isinstance(found.get(name), Mapping)]
        if not inside:
            break
        found = found[inside[0]]
    kind = f"a dict with {', '.join(map(str, list(found)[:_SHOWN]))}" if isinstance(found, Mapping) else type(found)
    raise Fault(
        f"tensors by name, or a dict that has them as one of {', '.join(_INSIDE)}",
        str(kind),
        "save the weights alone: torch.save(network.state_dict(), FILE)",
    )


def _fitted(state: Mapping[str, Tensor], spec: ModelSpec) -> dict[str, Tensor]:
    """The weights under the network's own names; Fault where they are not those of this network."""
    own = build(spec.untrained, seed=0).state_dict()
    plain = _unmarked(state)
    tried = [plain] if is_own(spec.arch) else [plain, as_ours(plain, family_of(spec.arch))]
    best = min(tried, key=lambda names: len(_differences(own, names)))
    differences = _differences(own, best)
    if differences:
        raise _unlike(own, best, differences, spec)
    fitted = {name: best.get(name, value).to(value.dtype).contiguous() for name, value in own.items()}
    if not all(torch.isfinite(value).all() for value in fitted.values()):
        raise Fault("finite weights", "NaN or infinite ones", "bring a file of a training that has not diverged")
    return fitted


def _unmarked(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Without the marks that DataParallel and torch.compile leave, at any part of a name or in front of all."""
    named = {".".join(part for part in name.split(".") if part != "_orig_mod"): one for name, one in state.items()}
    while named and all(name.startswith(_MARKS[0]) for name in named):
        named = {name.removeprefix(_MARKS[0]): one for name, one in named.items()}
    return named


def _differences(own: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> list[str]:
    """Names that only one of them has, or with other shapes; counters of BatchNorm, which nothing reads, aside."""
    counters = {name for name in {*own, *other} if name.endswith("num_batches_tracked")}
    missing = [f"{name} is missing" for name in own if name not in other and name not in counters]
    spare = [f"{name} is not of this network" for name in other if name not in own and name not in counters]
    shapes = [
        f"{name} is {tuple(other[name].shape)}, not {tuple(value.shape)}"
        for name, value in own.items()
        if name in other and other[name].shape != value.shape
    ]
    return [*shapes, *missing, *spare]


def _unlike(own: Mapping[str, Tensor], other: Mapping[str, Tensor], differences: list[str], spec: ModelSpec) -> Fault:
    more = f", and {len(differences) - _SHOWN} more" if len(differences) > _SHOWN else ""
    found = "; ".join(differences[:_SHOWN]) + more
    last = [name for name in own if own[name].dim() == 2][-1:]
    todo = "name the architecture that the weights are of (teacher.arch, teacher.channels)"
    if last and last[0] in other and len(other[last[0]]) != spec.classes and len(differences) <= 2:
        theirs = len(other[last[0]])
        todo = f"the file is of a network for {theirs} classes, the data set has {spec.classes}: bring another"
    return Fault(f"the weights of {spec.arch} for {spec.in_channels} channels and {spec.classes} classes", found, todo)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
