"""`verify`: checks every file of an output folder."""

from __future__ import annotations

import argparse
import json
import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from hpmkd.audit.owner import alive
from hpmkd.audit.status import continues
from hpmkd.audit.sweep_dir import Sweep, is_older, no_sweep, open_sweep
from hpmkd.audit.verification import measurements, verify_output
from hpmkd.cli.parser import Arguments
from hpmkd.config.paths import user_path
from hpmkd.config.programme import modes_in
from hpmkd.config.sweep import DataConfig
from hpmkd.data.source.listing import named
from hpmkd.errors import EXIT_ENVIRONMENT, EXIT_OK, EXIT_SOME_FAILED, UsageError
from hpmkd.numeric import divide, fixed, json_ready
from hpmkd.plan.roles import NETWORK_SUFFIX
from hpmkd.store.inspection import Finding
from hpmkd.store.output_dir import OutputDir
from hpmkd.text_table import TextTable, printable

_EXAMPLES = """  hpmkd verify results/quick
  hpmkd verify results/quick --evaluate     measure every test accuracy again
  hpmkd verify results/quick --json | jq '.files[] | select(.state != "good")'"""
_DESCRIPTION = """Checks every file of an output folder: size and hash in its sidecar, the CRC of every part, types and
hash of its metadata, that it was trained with the planned settings, and that its parents still have the weights that
it was trained from; and the files of measured times. Writes nothing; can run during a sweep. Exit code 0: all files
are there and good; 1: some are not, or the plan cannot be used; 3: a file cannot be read from the disk, or (--evaluate)
images are missing."""
_UNUSABLE = "checked without its plan, which cannot be used"
_STYLES = {"good": "green", "damaged": "red", "unreadable": "red"}  # of all other states: yellow


