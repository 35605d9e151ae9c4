"""`slurm`: writes a batch script that runs a sweep."""

from __future__ import annotations

import argparse
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from hpmkd.cli.parser import Arguments, parse
from hpmkd.cluster.slurm import GRACE_SECONDS, BatchJob, seconds_of
from hpmkd.config.modes import config_file
from hpmkd.config.paths import user_path
from hpmkd.errors import EXIT_OK, UsageError
from hpmkd.files import commit_bytes
from hpmkd.programme.members import opened
from hpmkd.sweep.resolution import resolve

_EXAMPLES = """  hpmkd slurm full --time 4:00:00 --gpus-per-node 4 --runs 5 > full.sbatch && sbatch full.sbatch
  hpmkd slurm full --nodes 3 --time 1-0 --gpus-per-node 8 -o /shared/full --script full.sbatch
  hpmkd slurm strong --partition spot --setup "module load cuda" --sbatch=--constraint=a100"""
_DESCRIPTION = """Writes a script for sbatch that runs a sweep: on one node, or on several as one Ray cluster. A job
whose time is over, or that is preempted, lets models save what they have done, queues again and continues, until it
ends with the sweep's own exit code. Nothing is submitted. All flags of `hpmkd run` are taken, too."""


# What SLURM would refuse, or read as something else.
_PATTERNS = (
    ("partition", r"[^\s]+", "names without spaces"),
    ("account", r"[^\s]+", "a name without spaces"),
    ("qos", r"[^\s]+", "a name without spaces"),
    ("mem", r"\d+[KMGT]?", "a size, such as 64G"),
)


def build_parser(prog: str) -> Arguments:
    """The flags of the command."""
    parser = Arguments(prog, _DESCRIPTION, _EXAMPLES)
    add = parser.add_argument
    add("mode", metavar="MODE", help="quick, full, another file of tune_configs/, or a path to one")
    add("--nodes", type=int, default=1, metavar="N", help="nodes; several share the output folder [1]")
    add("--time", metavar="TIME", help="time limit of each part, such as 4:00:00 or 1-12:00:00 [the partition's]")
    add("--partition", metavar="NAME", help="partition (queue)")
    add("--account", metavar="NAME", help="account that pays")
    add("--qos", metavar="NAME", help="quality of service")
    add("--gpus-per-node", type=int, metavar="N", help="GPUs of each node")
    add("--cpus-per-node", type=int, metavar="N", help="CPU cores of each node")
    add("--mem", metavar="SIZE", help="memory of each node, such as 64G")
    add(
        "--sbatch", action="append", default=[], metavar="OPTION", help="another option of sbatch: --sbatch=--exclusive"
    )
    add("--setup", action="append", default=[], metavar="LINE", help="a line of shell before the sweep")
    grace = f"how long before the time limit models save what they have done; at least 60 [{GRACE_SECONDS}]"
    add("--grace", type=int, default=GRACE_SECONDS, metavar="SECONDS", help=grace)
    add("--script", metavar="FILE", help="write it there, not to the terminal")
    return parser


def slurm(argv: Sequence[str], prog: str) -> int:
    """Runs the command; returns the exit code."""
    parser = build_parser(prog)
    given, rest = parser.parse_known_args(list(argv))
    _check(given)
    words = ["--mode", given.mode, *rest]
    request = parse(words, "hpmkd run")
    if request.dry_run or request.print_config or "--mode" in rest:
        raise UsageError(
            "command line: --dry-run, --print_config and --mode", expected="a sweep that trains, of MODE alone",
            todo="leave them out",
        )  # fmt: skip
    if request.overrides.get("resources.address"):
        raise UsageError("command line: --address", expected="the cluster that the script starts", todo="leave it out")
    if opened(request) is None:
        resolve(request)  # what is wrong is said now, not after hours in a queue
    source = config_file(given.mode)
    job = BatchJob(
        f"hpmkd-{re.sub(r'[^A-Za-z0-9._-]+', '-', source.stem)}",
        [sys.executable, "-m", "hpmkd", "run", *words],
        Path.cwd(),
        nodes=given.nodes,
        options=_options(given),
        setup=given.setup,
        grace=given.grace,
        made_by=f"{prog} {shlex.join(argv)}",
    )
    text = job.script()
    _need_shell(text)
    if given.script is None:
        print(text, end="")
        return EXIT_OK
    return _to_file(text, user_path(given.script, "--script").absolute())


def _to_file(text: str, path: Path) -> int:
    if path.exists() and path.read_bytes() != text.encode():
        raise UsageError(
            f"command line, --script: {path} exists", expected="a new file: that one may have been changed by hand",
            todo="name another one, or delete it",
        )  # fmt: skip
    commit_bytes(path, text.encode())
    print(f"submit it with: sbatch {shlex.quote(str(path))}")
    return EXIT_OK


def _need_shell(script: str) -> None:
    """Raises UsageError where lines of the user's (`--setup`) break it."""
    shell = shutil.which("bash")
    if shell is None:  # SLURM's machines have it
        return
    found = subprocess.run([shell, "-n"], input=script, capture_output=True, text=True, check=False)
    if found.returncode:
        said = found.stderr.strip().splitlines() or [""]
        raise UsageError(
            "command line, --setup", expected="whole commands of the shell", found=said[0], todo="correct it"
        )


def _check(given: argparse.Namespace) -> None:
    for name in ("nodes", "gpus_per_node", "cpus_per_node"):
        number = getattr(given, name)
        if number is not None and number < 1:
            raise UsageError(
                f"command line, --{name.replace('_', '-')}", expected="1 or more", found=str(number), todo="correct it"
            )
    seconds = None if given.time is None else seconds_of(given.time)
    if given.time is not None and seconds is None:
        raise UsageError(
            "command line, --time", expected="minutes, HOURS:MINUTES:SECONDS or DAYS-HOURS:MINUTES:SECONDS",
            found=repr(given.time), todo="correct it",
        )  # fmt: skip
    if given.grace < 60:
        raise UsageError(
            "command line, --grace", expected="60 s or more: a sweep that is stopped ends within 30",
            found=str(given.grace), todo="correct it, or leave it out",
        )  # fmt: skip
    if seconds is not None and seconds < given.grace + 60:
        raise UsageError(
            "command line, --time", expected=f"a minute more than --grace ({given.grace} s): else the job is over "
            "before anything is trained, and queues again for ever", found=given.time, todo="give it more time",
        )  # fmt: skip
    for name, pattern, expected in _PATTERNS:
        text = getattr(given, name)
        if text is not None and re.fullmatch(pattern, text) is None:
            raise UsageError(f"command line, --{name}", expected=expected, found=repr(text), todo="correct it")
    for text in given.sbatch:
        if not text.startswith("-") or "\n" in text:
            raise UsageError(
                "command line, --sbatch", expected="one option, on one line, such as --exclusive", found=repr(text),
                todo="correct it",
            )  # fmt: skip


def _options(given: argparse.Namespace) -> list[str]:
    named = {
        "time": given.time, "partition": given.partition, "account": given.account, "qos": given.qos,
        "gpus-per-node": given.gpus_per_node, "cpus-per-task": given.cpus_per_node, "mem": given.mem,
    }  # fmt: skip
    return [*(f"--{name}={value}" for name, value in named.items() if value is not None), *given.sbatch]
