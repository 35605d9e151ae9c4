"""A report that follows its sweep: it is made anew, part by part, when something has changed. Writes nothing."""

from __future__ import annotations

import re
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from hpmkd.analysis.experiments.registry import EXPERIMENTS
from hpmkd.analysis.report.content import Report, gather
from hpmkd.analysis.report.progress import progress_html
from hpmkd.analysis.report.write import environment, files, html
from hpmkd.audit.findings import headers
from hpmkd.audit.status import Status, read_status
from hpmkd.audit.sweep_dir import open_saved
from hpmkd.errors import HpmkdError
from hpmkd.files import sha256_of
from hpmkd.log import log
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.sidecar import Header, sidecar_path

# The sections of the page in order. Those of experiments come and go with the models that they are about.
SECTIONS = (
    "about", "conclusions", "setup", "data", "accuracy", "differences", *EXPERIMENTS, "measures", "curves", "cost",
    "lineage", "failures",
    "config",
)  # fmt: skip
EVERY_SECONDS = 2.0
# The sweep needs the cores: at most such a part of the time is spent on looking and drawing.
_SHARE = 0.2
_SECTION = re.compile(r'<section id="(\w+)">(.*?)</section>', re.DOTALL)
_Stamp = tuple[tuple[str, int, int], ...]
_Told = tuple[object, ...]


@dataclass(frozen=True)
class Part:
    """A section of the page; equal versions are equal HTML."""

    html: Markup

    @property
    def version(self) -> str:
        """What the browser compares."""
        return sha256_of(self.html.encode(errors="backslashreplace"))[:16]


class LivePage:
    """What a browser is shown of the sweep in `root`. Every method may be called from any thread.

    Args:
        root: a sweep's folder; UsageError where there is none.
        now: seconds, monotonic.
    """

    def __init__(self, root: Path, now: Callable[[], float] = time.monotonic) -> None:
        self.output, self._now = open_saved(root).output, now
        self._gate = threading.Lock()  # figures are drawn by one thread at a time
        self._looks, self._draws = -1.0, -1.0  # not before
        self._stamp: tuple[_Stamp, _Told] | None = None
        self._told: _Told = ()  # what the report says of the state of the sweep
        self._headers: dict[str, tuple[_Stamp, Header]] = {}
        self._report: Report | None = None
        self._trouble = ""
        self.title, self.running = self.output.root.name, False
        self.parts = {"progress": Part(Markup("")), **{name: Part(Markup("")) for name in SECTIONS}}
        about = Markup("<h1>{}</h1><p>The report is being made.</p>").format(self.output.root.name)
        self.parts["about"] = Part(about)

    def page(self) -> tuple[str, str]:
        """The whole page as it is now, and the nonce of its script. The report comes with the first refresh."""
        if not self.parts["progress"].html:
            with self._gate:
                self._look()
        nonce = secrets.token_urlsafe(16)
        template = environment(autoescape=True).get_template("live.html.j2")
        return template.render(title=self.title, parts=self.parts, nonce=nonce), nonce

    def refresh(self) -> None:
        """Looks again, where that is due and nobody else does."""
        if not self._gate.acquire(blocking=False):
            return
        try:
            begun = self._now()
            if begun >= self._looks:
                self._look()
                self._looks = self._now() + max(EVERY_SECONDS, (self._now() - begun) / _SHARE)
            begun = self._now()
            if begun >= self._draws and self._changed():
                self._draw()
                self._draws = self._now() + max(EVERY_SECONDS, (self._now() - begun) / _SHARE)
        finally:
            self._gate.release()

    def state(self) -> dict[str, Any]:
        """What the browser asks for again and again."""
        self.refresh()
        versions = {name: part.version for name, part in self.parts.items()}
        return {"title": self.title, "running": self.running, "parts": versions}

    def file(self, name: str) -> bytes | None:
        """A file that the report links to, made now; None where there is none of that name."""
        with self._gate:
            if name == self.output.profile_file.name and self.output.profile_file.is_file():
                return self.output.profile_file.read_bytes()
            make = files(self._report).get(name) if self._report is not None else None
            return make() if make is not None else None

    def _look(self) -> None:
        try:
            status = read_status(self.output.root)
        except (HpmkdError, OSError) as error:
            self.parts["progress"] = Part(Markup("<p class='bad'>{}</p>").format(str(error)))
            return
        self._told = (status.sweep, status.after, *((one.key, one.state, one.reason) for one in status.models))
        self.running = status.sweep in ("running", "elsewhere")
        self.title = _title(status, self.output)
        self.parts["progress"] = Part(Markup(progress_html(status, self._trouble)))

    def _changed(self) -> bool:
        output = self.output
        folders = (output.models, output.predictions, output.representations, output.memorised, output.progress)
        paths = [*(path for folder in folders for path in folder.glob("*")), output.config_file, output.datasets_file]
        others = (output.profile_file, output.latency_file, output.speedup_file)
        # A kill, and the end of a sweep that was stopped, change no file of these.
        stamp = (_stamp([*paths, *others]), self._told)
        changed, self._stamp = stamp != self._stamp, stamp
        return changed

    def _draw(self) -> None:
        try:
            report = gather(self.output.root, self._known())
            found = {name: Part(Markup(text.strip())) for name, text in _SECTION.findall(html(report))}
        except Exception as error:  # files come and go while a sweep runs; the next look may be luckier
            log.debug("the report could not be made", exc_info=True)
            self._trouble, self._stamp = f"The report could not be made anew: {type(error).__name__}: {error}", None
            return
        self._report, self._trouble = report, ""
        gone = {name: Part(Markup("")) for name in EXPERIMENTS if name not in found}
        self.parts = {**self.parts, **gone, **found}

    def _known(self) -> dict[str, Header]:
        """The headers of all valid files; read again are only those that have changed."""
        stamps: dict[str, _Stamp] = {}
        for path in self.output.model_files():
            stamps[path.stem] = (*stamps.get(path.stem, ()), *_stamp([path, sidecar_path(path)]))
        same = {key: header for key, (stamp, header) in self._headers.items() if stamps.get(key) == stamp}
        found = headers(self.output, same)
        self._headers = {key: (stamps[key], header) for key, header in found.items() if key in stamps}
        return found


def _title(status: Status, output: OutputDir) -> str:
    done = sum(one.state == "done" for one in status.models)
    return f"({done}/{len(status.models)}) {output.root.name}"


def _stamp(paths: list[Path]) -> _Stamp:
    """Names, times of change and sizes of those that are there."""
    made = []
    for path in paths:
        try:
            about = path.stat()
        except OSError:
            continue
        made.append((str(path), about.st_mtime_ns, about.st_size))
    return tuple(sorted(made))
