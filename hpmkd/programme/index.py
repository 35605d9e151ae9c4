"""The index page of a programme: what each of its sweeps found, and what that says of the paper's claims."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path

from hpmkd.analysis.report.content import Report, gather
from hpmkd.analysis.report.write import environment, write_files
from hpmkd.audit.sweep_dir import no_sweep
from hpmkd.config.programme import FILE, read_programme
from hpmkd.data.source.listing import count
from hpmkd.errors import UsageError
from hpmkd.files import commit_bytes
from hpmkd.log import steps
from hpmkd.numeric import clock
from hpmkd.programme.claims.base import Answer, Claim, answers
from hpmkd.programme.claims.catalog import CLAIMS


@dataclass(frozen=True)
class Entry:
    """One sweep of the programme on the page; without a report it was not started yet."""

    name: str
    models: str
    sentences: tuple[tuple[str, str], ...] = ()
    missing: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()
    is_there: bool = False

    @property
    def lead(self) -> str:
        """Its first sentence."""
        return self.sentences[0][1] if self.sentences else ""


@dataclass(frozen=True)
class Index:
    """Everything on the page, in order. `claims`: each with the answers of the sweeps that have something to say."""

    title: str
    made: str
    entries: tuple[Entry, ...]
    claims: tuple[tuple[Claim, tuple[Answer, ...]], ...]
    totals: str


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
    page = compose(programme.title or f"{root.name}: {count(len(programme.names), 'mode')}", programme.names, reports)
    for name, autoescape in (("report.md", False), ("report.html", True)):
        text = environment(autoescape=autoescape).get_template(f"index.{name.partition('.')[2]}.j2").render(index=page)
        commit_bytes(root / name, text.encode(errors="backslashreplace"))
    return root / "report.html"


def compose(title: str, names: list[str], reports: dict[str, Report]) -> Index:
    """The page on what was read."""
    entries = tuple(_entry(name, reports.get(name)) for name in names)
    claims = tuple((claim, tuple(answers(claim, reports))) for claim in CLAIMS)
    made = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return Index(title, made, entries, claims=claims, totals=_totals(reports))


def _entry(name: str, report: Report | None) -> Entry:
    if report is None:
        return Entry(name, "not started")
    sections = [section for section in report.sections if section.sentences]
    sections.sort(key=lambda section: section.name != name.partition("_")[0])
    said = [(section.title, section.sentences[0]) for section in sections]
    own = any(section.name == name.partition("_")[0] for section in sections)
    found = len(report.frame[report.frame["planned"]])
    models = count(found, "model") + (f"; {report.missing[0]}" if report.missing else "")
    # What the mode is about comes first: its own section, or where it has none the comparison of its baselines.
    compared = [("", sentence) for sentence in report.conclusions[:1]]
    said = [*said, *compared] if own else [*compared, *said]
    return Entry(name, models, tuple(said), missing=report.missing, failures=report.failures, is_there=True)


def _totals(reports: dict[str, Report]) -> str:
    frames = [report.frame[report.frame["planned"]] for report in reports.values()]
    trained = [frame[~frame["recalled"].fillna(False).astype(bool)] for frame in frames if len(frame)]
    models = sum(map(len, trained))
    if not models:
        return "No model is trained yet."
    seconds = float(sum(frame["train_seconds"].sum() for frame in trained))
    return (
        f"{count(models, 'model')} trained in {clock(seconds)} (hours:minutes) of training time, summed over models; "
        "what several sweeps need is trained once and taken from the shared memory."
    )
