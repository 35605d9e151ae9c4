"""The index page of a programme: what each of its sweeps found, and what that says of the paper's claims."""

from __future__ import annotations

import datetime
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from hpmkd.analysis.report.content import UNPLANNED, Report, gather, to_continue
from hpmkd.analysis.report.write import environment, write_files
from hpmkd.audit.owner import alive
from hpmkd.audit.status import continues
from hpmkd.audit.sweep_dir import no_sweep
from hpmkd.config.programme import FILE, read_programme
from hpmkd.data.source.listing import count
from hpmkd.errors import UsageError
from hpmkd.files import commit_bytes
from hpmkd.log import steps
from hpmkd.numeric import clock
from hpmkd.programme.claims.base import Answer, Claim, answers
from hpmkd.programme.claims.catalog import CLAIMS
from hpmkd.store.output_dir import OutputDir

_NOT_STARTED = "not started"
_FAMILIES = (
    "p (Holm) is corrected within a family of its own: in a mode's headline and comparison over all baselines that a "
    "reference is compared with, in a section over that section's own questions. So a difference of the same two "
    "baselines may be shown in one of them and not in the other; that is no contradiction."
)


@dataclass(frozen=True)
class Entry:
    """One sweep of the programme on the page; without a report it was not started yet.

    Args:
        name: of its mode, and folder.
        models: how many there are.
        sentences: a section's title, or nothing, and what it says first.
        missing, failures, cautions: as of its report; how to continue, and what limits all sweeps, the page says once.
        is_there: whether it has a report.
    """

    name: str
    models: str
    sentences: tuple[tuple[str, str], ...] = ()
    missing: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()
    is_there: bool = False

    @property
    def is_told(self) -> bool:
        """Whether there is more to say than its row does."""
        return bool(self.sentences or self.failures)

    @property
    def lead(self) -> str:
        """Its first sentence."""
        return self.sentences[0][1] if self.sentences else ""


@dataclass(frozen=True)
class Index:
    """Everything on the page, in order. `claims`: each with the answers of the sweeps that have something to say;
    `cautions`: what limits every sweep; `continues`: what to do where something is left; `families`: over what p values
    are corrected."""

    title: str
    made: str
    entries: tuple[Entry, ...]
    claims: tuple[tuple[Claim, tuple[Answer, ...]], ...]
    totals: str
    cautions: tuple[str, ...] = ()
    continues: str = ""
    families: str = _FAMILIES


def write_index(root: Path) -> Path:
    """Writes the report of each sweep of a programme, and `report.html` and `report.md` with links to them.

    Returns:
        The HTML file.

    Raises:
        UsageError: no programme was started here. EnvironmentProblem: a folder cannot be written.
    """
    if not (root / FILE).is_file():
        raise no_sweep(root)
    programme, reports = read_programme(root / FILE), dict[str, Report]()
    for name in programme.names:
        steps.info(f"reporting on {root / name}")
        try:
            reports[name] = gather(root / name)
        except UsageError:
            continue  # not started, or not readable: its row says so
        write_files(reports[name])
    title = programme.title or f"{root.name}: {count(len(programme.names), 'mode')}"
    page = compose(title, programme.names, reports, _continues(root, programme.names, reports))
    for name, autoescape in (("report.md", False), ("report.html", True)):
        text = environment(autoescape=autoescape).get_template(f"index.{name.partition('.')[2]}.j2").render(index=page)
        commit_bytes(root / name, text.encode(errors="backslashreplace"))
    return root / "report.html"


def _continues(root: Path, names: list[str], reports: dict[str, Report]) -> str:
    """How to go on with all of them; empty where nothing is left, or they are being trained."""
    left = len(reports) < len(names) or any(one.continues for one in reports.values())
    return to_continue(continues(root)) if left and alive(OutputDir(root))[0] not in ("running", "elsewhere") else ""


def compose(title: str, names: list[str], reports: dict[str, Report], continues: str = "") -> Index:
    """The page on what was read; `continues`: how to go on with the programme."""
    said = [set(one.cautions) for one in reports.values() if _students(one)]
    common = set.intersection(*said) if len(said) > 1 else set()
    entries = tuple(_entry(name, reports.get(name), common) for name in names)
    cautions = tuple(dict.fromkeys(line for one in reports.values() for line in one.cautions if line in common))
    claims = tuple((claim, tuple(answers(claim, reports))) for claim in CLAIMS)
    made = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    totals = _totals(reports)
    return Index(title, made, entries, claims=claims, totals=totals, cautions=cautions, continues=continues)


def _students(report: Report) -> bool:
    """Whether any is trained: without, a sweep has only to say that it can say nothing."""
    students = report.frame[(report.frame["role"] == "student") & report.frame["planned"].astype(bool)]
    return bool(students["accuracy_pct"].notna().any())


def _entry(name: str, report: Report | None, common: Collection[str]) -> Entry:
    """`common`: cautions that the page has already."""
    if report is None:
        return Entry(name, _NOT_STARTED)
    missing = tuple(line for line in report.missing if line not in report.continues)
    found = len(report.frame[report.frame["planned"]])
    if not found and UNPLANNED in missing:
        return Entry(name, _NOT_STARTED, is_there=True)
    models = "; ".join([*([count(found, "model")] if found or not missing else []), *missing[:1]])
    if not _students(report):
        return Entry(name, models, missing=missing, failures=report.failures, is_there=True)
    cautions = tuple(line for line in report.cautions if line not in common)
    said = tuple(_sentences(name, report))
    return Entry(name, models, said, missing=missing, failures=report.failures, cautions=cautions, is_there=True)


def _sentences(name: str, report: Report) -> list[tuple[str, str]]:
    """What the mode is about comes first: its own section, or where it has none the comparison of its baselines."""
    mode = name.partition("_")[0]
    sections = [section for section in report.sections if section.sentences]
    sections.sort(key=lambda section: section.name != mode)
    said = [(section.title, section.sentences[0]) for section in sections]
    own = any(section.name == mode for section in sections)
    compared = [("", sentence) for sentence in report.conclusions[:1]]
    return [*said, *compared] if own else [*compared, *said]


def _totals(reports: dict[str, Report]) -> str:
    frames = [report.frame[report.frame["planned"]] for report in reports.values()]
    trained = [frame[~frame["recalled"].fillna(False).astype(bool)] for frame in frames if len(frame)]
    models = sum(map(len, trained))
    if not models:
        return "No model is trained yet."
    seconds = float(sum(frame["train_seconds"].sum() for frame in trained))
    recalled = sum(map(len, frames)) - models
    rest = f"; {recalled:,} more taken from the shared memory." if recalled else "; none taken from the shared memory."
    return (
        f"{count(models, 'model')} trained in {clock(seconds)} (hours:minutes:seconds) of training time, summed over "
        f"models{rest}"
    )
