"""Networks from elsewhere, looked at before anything is planned: in a process of its own, and noted in the output.

What a trial imports is the copy of the source in the output, `networks/HASH/`: it does not change while the sweep runs,
other hosts see it, and the output may be moved.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hpmkd.audit.sweep_dir import noted_networks
from hpmkd.config.networks import GivenConfig, ModelConfig
from hpmkd.config.own import Locator, is_own, locate
from hpmkd.config.specs import DataSpec, ModelSpec, model_from_json, model_to_json
from hpmkd.config.sweep import SweepConfig
from hpmkd.errors import UsageError
from hpmkd.files import commit_json
from hpmkd.log import log
from hpmkd.plan.architecture import resolve
from hpmkd.plan.own import Networks, asked, is_noted, networks_to_json
from hpmkd.plan.pairs import pairs_of
from hpmkd.store.output_dir import OutputDir
from hpmkd.sweep.child import answers_of
from hpmkd.sweep.copying import put
from hpmkd.sweep.given_teachers import Given, given_teachers
from hpmkd.sweep.network_places import folder_of, gone


@dataclass(frozen=True)
class _Question:
    """A network to look at: how it is asked for, where that stands, and the spec as far as it is known."""

    text: str
    where: str
    locator: Locator
    spec: ModelSpec
    folder: Path | None


@dataclass(frozen=True)
class Known:
    """What is known of networks from elsewhere. `copies`: of the sources looked at now, each by where it belongs."""

    networks: Networks
    output: OutputDir
    copies: Mapping[Path, Path]

    def note(self) -> None:
        """Notes it in the output, for trials and for commands that read, and puts the copies there."""
        for target, copy in self.copies.items():
            put(copy, target)
        if self.networks or self.output.networks_file.exists():
            commit_json(self.output.networks_file, networks_to_json(self.networks))


@contextlib.contextmanager
def looked_at(config: SweepConfig, output: OutputDir, specs: Sequence[DataSpec]) -> Iterator[Known]:
    """What is known of each network from elsewhere that the sweep asks for; nothing is written unless it is noted.

    Args:
        config, output: of the sweep.
        specs: its data sets.

    Raises:
        UsageError: a network, or weights, cannot be used. EnvironmentProblem: its library is not installed.
    """
    wanted = {asked(one, data): (where, one, data) for where, one in _networks(config) for data in specs}
    before = noted_networks(output) if wanted else {}
    kept = {text: before[text] for text, (_, one, _) in wanted.items() if text in before and gone(one)}
    new = {text: one for text, one in wanted.items() if text not in kept}
    for place in dict.fromkeys(place for text in kept for place in gone(wanted[text][1])):
        log.info(f"{place} is no longer there: the copy of it in {output.networks} is used")
    with tempfile.TemporaryDirectory(prefix="hpmkd-networks-") as scratch:
        found, copies = _examined([_question(text, *one) for text, one in new.items()], Path(scratch), output)
        given, more = _given(new, found, Path(scratch), output=output, sources=copies)
        yield Known({**kept, **found, **given}, output, {**copies, **more})


def known_networks(config: SweepConfig, output: OutputDir, specs: Sequence[DataSpec]) -> Networks:
    """The same, for those who only plan."""
    with looked_at(config, output, specs) as known:
        return known.networks


def _networks(config: SweepConfig) -> Iterator[tuple[str, ModelConfig]]:
    """Where each of them is set, and what it is."""
    for pair in pairs_of(config).values():
        for where, network in pair.items():
            if is_noted(network):
                yield where, network
            elif getattr(network, "normalisation", None) is not None:
                raise UsageError(
                    f"{where}.normalisation: only of a teacher whose weights are given",
                    expected=f"{where}.weights beside it",
                    found="none",
                    todo="leave it out: images are normalised by their own mean and deviation",
                )


def _question(text: str, where: str, network: ModelConfig, data: DataSpec) -> _Question | None:
    """None: a network of hpmkd, of which only the weights come from elsewhere."""
    if not is_own(network.arch):
        return None
    locator = locate(network.arch, where)
    return _Question(text, where, locator, spec=_spec(network, data), folder=folder_of(locator, f"{where}.arch"))


def _given(
    wanted: Mapping[str, tuple[str, ModelConfig, DataSpec]],
    found: Networks,
    scratch: Path,
    *,
    output: OutputDir,
    sources: Mapping[Path, Path],
) -> tuple[dict[str, ModelSpec], dict[Path, Path]]:
    """Of teachers whose weights are given: with what was found out about these. `sources`: the copies of now."""
    teachers = {
        text: Given(one, where, found.get(text) or resolve(one.without_weights, data, where), data)
        for text, (where, one, data) in wanted.items()
        if isinstance(one, GivenConfig) and one.weights is not None
    }
    specs, copies = given_teachers(list(teachers.values()), scratch, output=output, sources=sources)
    return dict(zip(teachers, specs, strict=True)), copies


def _spec(network: ModelConfig, data: DataSpec) -> ModelSpec:
    locator = locate(network.arch, "")
    place = Path(locator.place).name if locator.is_file else locator.place
    return ModelSpec(
        f"{place}:{locator.factory}", (), in_channels=data.channels, image_size=data.image_size, classes=data.classes,
        arguments=json.dumps(network.args, sort_keys=True) if network.args else None,
        taps=tuple(network.taps) if network.taps is not None else None, head=network.head,
    )  # fmt: skip


def _examined(
    every: Sequence[_Question | None], scratch: Path, output: OutputDir
) -> tuple[dict[str, ModelSpec], dict[Path, Path]]:
    """The answers, and where each copy of a source belongs."""
    questions = [one for one in every if one is not None]
    _need_files(questions)
    found: dict[str, ModelSpec] = {}
    copies: dict[Path, Path] = {}
    for number, (one, answer) in enumerate(zip(questions, _asked(questions, scratch), strict=True)):
        if "fault" in answer:
            given = f" {one.spec.arguments}" if one.spec.arguments else ""
            fault = answer["fault"]
            raise UsageError(
                f"{one.where}.arch: {one.locator.place}:{one.locator.factory}{given}",
                expected=fault["expected"],
                found=fault["found"],
                todo=fault["todo"],
            )
        for note in answer["notes"]:
            log.warning(f"{one.where}.arch: {one.locator.place}:{one.locator.factory}: {note}")
        spec = model_from_json(answer["network"])
        if one.folder is not None:
            target = output.network_source(str(spec.source))
            copies[target], spec = scratch / str(number), replace(spec, origin=str(target))
        found[one.text] = spec
    return found, copies


def _need_files(questions: Sequence[_Question]) -> None:
    for one in questions:
        if one.locator.is_file and not Path(one.locator.place).is_file():
            raise UsageError(
                f"{one.where}.arch: no such file",
                expected="a Python file",
                found=one.locator.place,
                todo="correct the path",
            )


def _asked(questions: Sequence[_Question], scratch: Path) -> list[dict[str, Any]]:
    """The answers of a process that imports the modules."""
    if not questions:
        return []
    for place in dict.fromkeys(one.locator.place for one in questions if not one.locator.is_library):
        log.info(f"looking at the network in {place} (it is imported, here and where it is trained)")
    content = [
        {
            "network": model_to_json(one.spec),
            "folder": None if one.folder is None else str(one.folder),
            "copy": None if one.folder is None else str(scratch / str(number)),
        }
        for number, one in enumerate(questions)
    ]
    return answers_of("hpmkd.models.examine", content, scratch, f"{questions[0].where}.arch")
