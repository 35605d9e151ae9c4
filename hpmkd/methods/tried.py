"""Tries methods that users bring, in a process of its own: for each pair of networks two steps are trained.

See `child_process.run`, and `main`.
"""

from __future__ import annotations

import contextlib
import copy
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hpmkd.config.own_method import OwnMethod, method_from_json
from hpmkd.config.specs import ModelSpec, model_from_json
from hpmkd.methods.base import Distiller, FeatureDistiller, LogitDistiller
from hpmkd.methods.build import build_distiller
from hpmkd.models import build
from hpmkd.own_code.copies import alone, copied
from hpmkd.own_code.fault import Fault, place

_IMAGES, _SEED = 8, 5


def main(folder: Path) -> None:
    """Answers each question of a list with an empty object, or with what is wrong.

    Args:
        folder: `request.json` there is a list. Of each: `method`, an `OwnMethod`; `origin`, where its files lie (null:
            it belongs to an installed package); `copy`, a folder for them; `hparams` of a student's job; `networks`,
            its own and its teachers'; `origins`, where the source of each of them lies. `answer.json` will be the list
            of answers: `{}`, or `fault` (`expected`, `found`, `todo`).
    """
    torch.set_num_threads(1)
    with contextlib.redirect_stdout(sys.stderr):  # of the user's module
        answers = [_answer(**one) for one in json.loads((folder / "request.json").read_text())]
    (folder / "answer.json").write_text(json.dumps(answers))


def _answer(method: Mapping[str, Any], origin: str | None, copy: str | None, **job: Any) -> dict[str, Any]:
    try:
        with contextlib.ExitStack() as stack:
            if origin is not None and copy is not None:
                files = [Path(origin) / name for name in method["files"]]
                if not Path(copy).exists() and copied(files, Path(origin), Path(copy)) != method["source"]:
                    raise Fault("the source that was looked at", "another one", "start again: it was changed meanwhile")
                stack.enter_context(alone(Path(origin)))
            _try(method_from_json(method, copy), **job)
    except Fault as fault:
        return {"fault": fault.words}
    return {}


def _try(
    own: OwnMethod, hparams: Mapping[str, Any], networks: Sequence[Mapping[str, Any]], origins: Sequence[str | None]
) -> None:
    """Two steps, and the second one again from what an epoch checkpoint would hold after the first."""
    student, *teachers = map(model_from_json, networks, origins)
    trial = _Trial(own, dict(hparams), student, tuple(one.untrained for one in teachers))
    with _telling(own):
        whole = trial.begun()
        first = whole.step(0.0)
        saved = whole.state()
        second = whole.step(0.5)
        again = trial.begun()
        if again.step(0.0) != first:
            raise Fault(
                "the same loss twice, as torch's seed is the same", "another one",
                "draw random numbers from torch's global generator, and keep nothing in the class or the module",
            )  # fmt: skip
        other = trial.begun()
        other.load(saved)
        if other.step(0.5) != second:
            raise Fault(
                "the same loss after a resume: all that changes during the training in its state_dict",
                "another loss in the step after a checkpoint was loaded",
                "keep what changes in buffers (self.register_buffer), not in plain attributes",
            )


class _Begun:
    """A training that has begun: networks, loss, optimiser."""

    def __init__(self, network: nn.Module, distiller: Distiller, teachers: Sequence[nn.Module]) -> None:
        self.network, self.distiller, self.teachers = network, distiller, teachers
        parameters = [one for module in (network, distiller) for one in module.parameters() if one.requires_grad]
        self.optimizer = torch.optim.Adam(parameters, 1e-3)

    def step(self, progress: float) -> dict[str, float]:
        """The terms of its loss, after a step of the optimiser."""
        spec, taps = self.distiller.student, dict.fromkeys(self.distiller.needs, True)
        torch.manual_seed(_SEED)
        images = torch.randn(_IMAGES, spec.in_channels, spec.image_size, spec.image_size)
        target = torch.arange(_IMAGES) % spec.classes
        self.network.train()
        self.distiller.train()
        with torch.no_grad():
            known = [teacher(images, **taps) for teacher in self.teachers]
        known += [peer(images, **taps) for peer in self.distiller.peers]
        self.distiller.which = torch.arange(_IMAGES)
        with _own_terms_checked(self.distiller):
            terms = _need_terms(self.distiller.loss(self.network(images, **taps), known, target, progress))
        self.optimizer.zero_grad(set_to_none=True)
        torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
        if not any(one.grad is not None and bool(one.grad.any()) for one in self.network.parameters()):
            raise Fault(
                "a loss from which the student learns", "no gradient reaches the student",
                "make the terms of what the student says, without detach",
            )  # fmt: skip
        self.optimizer.step()
        return {name: float(term.detach()) for name, term in terms.items()}

    def state(self) -> list[Any]:
        """What an epoch checkpoint holds."""
        return [copy.deepcopy(one.state_dict()) for one in (self.network, self.distiller, self.optimizer)]

    def load(self, state: Sequence[Any]) -> None:
        """The reverse."""
        network, distiller, optimizer = copy.deepcopy(list(state))
        self.network.load_state_dict(network)
        self.distiller.load_state_dict(distiller)
        self.optimizer.load_state_dict(optimizer)


