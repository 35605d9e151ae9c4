"""`--dry-run` of a programme: what each of its sweeps would train, and how long all of them take."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.text import Text

from hpmkd.audit.estimate import Estimate, estimate
from hpmkd.audit.findings import audit
from hpmkd.audit.timed_workers import need_workers
from hpmkd.data.source.listing import count
from hpmkd.errors import EXIT_OK, HpmkdError
from hpmkd.numeric import is_defined
from hpmkd.plan.catalog import baselines_of
from hpmkd.plan.planner import expand
from hpmkd.programme.members import Member, Opened, in_mode
from hpmkd.sweep.dry_run import about, hours
from hpmkd.sweep.own_networks import known_networks
from hpmkd.sweep.preparation import known_data, need_surroundings
from hpmkd.text_table import TextTable


@dataclass(frozen=True)
class Row:
    """What would happen to one of the sweeps; `remarks` as its own dry run has them."""

    name: str
    models: int
    done: int
    time: Estimate | None
    remarks: tuple[str, ...]


def dry_run(opened: Opened) -> int:
    """Prints it; trains nothing, writes nothing. Returns the exit code."""
    made, rows = set[str](), list[Row]()
    for member in opened.members:
        try:
            rows.append(_row(member, made))
        except HpmkdError as error:
            raise in_mode(member.name, error) from error
    console = Console(highlight=False)
    headings = ("mode", "models", "done", "to train", "time")
    console.print(TextTable("", headings, [_cells(row) for row in rows], words=["time"]))
    for line in _lines(opened, rows):
        console.print(Text(line), soft_wrap=True)
    return EXIT_OK


def _row(member: Member, made: set[str]) -> Row:
    """`made`: fingerprints of the models that earlier sweeps leave in the shared memory; this one's are added."""
    config, output = member.config, member.output
    if config.bench.workers:
        need_workers(config)
    specs = known_data(config, output)
    jobs = expand(config, specs, baselines_of(config), known_networks(config, output, specs))
    findings = audit(jobs, output, repair=False)
    missing = [job for job in jobs if job.key in findings and not findings[job.key].good]
    if missing:
        need_surroundings(config)
    time = estimate(config, findings, output, made) if missing else None
    remarks = about(config, output, jobs, findings=findings, force=member.request.force)
    made |= {job.fingerprint for job in jobs if job.shared}
    done = sum(finding.good for finding in findings.values())
    return Row(member.name, len(findings), done=done, time=time, remarks=tuple(remarks))


def _cells(row: Row) -> list[str | Text]:
    left = row.models - row.done
    return [row.name, f"{row.models:,}", f"{row.done:,}", f"{left:,}", _time(row.time)]


def _time(found: Estimate | None) -> str:
    if found is None:
        return ""
    return hours(found.seconds) if is_defined(found.seconds) else "not known"


def _lines(opened: Opened, rows: Sequence[Row]) -> list[str]:
    made = [f"mode {row.name}: {remark}" for row in rows for remark in row.remarks]
    times = [row.time for row in rows if row.time is not None]
    if times:
        known = sum(one.seconds for one in times if is_defined(one.seconds))
        unknown = sum(not is_defined(one.seconds) for one in times)
        shared = "what several modes have in the shared memory is counted once"
        made.append(
            f"about {hours(known)} on this machine ({shared}"
            + (f"; without {count(unknown, 'mode')} of which nothing is known)" if unknown else ")")
        )
        made.append(f"what these numbers are from, and every model: {_one(opened, rows)}")
    done, models = sum(row.done for row in rows), sum(row.models for row in rows)
    many = count(len(rows), "mode")
    made.append(f"{many}, {count(models, 'model')} in {opened.root}: {done:,} done, {models - done:,} to train")
    return [*made, "dry run: nothing was trained; without -n this command does it"]


def _one(opened: Opened, rows: Sequence[Row]) -> str:
    """The command that says more about one of them."""
    name = next(row.name for row in rows if row.time is not None)
    request = next(one.request for one in opened.members if one.name == name)
    folder = shlex.quote(str(opened.root / name))
    if request.restore is not None:
        return f"hpmkd run --restore {folder} -n"
    given = "" if not request.overrides else ", with the same settings"
    return f"hpmkd run --mode {shlex.quote(request.mode or name)} -o {folder} -n{given}"
