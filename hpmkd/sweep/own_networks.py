"""Networks from elsewhere, looked at before anything is planned: in a process of its own, and noted in the output.

What a trial imports is the copy of the source in the output, `networks/HASH/`: it does not change while the sweep runs,
other hosts see it, and the output may be moved.
"""

from __future__ import annotations

import contextlib
import importlib.machinery
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hpmkd.audit.sweep_dir import noted_networks
from hpmkd.config.networks import ModelConfig
from hpmkd.config.own import Locator, is_own, locate
from hpmkd.config.specs import DataSpec, ModelSpec, model_from_json, model_to_json
from hpmkd.config.sweep import SweepConfig
from hpmkd.errors import EnvironmentProblem, UsageError
from hpmkd.files import commit_json
from hpmkd.log import log
from hpmkd.plan.own import Networks, asked, networks_to_json
from hpmkd.plan.pairs import pairs_of
from hpmkd.store.output_dir import OutputDir


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
            _place(copy, target)
        if self.networks or self.output.networks_file.exists():
            commit_json(self.output.networks_file, networks_to_json(self.networks))


@contextlib.contextmanager
def looked_at(config: SweepConfig, output: OutputDir, specs: Sequence[DataSpec]) -> Iterator[Known]:
    """What is known of each network from elsewhere that the sweep asks for; nothing is written unless it is noted.

    Args:
        config, output: of the sweep.
        specs: its data sets.

    Raises:
        UsageError: a network cannot be used. EnvironmentProblem: its library is not installed.
    """
    questions = list(_questions(config, specs))
    before = noted_networks(output) if questions else {}
    kept = {one.text: before[one.text] for one in questions if one.text in before and _is_gone(one)}
    new = [one for one in questions if one.text not in kept]
    with tempfile.TemporaryDirectory(prefix="hpmkd-networks-") as scratch:
        found, copies = _examined(new, Path(scratch), output)
        yield Known({**kept, **found}, output, copies)


def known_networks(config: SweepConfig, output: OutputDir, specs: Sequence[DataSpec]) -> Networks:
    """The same, for those who only plan."""
    with looked_at(config, output, specs) as known:
        return known.networks


def _questions(config: SweepConfig, specs: Sequence[DataSpec]) -> Iterator[_Question]:
    seen: set[str] = set()
    for where, network in _networks(config):
        locator = locate(network.arch, where)
        folder = _folder(locator, where)
        for data in specs:
            text = asked(network, data)
            if text not in seen:
                seen.add(text)
                yield _Question(text, where, locator, spec=_spec(network, data), folder=folder)


def _networks(config: SweepConfig) -> Iterator[tuple[str, ModelConfig]]:
    for pair in pairs_of(config).values():
        yield from ((where, network) for where, network in pair.items() if is_own(network.arch))


def _spec(network: ModelConfig, data: DataSpec) -> ModelSpec:
    locator = locate(network.arch, "")
    place = Path(locator.place).name if locator.is_file else locator.place
    return ModelSpec(
        f"{place}:{locator.factory}", (), in_channels=data.channels, image_size=data.image_size, classes=data.classes,
        arguments=json.dumps(network.args, sort_keys=True) if network.args else None,
        taps=tuple(network.taps) if network.taps is not None else None, head=network.head,
    )  # fmt: skip


def _is_gone(one: _Question) -> bool:
    """Its file is no longer where it was: what was noted, and the copy, are what there is."""
    return one.locator.is_file and not Path(one.locator.place).exists()


def _folder(locator: Locator, where: str) -> Path | None:
    """Where the user's module is imported from; None: it belongs to an installed package."""
    if locator.is_library:
        _need_library(locator.place, where)
        return None
    if locator.is_file:
        return Path(locator.place).parent.absolute()
    top = locator.place.partition(".")[0]
    found = importlib.machinery.PathFinder.find_spec(top, [os.getcwd(), *sys.path])
    if found is None or (found.origin is None and not found.submodule_search_locations):
        raise UsageError(
            f"{where}.arch: no module {top}",
            expected="a module or package in the working folder, or one that is installed",
            found=f"none of that name in {os.getcwd()} or in this environment",
            todo="correct the name, start the command where it lies, or name the file: path/to/file.py:FACTORY",
        )
    lies = Path(found.origin) if found.origin else Path(next(iter(found.submodule_search_locations or []))) / "x"
    root = lies.parent.parent if found.submodule_search_locations else lies.parent
    installed = {sysconfig.get_path(name) for name in ("purelib", "platlib", "stdlib")}
    return None if str(root) in installed else root.absolute()


def _need_library(name: str, where: str) -> None:
    if importlib.machinery.PathFinder.find_spec(name) is None:
        raise EnvironmentProblem(
            f"{where}.arch: the package {name} is not installed",
            expected="the optional extra timm" if name == "timm" else name,
            found="none",
            todo="pip install -e '.[timm]'" if name == "timm" else f"pip install {name}",
        )


def _examined(
    questions: Sequence[_Question], scratch: Path, output: OutputDir
) -> tuple[dict[str, ModelSpec], dict[Path, Path]]:
    """The answers, and where each copy of a source belongs."""
    _need_files(questions)
    found: dict[str, ModelSpec] = {}
    copies: dict[Path, Path] = {}
    for number, (one, answer) in enumerate(zip(questions, _asked(questions, scratch), strict=True)):
        if "fault" in answer:
            given = f" {one.spec.arguments}" if one.spec.arguments else ""
            raise UsageError(f"{one.where}.arch: {one.locator.place}:{one.locator.factory}{given}", **answer["fault"])
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
    request, answer = scratch / "request.json", scratch / "answer.json"
    content = [
        {
            "network": model_to_json(one.spec),
            "folder": None if one.folder is None else str(one.folder),
            "copy": None if one.folder is None else str(scratch / str(number)),
        }
        for number, one in enumerate(questions)
    ]
    request.write_text(json.dumps(content))
    command = [sys.executable, "-m", "hpmkd.models.examine", str(request), str(answer)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode or not answer.is_file():
        last = (done.stderr.strip().splitlines() or ["nothing was printed"])[-1]
        raise UsageError(
            f"{questions[0].where}.arch: the process that looks at the networks has ended",
            expected="modules that can be imported without ending Python",
            found=f"exit code {done.returncode}: {last}",
            todo="put what trains or exits under `if __name__ == '__main__':`",
        )
    answers: list[dict[str, Any]] = json.loads(answer.read_text())
    return answers


def _place(copy: Path, target: Path) -> None:
    """Puts a copy where it belongs; one that is there has the same content, by its name."""
    if target.is_dir():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".tmp-", dir=target.parent, ignore_cleanup_errors=True) as folder:
        whole = Path(folder) / "copy"
        shutil.copytree(copy, whole)
        whole.rename(target)
