"""`bench`: latencies of models, and how much faster a sweep is with more workers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpmkd.audit.sweep_dir import need_sweep, open_saved
from hpmkd.cli.parser import Arguments
from hpmkd.config.bench import BenchConfig
from hpmkd.config.paths import user_path
from hpmkd.config.request import Request
from hpmkd.errors import EXIT_OK, EXIT_SOME_FAILED
from hpmkd.log import step_lines, steps
from hpmkd.store.named_file import need_network_file

if TYPE_CHECKING:
    from argparse import Namespace

    from hpmkd.store.latency_file import Latencies

_RUNTIMES = ("eager", "export", "onnx")
_EXAMPLES = """  hpmkd bench latency results/quick      one network per architecture, into its report
  hpmkd bench latency teacher.pt student.pt --threads 1 2 --batch-sizes 1 32 -o both.json
  hpmkd bench speedup --mode quick --workers 1 2 4 --repeats 5
  hpmkd bench speedup results/mine      of a sweep with its own settings"""
_DESCRIPTION = """latency: median, p90, p95, p99 of a call with intervals, images per second, size and peak memory,
of model files or of a sweep's networks, in eager torch, torch.export (.pt2, not compiled) and onnx runtime. What
is compared takes turns. It is looked how quiet the machine is; one network is measured twice, and where it does
not equal itself the numbers are marked. Written to DIR/latency.json (of files: ./latency.json). Exit code 1: not
to be trusted.
speedup: trains the sweep of --mode, or of DIR, once, then again and again with so many workers, in empty folders,
without the shared memory: speed-up, efficiency, serial fraction, and the least time that is possible, in
DIR/speedup.json.
Both continue after an interruption, and hpmkd report DIR shows both."""


def build_parser(prog: str) -> Arguments:
    """The flags of the command; what none sets has the default of the config's section `bench`."""
    parser = Arguments(prog, _DESCRIPTION, _EXAMPLES)
    add = parser.add_argument
    add("what", choices=("latency", "speedup"), help="what is measured")
    add("paths", metavar="PATH", nargs="*", help="latency: model files, or a sweep's folder; speedup: such a folder")
    add("-o", "--output", metavar="PATH", help="latency: the JSON file; speedup: the folder [results/<mode>]")
    add("-q", "--quiet", action="store_true", help="do not say what is being done")
    add("--json", action="store_true", help="latency: print the JSON instead of tables")
    add("--runtimes", nargs="+", choices=_RUNTIMES, help="latency: [all that are installed]")
    add("--batch-sizes", nargs="+", type=int, metavar="N", help="latency: images per call [1 8 32 128]")
    add("--threads", nargs="+", type=int, metavar="N", help="latency: CPU threads of a call [1]")
    add("--devices", nargs="+", choices=("cpu", "cuda"), help="latency: [cpu, and cuda where there is one]")
    add("--measurements", type=int, metavar="N", help="latency: calls at batch size 1, at most at others [1000]")
    add("--seconds", type=float, help="latency: of a network at each other batch size, at most [5]")
    add("--tolerance", type=float, help="latency: how far from 1 the control's interval may reach [0.05]")
    add("--need-quiet", action="store_true", help="latency: a machine that is not quiet is an error (exit code 3)")
    add("--mode", metavar="NAME", help="speedup: a file of tune_configs/, or a path to one")
    add("--workers", nargs="+", type=int, metavar="N", help="speedup: trials side by side [1 2 4 8, as cores allow]")
    add("--repeats", type=int, metavar="N", help="speedup: how often each number of workers [3]")
    return parser


def bench(argv: Sequence[str], prog: str) -> int:
    """Runs the command; returns the exit code."""
    parser = build_parser(prog)
    given = parser.parse_args(list(argv))
    return (_latency if given.what == "latency" else _speedup)(given, parser)


def _latency(given: Namespace, parser: Arguments) -> int:
    if not given.paths:
        parser.error("latency: model files, or the folder of a sweep")
    wanted = _settings(given, parser, ("runtimes", "batch_sizes", "threads", "measurements", "seconds", "tolerance"))
    folders = [path for path in given.paths if Path(path).is_dir()]
    if folders and len(given.paths) > 1:
        parser.error(f"latency: {folders[0]} is a folder; name one folder, or model files")
    paths = [user_path(path, "PATH") for path in given.paths]
    for path in paths:  # before torch is imported
        need_sweep(path) if folders else need_network_file(path, or_folder=len(paths) == 1)
    with step_lines(not given.quiet):
        steps.info("loading torch")
        from hpmkd.bench.measure import Wishes, devices, latency_settings, measure
        from hpmkd.bench.networks import of_files, of_sweep

        if folders:
            output = open_saved(paths[0]).output
            networks, target = of_sweep(output), output.latency_file
        else:
            networks = of_files(paths)
            target = Path("latency.json")
        target = user_path(given.output, "--output") if given.output else target
        settings = latency_settings(wanted, tuple(given.devices or devices()))
        found = measure(networks, settings, target, Wishes(need_quiet=given.need_quiet, tell=steps.info))
    _show(found, target, given.json)
    return EXIT_OK if all(one.trusted for one in found.controls) else EXIT_SOME_FAILED


def _settings(given: Namespace, parser: Arguments, names: Sequence[str]) -> BenchConfig:
    """The section `bench` with what the flags set."""
    values = {name: value for name in names if (value := getattr(given, name)) is not None}
    try:
        return BenchConfig(**values)
    except ValueError as error:
        first: Any = error.errors()[0] if hasattr(error, "errors") else {"loc": ("flags",), "msg": str(error)}
        parser.error(f"--{str(first['loc'][0]).replace('_', '-')}: {first['msg'].removeprefix('Value error, ')}")


def _show(found: Latencies, target: Path, as_json: bool) -> None:
    from rich.console import Console
    from rich.text import Text

    from hpmkd.bench.latency_tables import remarks, tables

    if as_json:
        print(json.dumps(json.loads(target.read_bytes()), indent=1))
        return
    console = Console(highlight=False)
    for table in tables(found):
        console.print(table)
    for line in remarks(found):
        console.print(Text(line), soft_wrap=True)
    console.print(Text(f"all numbers: {target}"), soft_wrap=True)


def _speedup(given: Namespace, parser: Arguments) -> int:
    if len(given.paths) > 1 or bool(given.paths) == bool(given.mode):
        parser.error("speedup: either --mode NAME or the folder of a sweep")
    wanted = _settings(given, parser, ("workers", "repeats"))
    request = Request(mode=given.mode, output=given.output, restore=given.paths[0] if given.paths else None)
    request.overrides = {"bench.workers": wanted.workers or [1, 2, 4, 8]}
    if given.repeats is not None:
        request.overrides["bench.repeats"] = wanted.repeats
    request.places = {key: f"command line, --{key.partition('.')[2]}" for key in request.overrides}
    request.quiet = given.quiet
    from hpmkd.programme.api import execute

    return execute(request)
