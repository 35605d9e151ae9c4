"""`profile.json`: where the time of each model and of the sweep went, for starts with `--profile`."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hpmkd.files import commit_json, parse_json
from hpmkd.plan.events import JobProfile
from hpmkd.store.output_dir import OutputDir


@dataclass
class Profile:
    """What is known.

    Args:
        starts: of each start of the sweep: `models`, `concurrent` (models side by side, at most), `seconds`, and
            `parts`: part -> seconds; `busy`: seconds that models ran, summed over them. A model beside which there is
            less room than `concurrent` says counts as several.
        models: key -> `seconds` from start to end as the driver sees it, `parts`: part -> seconds, `operators`: rows
            of `operator`, `calls`, `seconds` in the second epoch (of teachers and the like, and of each first run).
    """

    starts: list[dict[str, Any]] = field(default_factory=list)
    models: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add_start(self, models: int, concurrent: int, busy: float, parts: Mapping[str, float]) -> None:
        """Notes a start of the sweep that has ended."""
        whole = {"models": models, "concurrent": concurrent, "seconds": sum(parts.values()), "busy": busy}
        self.starts.append({**whole, "parts": dict(parts)})

    def add_model(self, key: str, seconds: float, found: JobProfile) -> None:
        """Notes how many seconds a model took, and what its trial reported."""
        parts = dict(found.parts)
        parts["elsewhere"] = max(0.0, seconds - sum(parts.values()))
        self.models[key] = {"seconds": seconds, "parts": parts, "operators": list(found.operators)}


def read_profile(output: OutputDir) -> Profile:
    """What an earlier start has noted; nothing where there is no file, or none that can be read."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        values = parse_json(output.profile_file.read_text())
        return Profile(list(values["starts"]), dict(values["models"]))
    return Profile()


def write_profile(profile: Profile, output: OutputDir) -> None:
    """Commits the file."""
    commit_json(output.profile_file, {"starts": profile.starts, "models": profile.models})
