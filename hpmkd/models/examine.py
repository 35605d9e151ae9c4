"""Looks at networks from elsewhere, in a process of its own: whether they can be trained here, and what they are.

See `child_process.run`, and `main`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from hpmkd.config.own import Locator, locate
from hpmkd.config.specs import ModelSpec, model_from_json, model_to_json
from hpmkd.models.inspected import facts
from hpmkd.models.own import bare, find, made, near, parameters_of
from hpmkd.own_code.copies import alone, copied, installed
from hpmkd.own_code.fault import Fault, place
from hpmkd.own_code.importing import importing


def main(folder: Path) -> None:
    """Answers each question of a list with a network's description, or with what is wrong with it.

    Args:
        folder: `request.json` there is a list. Of each: `network`, a `ModelSpec`; `folder`, where its module is
            imported from (null: from where Python finds it); `copy`, a folder that does not exist, into which the files
            that it needs are copied.
            `answer.json` will be the list of answers: `network` and `notes`, or `fault` (`expected`, `found`, `todo`).
    """
    torch.set_num_threads(1)
    with contextlib.redirect_stdout(sys.stderr):  # of the user's module
        answers = [_answer(**one) for one in json.loads((folder / "request.json").read_text())]
    (folder / "answer.json").write_text(json.dumps(answers))


def _answer(network: Mapping[str, Any], folder: str | None, copy: str | None) -> dict[str, Any]:
    spec = model_from_json(network)
    try:
        if folder is None or copy is None:
            with _telling(spec, locate(spec.arch, "network")):
                found, notes = facts(spec)
            return {"network": model_to_json(replace(found, source=_installed(found))), "notes": notes}
        files = _needed(spec, Path(folder))
        source = copied(files, Path(folder), Path(copy))
        with alone(Path(folder)), _telling(replace(spec, origin=copy), locate(spec.arch, "network")):
            found, notes = facts(replace(spec, origin=copy))
        return {"network": model_to_json(replace(found, source=source)), "notes": notes}
    except Fault as fault:
        return {"fault": fault.words}


def _needed(spec: ModelSpec, folder: Path) -> list[Path]:
    """The user's files that are imported to make the network and to ask it once."""
    locator, spec = locate(spec.arch, "network"), replace(spec, origin=str(folder))
    with importing(locator, str(folder)) as files:
        with _telling(spec, locator):
            network = made(spec)
        if isinstance(network, nn.Module):
            with contextlib.suppress(Exception), torch.no_grad():  # what is wrong is said of the copy
                network.eval()(torch.zeros(1, spec.in_channels, spec.image_size, spec.image_size))
    return sorted(set(files))


@contextlib.contextmanager
def _telling(spec: ModelSpec, locator: Locator) -> Iterator[None]:
    """What goes wrong while a user's code runs, as a `Fault`."""
    try:
        yield
    except Fault:
        raise
    except Exception as error:
        raise _fault(error, spec, locator) from error


def _fault(error: Exception, spec: ModelSpec, locator: Locator) -> Fault:
    where = place(error)
    if isinstance(error, AttributeError) and not where:
        return Fault(
            f"a function or class {locator.factory} in {locator.place}",
            f"no {locator.factory}",
            "correct the name behind the colon",
        )
    said = f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}" + where
    if locator.is_library and (close := near(locator)):
        return Fault(f"a network that {locator.place} has", said, f"did you mean {close}?")
    if isinstance(error, TypeError) and not where:
        with importing(locator, spec.origin):
            factory = find(locator, spec.origin)
            if not callable(factory):
                kind = f"{locator.factory} is of type {type(factory).__name__}"
                return Fault("a function or class that makes a network", kind, "name one behind the colon")
            known = ", ".join(map(str, parameters_of(factory).values())) or "none"
        return Fault(
            f"a factory that takes the number of classes and the arguments given; its parameters are: {known}",
            said,
            "give what it needs in args, or correct args",
        )
    return Fault("a module that can be imported, and a factory that makes a network", said, "correct it there")


def _installed(spec: ModelSpec) -> str:
    """Of a network of an installed package: the hash of its files; of a library's: of the names and shapes of its
    weights, which a new version of the library leaves as they are."""
    locator, digest = locate(spec.arch, "network"), hashlib.sha256()
    if locator.is_library:
        shapes = {name: list(value.shape) for name, value in bare(spec).state_dict().items()}
        digest.update(json.dumps(shapes).encode())
        return digest.hexdigest()
    return installed(locator)
