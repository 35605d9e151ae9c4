"""`profile.json`: where the time of each model and of a sweep went, of the starts with `--profile`."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from hpmkd.files import commit_json
from hpmkd.store.output_dir import Output

# Of a model, in the order of its work. `elsewhere`: between its parts, and in Tune and Ray between two models.
PARTS = {
    "parents": "checking the file and its parents",
    "images": "loading the images",
    "setup": "making model, loss and optimiser; the first time in a worker, importing torch",
    "train": "training steps",
    "prepare": "training the attention",
    "validate": "validation",
    "report": "reports to Tune, epoch checkpoints among them",
    "profile": "watching the operators of one epoch, for this table alone",
    "test": "the look at the test set",
    "commit": "writing the file",
    "elsewhere": "handing over, in Tune and Ray",
}


# Of a start of the sweep.
START_PARTS = {
    "plan": "plan, and a look at every file that is there",
    "images": "decoding images, or checking them",
    "ray_start": "start of Ray",
    "rounds": "training",
    "ray_end": "end of Ray",
}


@dataclass
class Profile:
    """What is known.

    Args:
        starts: of each start of the sweep: `models`, `concurrent` (models side by side), `seconds`, and `parts`: part
            -> seconds; `busy`: seconds that models ran, summed over them.
        models: key -> `seconds` from start to end as the driver sees it, `parts`: part -> seconds, `operators`: rows
            of `operator`, `calls`, `seconds` in the second epoch (of teachers and the like, and of each first run).
    """

    starts: list[dict[str, Any]] = field(default_factory=list)
    models: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add_start(self, models: int, concurrent: int, busy: float, parts: Mapping[str, float]) -> None:
        """Notes a start of the sweep that has ended."""
        whole = {"models": models, "concurrent": concurrent, "seconds": sum(parts.values()), "busy": busy}
        self.starts.append({**whole, "parts": dict(parts)})

    def add_model(self, key: str, seconds: float, found: Mapping[str, Any]) -> None:
        """Notes a model that took so many seconds, with what its trial reported."""
        parts = {name: float(value) for name, value in dict(found.get("parts", {})).items()}
        parts["elsewhere"] = max(0.0, seconds - sum(parts.values()))
        self.models[key] = {"seconds": seconds, "parts": parts, "operators": list(found.get("operators", []))}


def read_profile(output: Output) -> Profile:
    """What an earlier start has noted; nothing where there is no file, or none that can be read."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        values = json.loads(output.profile_file.read_text())
        return Profile(list(values["starts"]), dict(values["models"]))
    return Profile()


def write_profile(profile: Profile, output: Output) -> None:
    """Commits the file."""
    commit_json(output.profile_file, {"starts": profile.starts, "models": profile.models})


def by_part(profile: Profile, roles: Mapping[str, str]) -> pd.DataFrame:
    """Seconds by role and part: `role`, `models`, `part`, `what`, `seconds`, `share_pct`; parts in order of the work.

    Args:
        profile: what is known.
        roles: key -> role; other models are left out.
    """
    rows = []
    for role in dict.fromkeys(roles.values()):
        mine = [one["parts"] for key, one in profile.models.items() if roles.get(key) == role]
        sums = {part: sum(parts.get(part, 0.0) for parts in mine) for part in PARTS}
        whole = sum(sums.values()) or 1.0
        for part, seconds in sums.items():
            if seconds:
                about = {"role": role, "models": len(mine), "part": part, "what": PARTS[part]}
                rows.append({**about, "seconds": seconds, "share_pct": 100 * seconds / whole})
    return pd.DataFrame(rows, columns=["role", "models", "part", "what", "seconds", "share_pct"])


def by_operator(profile: Profile, kinds: Mapping[str, tuple[str, str]]) -> pd.DataFrame:
    """Operators by (role, baseline), summed over the models that were watched: `role`, `baseline`, `operator`,
    `calls`, `seconds`, `share_pct` of the operators that were kept; the longest first."""
    rows = [
        {"role": kinds[key][0], "baseline": kinds[key][1], **row}
        for key, one in profile.models.items()
        if key in kinds
        for row in one["operators"]
    ]
    frame = pd.DataFrame(rows, columns=["role", "baseline", "operator", "calls", "seconds"])
    group = ["role", "baseline"]
    sums = frame.groupby([*group, "operator"], sort=False, as_index=False).sum()
    sums["share_pct"] = 100 * sums["seconds"] / sums.groupby(group)["seconds"].transform("sum")
    first = {
        pair: number for number, pair in enumerate(dict.fromkeys(zip(frame["role"], frame["baseline"], strict=True)))
    }
    place = [first[pair] for pair in zip(sums["role"], sums["baseline"], strict=True)]
    order = sums.assign(place=place).sort_values(["place", "seconds"], ascending=[True, False])
    return order.drop(columns="place").reset_index(drop=True)


def sentences(profile: Profile) -> list[str]:
    """What each start of the sweep took, and how busy it kept its slots."""
    made = []
    for start in profile.starts:
        parts = ", ".join(
            f"{START_PARTS[name]} {start['parts'][name]:.1f}" for name in START_PARTS if name in start["parts"]
        )
        slots = start["concurrent"] * start["parts"].get("rounds", 0.0)
        busy = (
            f"; {start['concurrent']} side by side, busy {100 * start['busy'] / slots:.0f} % of the training"
            if slots
            else ""
        )
        made.append(f"A start that made {start['models']} models in {start['seconds']:.1f} s: {parts}{busy}.")
    return made