def build_parser(prog: str) -> Arguments:
    """The flags of the command."""
    parser = Arguments(prog, _DESCRIPTION, _EXAMPLES)
    parser.add_argument("dir", metavar="DIR", help="the output folder of a sweep, or of a programme")
    parser.add_argument("--evaluate", action="store_true", help="measure the test accuracy of each model again")
    parser.add_argument(
        "--data-dir", metavar="DIR", help="--evaluate: folder of the data sets, if it is not the one of the sweep"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return parser


def verify(argv: Sequence[str], prog: str) -> int:
    """Runs the command; returns the exit code."""
    given = build_parser(prog).parse_args(list(argv))
    root = user_path(given.dir, "DIR").absolute()
    names = modes_in(root)
    if not names:
        checked = _checked(root, given)
        if given.json:
            print(json.dumps(_as_json(*checked), indent=1))
        else:
            _show(*checked)
        return _exit_code(*checked[1:])
    return _several(root, names, given)


def _checked(root: Path, given: argparse.Namespace) -> tuple[OutputDir, list[Finding], str]:
    """A sweep's folder, what its files are worth, and a word on how they were checked."""
    output = OutputDir(root)
    if not (output.models.is_dir() or output.config_file.is_file()):
        raise no_sweep(output.root)
    plan, word = _plan(output)
    if plan is None and not output.models.is_dir():
        raise _no_models(output, word)
    findings = verify_output(output, plan.jobs if plan else None)
    if given.evaluate:
        data = plan.config.data if plan else DataConfig()
        if given.data_dir is not None:
            data = data.model_copy(update={"dir": str(user_path(given.data_dir, "--data-dir").absolute())})
        findings = [_measured(finding, output, data, _sources(plan)) for finding in findings]
    return output, [*findings, *measurements(output)], word


def _several(root: Path, names: Sequence[str], given: argparse.Namespace) -> int:
    """Those of a programme, one after another; a sweep that was not started yet has no good files."""
    codes, told = [EXIT_OK], dict[str, Any]()
    for name in names:
        try:
            checked = _checked(root / name, given)
        except UsageError as error:
            codes.append(EXIT_SOME_FAILED)
            about = {"output": str(root / name), "plan": False, "remark": str(error), "command": None}
            told[name] = {**about, "counts": {}, "files": []}
            if not given.json:
                Console(highlight=False).print(Text(f"{root / name}: not started"), soft_wrap=True)
            continue
        codes.append(_exit_code(*checked[1:]))
        told[name] = _as_json(*checked)
        if not given.json:
            _show(*checked)
    if given.json:
        print(json.dumps({"root": str(root), "sweeps": told}, indent=1))
    return max(codes)


def _no_models(output: OutputDir, word: str) -> UsageError:
    """Of a sweep that was started and then went no further, or whose models were moved away."""
    return UsageError(
        f"{output.root}: this sweep has no models yet",
        expected=f"{output.models.name}/ there, or a plan ({output.datasets_file.name}), to tell what is missing",
        found=f"neither ({word})",
        todo=f"continue it: hpmkd run --restore {shlex.quote(str(output.root))}",
    )


def _plan(output: OutputDir) -> tuple[Sweep | None, str]:
    """The sweep as it was left, or None; and a word on it."""
    try:
        if is_older(output):
            return None, "a sweep of hpmkd 0.1: checked without its plan, so missing files are not reported"
        return open_sweep(output.root), ""
    except FileNotFoundError as error:
        name = Path(str(error.filename)).name
        return None, f"no {name}: checked without the plan, so missing files are not reported"
    except Exception as error:  # whatever is in those two files, the models can still be judged
        return None, f"{_UNUSABLE}, so missing files are not reported: {error}"


def _sources(plan: Sweep | None) -> dict[str, str | None]:
    return {job.data.name: job.data.source for job in plan.jobs} if plan else {}


def _measured(finding: Finding, output: OutputDir, data: DataConfig, sources: dict[str, str | None]) -> Finding:
    header = finding.header
    if header is None or finding.state in ("damaged", "unreadable") or "recipe" not in header.metadata:
        return finding
    if not finding.file.endswith(NETWORK_SUFFIX):
        return finding
    from hpmkd.training.remeasure import measure

    found, wrong = measure(header, output.models / finding.file, data, sources)
    if wrong:
        return replace(finding, state="damaged", reason=wrong, measured_pct=found)
    return replace(finding, measured_pct=found)


def _exit_code(findings: list[Finding], word: str) -> int:
    states = {finding.state for finding in findings}
    if "unreadable" in states:
        return EXIT_ENVIRONMENT
    return EXIT_OK if states <= {"good"} and not word.startswith(_UNUSABLE) else EXIT_SOME_FAILED


def _as_json(output: OutputDir, findings: list[Finding], word: str) -> dict[str, Any]:
    def row(finding: Finding) -> dict[str, Any]:
        header = finding.header
        known: dict[str, Any] = {"accuracy_pct": None, "train_seconds": None, "size": None, "sha256": None}
        if header is not None:
            known = {"accuracy_pct": header.accuracy, "train_seconds": header.train_time}
            known |= {"size": header.size, "sha256": header.sha256}
        about = {"file": finding.file, "state": finding.state, "problem": finding.reason or None}
        return {**about, "notes": list(finding.notes), **known, "measured_pct": finding.measured_pct}

    counts = Counter(finding.state for finding in findings)
    about = {"output": str(output.root), "plan": not word, "remark": word or None}
    about["command"] = _command(output, findings, word)
    return dict(json_ready({**about, "counts": dict(counts), "files": [row(finding) for finding in findings]}))


def _show(output: OutputDir, findings: list[Finding], word: str) -> None:
    console = Console(highlight=False)
    measured = any(finding.measured_pct is not None for finding in findings)
    headings = ("file", "state", "accuracy %", *["measured %"] * measured, "MB")
    rows = [_row(finding, measured) for finding in findings]
    if rows:
        console.print(TextTable("", headings, rows, words=["state"]))
    for line, style in _remarks(findings):
        console.print(Text(line, style=style), soft_wrap=True)
    counts = Counter(finding.state for finding in findings)
    said = ", ".join(f"{count} {state}" for state, count in counts.items()) or "no files"
    console.print(Text(f"{output.root}: {said}"), soft_wrap=True)
    if word:
        console.print(Text(word), soft_wrap=True)
    elif (command := _command(output, findings, word)) is not None:
        console.print(Text(f"continue with: {command}"), soft_wrap=True)


def _command(output: OutputDir, findings: list[Finding], word: str) -> str | None:
    """What makes again what is missing or damaged; None where nothing is, or where a sweep is at it."""
    if word or not any(map(_is_left, findings)) or alive(output)[0] in ("running", "elsewhere"):
        return None
    return continues(output.root)


def _is_left(finding: Finding) -> bool:
    """Whether a sweep makes the file again. It does not measure: one whose accuracy is wrong is good to it."""
    return finding.job is not None and finding.state in ("missing", "damaged") and finding.measured_pct is None


def _row(finding: Finding, measured: bool) -> list[str | Text]:
    header = finding.header
    numbers = [fixed(header.accuracy, 2) if header else ""]
    if measured:
        numbers.append("" if finding.measured_pct is None else fixed(finding.measured_pct, 2))
    numbers.append(fixed(divide(header.size, 1e6), 2) if header else "")
    return [finding.file, Text(finding.state, style=_style(finding)), *numbers]


def _style(finding: Finding) -> str:
    return _STYLES.get(finding.state, "yellow")


def _remarks(findings: list[Finding]) -> list[tuple[str, str]]:
    """Lines below the table, what is not good last: `teacher_D.pt: ...`, or one line for all files of one remark."""
    files: dict[tuple[str, str], list[str]] = {}
    for finding in sorted(findings, key=lambda finding: not finding.good):
        for remark in filter(None, (finding.reason, *finding.notes)):
            style = "" if finding.good else _style(finding)
            files.setdefault((remark, style), []).append(printable(finding.file))
    return [
        (f"{names[0]}: {remark}" if len(names) == 1 else f"{len(names)} files: {remark} ({named(names)})", style)
        for (remark, style), names in files.items()
    ]
