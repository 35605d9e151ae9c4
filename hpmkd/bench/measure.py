"""All of `hpmkd bench latency`: from networks to `latency.json`, block by block, continued where it was stopped."""

from __future__ import annotations

import contextlib
import glob
import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import torch

from hpmkd.bench import quiet
from hpmkd.bench.latency import (
    Block,
    Settings,
    Turn,
    control_of,
    load,
    settings_json,
    subjects_of,
    take_turns,
    turns_of,
    with_block,
)  # fmt: skip
from hpmkd.bench.networks import Network
from hpmkd.bench.prepared import Prepared, prepare
from hpmkd.bench.processes import Process
from hpmkd.config.bench import BenchConfig
from hpmkd.errors import EnvironmentProblem, Refused
from hpmkd.files import need_writable
from hpmkd.hardware import cores, machine
from hpmkd.log import log
from hpmkd.store import latency_file
from hpmkd.store.latency_file import Latencies

Tell = Callable[[str], None]
BEFORE = "before"
_MINE = f"hpmkd-bench-{platform.node()}-"  # a folder of another machine's process may lie beside it


@dataclass(frozen=True)
class Wishes:
    """How it is done. `need_quiet`: a machine that is not is an error; `again`: measure what is measured already;
    `tell`: is told what is being done."""

    need_quiet: bool = False
    again: bool = True
    tell: Tell = lambda text: None


def devices() -> tuple[str, ...]:
    """`cpu`, and `cuda` where there is one."""
    return ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",)


def latency_settings(config: BenchConfig, on: tuple[str, ...]) -> Settings:
    """What the section `bench` of a config asks for, on these devices."""
    return Settings(
        batch_sizes=tuple(config.batch_sizes),
        threads=tuple(config.threads),
        runtimes=tuple(config.runtimes),
        devices=on,
        measurements=config.measurements,
        seconds=config.seconds,
        tolerance=config.tolerance,
    )


def measure(networks: Sequence[Network], settings: Settings, path: Path, wishes: Wishes) -> Latencies:
    """Measures what `path` does not have yet, and writes it there after each block.

    Raises:
        EnvironmentProblem: a device is not there, the machine is not quiet and must be, a worker has died, `path`
            cannot be written, or nothing of it can be measured here: then the file at `path` stays as it is.
    """
    blocks, left_out = blocks_of(settings)
    if not blocks:
        raise nothing_measured(left_out)
    need_writable(path)
    _remove_left_folders()
    with tempfile.TemporaryDirectory(prefix=f"{_MINE}{os.getpid()}-") as folder:
        prepared, missing = prepare(networks, settings.runtimes, Path(folder), wishes.tell)
        if not prepared:
            raise nothing_measured([*left_out, *missing])
        found = Latencies(
            settings_json(settings), machine_facts(settings), tuple(subjects_of(prepared)),
            left_out=(*left_out, *missing),
        )  # fmt: skip
        found = continued(found, path, wishes.again)
        open_blocks = [one for one in blocks if one not in found.blocks()]
        if found.complete and not open_blocks:
            return found
        if open_blocks:
            seen = _look(wishes)
            found = replace(found, quiet={**found.quiet, BEFORE: list(seen.warnings)}, state=dict(seen.facts))
        for device, threads in open_blocks:
            block, disturbed, refused = _block(device, threads, prepared, settings=settings, tell=wishes.tell)
            found = with_block(found, block, settings, disturbed)
            found = replace(found, left_out=tuple(dict.fromkeys((*found.left_out, *refused))))
            if found.cells:
                latency_file.write(found, path)
        if not found.cells:
            raise nothing_measured(found.left_out)
        found = replace(found, complete=True)
        latency_file.write(found, path)
    return found


def _remove_left_folders() -> None:
    """Those that a killed measurement on this machine has left."""
    for folder in Path(tempfile.gettempdir()).glob(f"{glob.escape(_MINE)}*-*"):
        number = folder.name.removeprefix(_MINE).partition("-")[0]
        if number.isdecimal() and not psutil.pid_exists(int(number)):
            shutil.rmtree(folder, ignore_errors=True)