class _Trial:
    """What a student's training is begun from."""

    def __init__(
        self, own: OwnMethod, hparams: dict[str, Any], student: ModelSpec, teachers: tuple[ModelSpec, ...]
    ) -> None:
        self.own, self.hparams, self.student, self.teachers = own, hparams, student, teachers

    @property
    def searches(self) -> bool:
        """Whether temperature and alpha come from a search, which has not chosen them yet."""
        return self.own.kind in ("features", "kd") and not {"kd.temperature", "kd.alone"} & self.hparams.keys()

    def begun(self) -> _Begun:
        """Afresh."""
        searched = {"kd.temperature": 4.0, "kd.alpha": 0.9} if self.searches else {}
        distiller = build_distiller(
            self.own.name, {**self.hparams, **searched}, self.student, self.teachers, seed=_SEED, own=self.own
        )
        distiller.meet(torch.arange(4 * _IMAGES) % self.student.classes)
        networks = [build(one, _SEED + number).eval() for number, one in enumerate(self.teachers, 1)]
        if distiller.needs_validation:
            logits = torch.randn(len(networks), _IMAGES, self.student.classes)
            distiller.prepare(list(logits), torch.arange(_IMAGES) % self.student.classes)
        return _Begun(build(self.student, _SEED), distiller, networks)


_MADE = {FeatureDistiller: ("own", ("ce", "kd")), LogitDistiller: ("compare", ("ce",))}


@contextlib.contextmanager
def _own_terms_checked(distiller: Distiller) -> Iterator[None]:
    """While the method's own terms are added to others, which must not have their names."""
    name, others = next((how for base, how in _MADE.items() if isinstance(distiller, base)), ("", ()))
    if not name:
        yield
        return
    made = getattr(distiller, name)

    def checked(*given: Any, **named: Any) -> dict[str, Tensor]:
        found = _need_terms(made(*given, **named), name)
        for one in others:
            if one in found:
                raise Fault(
                    f"other names than {' and '.join(others)}, which the class it inherits from gives",
                    f"a term called {one}, which would take the place of that one", f"rename it in `{name}`",
                )  # fmt: skip
        return found

    object.__setattr__(distiller, name, checked)
    try:
        yield
    finally:
        object.__delattr__(distiller, name)


def _need_terms(found: Any, method: str = "loss") -> dict[str, Tensor]:
    expected = "named terms, each a tensor of one number: {'mine': ...}"
    if not isinstance(found, dict) or not found:
        raise Fault(expected, f"{type(found).__name__}: {found!r}"[:90], f"have `{method}` return a dict")
    for name, term in found.items():
        if not isinstance(name, str) or not name.strip() or "/" in name:
            raise Fault("names of terms: text without a slash", repr(name), f"rename it in `{method}`")
        if not isinstance(term, Tensor):
            said = f"{name} is of type {type(term).__name__}"
            raise Fault(expected, said, "make it a tensor, without float() or .item()")
    for name, term in found.items():
        if term.ndim != 0:
            raise Fault(f"one number as {name}", f"a tensor {tuple(term.shape)}", "take the mean over images")
        if not bool(torch.isfinite(term)):
            raise Fault(
                f"a finite {name}", f"{float(term.detach())} of random images and networks", "look for a division by 0"
            )
    return found


@contextlib.contextmanager
def _telling(own: OwnMethod) -> Any:
    """What goes wrong while a user's code runs, as a `Fault`."""
    try:
        yield
    except Fault:
        raise
    except Exception as error:
        said = f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}{place(error)}"
        raise Fault(
            "a loss of student and teachers, and gradients of it", said,
            "correct it there; outputs have what `needs` names: logits (N, K), features (N, C, H, W) by stage, "
            "embedding (N, D)",
        ) from error  # fmt: skip
