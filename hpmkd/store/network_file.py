"""A model file as a network that gives logits alone, with what is known of it as text."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from hpmkd.config.specs import ModelSpec, model_from_json
from hpmkd.errors import DamagedModel, UsageError
from hpmkd.log import log
from hpmkd.models import build
from hpmkd.store.named_file import need_network_file, not_whole, of_a_sweep
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.result_file import load_weights
from hpmkd.store.sidecar import Header


class Logits(nn.Module):
    """A network that returns its logits alone, as other formats want it."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        """Normalised images `(N, C, H, W)` -> logits `(N, K)`."""
        logits: Tensor = self.model(images).logits
        return logits


def load_network(path: Path) -> tuple[Logits, dict[str, str], ModelSpec]:
    """The network of a model file in eval mode, what is known of it as text, and its shape.

    Raises:
        UsageError: no such file, or not a network of ours. DamagedModel: it is not whole.
    """
    need_network_file(path)
    try:
        header, state = load_weights(path)
    except DamagedModel as error:
        if of_a_sweep(path):
            raise
        raise not_whole(path, error) from error
    shape = header.metadata.get("architecture")
    try:
        spec = with_source(model_from_json(shape), path)  # type: ignore[arg-type]
        model = _built(spec, path)
        model.load_state_dict(state)
    except (TypeError, KeyError, ValueError, RuntimeError) as error:
        raise UsageError(
            f"{path}: not a network that this package can build",
            expected="metadata with the `architecture` of its weights",
            found=next(iter(str(error).splitlines()), type(error).__name__),
            todo="export a model file that a sweep wrote; one of your own network is exported with your own code",
        ) from error
    names = ("key", "dataset", "condition", "pair", "role", "baseline", "run", "fingerprint", "weights_sha256")
    about = {name: str(header.metadata[name]) for name in names if header.metadata.get(name) is not None}
    about |= {"accuracy_pct": repr(header.accuracy), "input": _input(header), "architecture": json.dumps(shape)}
    # As ASCII: not every format takes all names that a folder can have.
    about |= {
        name: json.dumps(header.metadata[name]) for name in ("normalisation", "classes") if name in header.metadata
    }
    return Logits(model.to(memory_format=torch.contiguous_format)).eval(), about, spec


def _built(spec: ModelSpec, path: Path) -> nn.Module:
    """The network; UsageError where it is a user's own, and its source is not beside it."""
    if spec.source is None:
        return build(spec, seed=0)
    if spec.origin is not None:
        log.info(f"{path.name}: its network is imported from {spec.origin}")
    try:
        return build(spec, seed=0)
    except Exception as error:  # whatever a user's code raises
        raise UsageError(
            f"{path}: its network {spec.arch} cannot be made here",
            expected=f"a copy of its source in {OutputDir(path.absolute().parent.parent).networks}, or its package",
            found=f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}",
            todo="export the file where the sweep lies, or in an environment with the package that the network is from",
        ) from error


def _input(header: Header) -> str:
    """What the network is given; models of hpmkd 0.1 do not say with which mean and deviation."""
    if "normalisation" not in header.metadata:
        return "normalised images"
    return "normalised images (N, C, H, W): (pixel / 255 - mean) / std of each channel, see normalisation"


def with_source(spec: ModelSpec, model: Path) -> ModelSpec:
    """The network of a model file; one from elsewhere with the copy of its source in that output, if it is there."""
    if spec.source is None or spec.origin is not None:
        return spec
    copy = OutputDir(model.absolute().parent.parent).network_source(spec.source)
    return replace(spec, origin=str(copy)) if copy.is_dir() else spec