def nothing_measured(left_out: Sequence[str]) -> EnvironmentProblem:
    """The error where no latency can be measured at all."""
    return EnvironmentProblem(
        "no latency can be measured here", expected="a runtime and a number of threads that this machine has",
        found="; ".join(left_out) or "neither", todo="name others: --threads, --runtimes, --devices (in a sweep "
        "bench.threads, bench.runtimes)",
    )  # fmt: skip


def blocks_of(settings: Settings) -> tuple[list[tuple[str, int]], list[str]]:
    """Device and threads of each block, and what this machine does not allow."""
    made, left_out = [], []
    for device in settings.devices:
        if device != "cpu" and device not in devices():
            raise EnvironmentProblem(
                f"--devices: no {device} here", expected=f"one of {', '.join(devices())}", found=device,
                todo="leave it out, or measure on a machine that has one",
            )  # fmt: skip
        for threads in settings.threads if device == "cpu" else settings.threads[:1]:
            if threads > cores():
                left_out.append(f"{threads} threads: there are {cores()} cores")
            else:
                made.append((device, threads))
    return made, left_out


def continued(found: Latencies, path: Path, again: bool) -> Latencies:
    """What is at `path`, where it is a part of the same measurement; a whole one only if not `again`."""
    before = latency_file.read(path)
    if before is None or (before.complete and again):
        return found
    same = (before.settings, before.machine, before.subjects) == (found.settings, found.machine, found.subjects)
    return before if same else found


def machine_facts(settings: Settings) -> dict[str, str]:
    """On what it is measured."""
    made = {"hardware": machine(), "torch": str(torch.__version__)}
    with contextlib.suppress(ImportError):
        import onnxruntime

        made["onnxruntime"] = str(onnxruntime.__version__)
    if "cuda" in settings.devices and torch.cuda.is_available():
        made["gpu"] = torch.cuda.get_device_name()
    return made


def _look(wishes: Wishes) -> quiet.Quiet:
    wishes.tell("looking how quiet the machine is")
    found = quiet.now()
    for text in found.warnings:
        log.warning(f"not a quiet machine: {text}")
    if found.warnings and wishes.need_quiet:
        raise EnvironmentProblem(
            "the machine is not quiet enough to measure", expected="nothing else at work, and a fixed frequency",
            found="; ".join(found.warnings), todo="end what else is at work, or leave --need-quiet out",
        )  # fmt: skip
    return found


def _block(
    device: str, threads: int, prepared: Sequence[Prepared], settings: Settings, tell: Tell
) -> tuple[Block, tuple[str, ...], list[str]]:
    """What it found, how quiet it was meanwhile, and which runtimes could not be used."""
    block, refused = Block(device, threads), []
    control = control_of([one.network for one in prepared]).name
    with contextlib.ExitStack() as stack:
        timers = {}
        for runtime in dict.fromkeys(one.runtime for one in prepared):
            timer = stack.enter_context(Process(device, threads))
            tell(f"{block.words}: loading {runtime}")
            try:
                load({runtime: timer}, [one for one in prepared if one.runtime == runtime], control)
                timers[runtime] = timer
            except Refused as error:
                refused.append(f"{runtime} on {device}: {error.found}")
        usable = [one for one in prepared if one.runtime in timers]
        names = [(one.network.name, one.runtime) for one in usable]
        numbers = [timer.process.pid for timer in timers.values()]
        before = quiet.read(numbers)
        turns = turns_of(names, control, settings.batch_sizes)
        block.rounds = take_turns(
            timers, turns, settings, lambda done, of: tell(f"{block.words}: round {done} of {of}")
        )
        seen = quiet.compare(before, quiet.read(numbers)).warnings
    block.memory = _memory(device, usable, settings.batch_sizes, tell)
    return block, seen, refused


def _memory(
    device: str, prepared: Sequence[Prepared], batch_sizes: Sequence[int], tell: Tell
) -> dict[Turn, int | None]:
    """Bytes at the peak of a first call; a process that measures nothing else."""
    made: dict[Turn, int | None] = {}
    with Process(device, 1) as worker:
        for one in prepared:
            tell(f"{device}: memory of {one.network.name} in {one.runtime}")
            name = one.network.name
            worker.ask("load", name=name, runtime=one.runtime, path=str(one.path), shape=one.network.shape)
            for batch in batch_sizes:
                made[Turn(name, one.runtime, batch)] = worker.ask("memory", name=name, batch=batch)["bytes"]
            worker.ask("forget", name=name)
    return made
