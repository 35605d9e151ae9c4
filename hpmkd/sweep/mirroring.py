"""A sweep and its mirror: what is fetched before it trains, and what is said at its end."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from hpmkd.audit.findings import archive, audit, mismatch
from hpmkd.cluster.stop_signals import StopSignals
from hpmkd.config.sweep import SweepConfig
from hpmkd.data.source.listing import count, named
from hpmkd.errors import ConfigMismatch, MirrorProblem, NotMirrored
from hpmkd.log import log, progress
from hpmkd.plan.job import Job
from hpmkd.store.inspection import Finding
from hpmkd.store.output_dir import OutputDir

if TYPE_CHECKING:
    from hpmkd.mirror.session import Mirror

_CLOSE_SECONDS = 120.0
_STOP_SECONDS = 12.0  # of the time that a stopped sweep has; see `StopSignals`


@contextlib.contextmanager
def mirrored(config: SweepConfig, output: OutputDir, force: bool) -> Iterator[Mirror | None]:
    """The mirror that the config names, see `closed`; None: it names none.

    Raises:
        MirrorProblem: it cannot be used. Locked: another sweep writes there.
    """
    if not config.record.mirror:
        yield None
        return
    from hpmkd.mirror.session import Mirror

    try:
        mirror = Mirror(output, config.record.mirror, force)
    except MirrorProblem as error:
        todo = f"{error.todo}; without --mirror (--record.mirror null) the sweep runs all the same"
        raise MirrorProblem(error.where, expected=error.expected, found=error.found, todo=todo) from error
    try:
        yield mirror
    except ConfigMismatch as error:
        mirror.close(0.0)
        todo = f"{error.todo}; or name another mirror, if {mirror.uri} is that of another sweep"
        raise ConfigMismatch(error.where, expected=error.expected, found=error.found, todo=todo) from error
    except BaseException:
        mirror.close(0.0)
        raise


def closed(mirror: Mirror, output: OutputDir, stop: StopSignals, code: int) -> int:
    """Has the rest copied; the exit code, in which a sweep that has failed or was stopped comes first."""
    try:
        left = mirror.close(_CLOSE_SECONDS if stop.caught is None else _STOP_SECONDS)
    except KeyboardInterrupt:
        log.error(f"error: {_incomplete(mirror, output, mirror.left())}")
        raise
    if not left:
        progress.info(f"everything is copied to {mirror.uri}")
        return code
    error = _incomplete(mirror, output, left)
    log.error(f"error: {error}")
    return code or (error.exit_code if stop.caught is None else code)


def _incomplete(mirror: Mirror, output: OutputDir, left: Sequence[str]) -> NotMirrored:
    return NotMirrored(
        f"{mirror.uri}: {count(len(left), 'file')} not copied there yet ({named(left, 3)})",
        expected=f"a copy of what {output.root} has",
        found=str(getattr(mirror.problem, "found", None) or mirror.problem or "no more time"),
        todo=f"hpmkd mirror {shlex.quote(str(output.root))} {shlex.quote(mirror.uri)}, or the same command again; "
        "nothing is lost here",
    )


def fetched(
    mirror: Mirror, jobs: Sequence[Job], findings: dict[str, Finding], output: OutputDir, *, force: bool
) -> dict[str, Finding]:
    """The findings after what is missing here has been fetched: results, and saved epochs of what has none.

    Args:
        mirror, output: of the sweep.
        jobs, findings: its plan, and what is here.
        force: models of other settings that are fetched go to `archive/`.

    Raises:
        ConfigMismatch: models there, or with what was fetched here, are of other settings or teachers, and no `force`.
    """
    mirror.need_its_models([job for job in jobs if job.key in findings and findings[job.key].good])
    whole = 0
    for rebuildable in (False, True):  # logits caches may be large, and with all students there nobody needs them
        wanted = [job for job in _lacking(jobs, findings) if job.role.is_rebuildable == rebuildable]
        found = mirror.download.results(wanted)
        if found:
            findings = audit(jobs, output)
            error = mismatch(findings, output)
            if error is not None and not force:
                raise error
            if error is not None:
                archive([one for one in findings.values() if one.state == "stale"], output)
                findings = audit(jobs, output)
            whole += sum(one.key in findings and findings[one.key].good for one in found)
    if whole:
        progress.info(f"fetched {count(whole, 'finished file')} from {mirror.uri}, not trained again")
    epochs = mirror.download.epochs(_lacking(jobs, findings))
    if epochs:
        progress.info(f"fetched {count(epochs, 'saved epoch')} from {mirror.uri}")
    return findings


def _lacking(jobs: Sequence[Job], findings: dict[str, Finding]) -> list[Job]:
    return [job for job in jobs if job.key in findings and not findings[job.key].good]
