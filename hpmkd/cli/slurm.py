"""`slurm`: writes a batch script that runs a sweep."""

from __future__ import annotations

import argparse
import re
import shlex
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
  hpmkd slurm strong --partition spot --setup "module load cuda" --sbatch "--constraint=a100" """
_DESCRIPTION = """Writes a script for sbatch that runs a sweep: on one node, or on several as one Ray cluster. A job
whose time is over, or that is preempted, lets models save their newest epoch, queues again and continues, until it ends
with the sweep's own exit code. Nothing is submitted. All flags of `hpmkd run` are taken, too."""


def build_parser(prog: str) -> Arguments:
    """The flags of the command."""
    parser = Arguments(prog, _DESCRIPTION, _EXAMPLES.rstrip())
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
    add("--sbatch", action="append", default=[], metavar="OPTION", help="another option of sbatch, such as --exclusive")
    add("--setup", action="append", default=[], metavar="LINE", help="a line of shell before the sweep")
    grace = f"how long before the time limit models save their newest epoch; at least 60 [{GRACE_SECONDS}]"
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
    if given.script is None:
        print(text, end="")
        return EXIT_OK
    path = user_path(given.script, "--script").absolute()
    commit_bytes(path, text.encode())
    print(f"submit it with: sbatch {shlex.quote(str(path))}")
    return EXIT_OK


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
    for text in (*given.sbatch, given.partition, given.account, given.qos, given.mem):
        if text is not None and ("\n" in text or not text.strip()):
            raise UsageError(
                "command line: an option of sbatch", expected="one line", found=repr(text), todo="correct it"
            )


def _options(given: argparse.Namespace) -> list[str]:
    named = {
        "time": given.time, "partition": given.partition, "account": given.account, "qos": given.qos,
        "gpus-per-node": given.gpus_per_node, "cpus-per-task": given.cpus_per_node, "mem": given.mem,
    }  # fmt: skip
    return [*(f"--{name}={value}" for name, value in named.items() if value is not None), *given.sbatch]
