"""Where the time went, as tables and sentences. Pure: profile -> DataFrame."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from hpmkd.data.source.listing import count
from hpmkd.numeric import divide, fixed, is_defined
from hpmkd.store.profile_file import Profile

# Of a model, in the order of its work. `elsewhere`: between its parts, and in Tune and Ray between two models.
PARTS = {
    "parents": "checking the file and its parents",
    "images": "loading the images",
    "setup": "creating model, loss and optimiser; in a new worker also importing torch",
    "train": "training steps",
    "prepare": "training the attention",
    "validate": "validation",
    "report": "reports to Tune, including epoch checkpoints",
    "profile": "profiling the operators of one epoch, for this report only",
    "test": "test accuracy",
    "commit": "writing the file",
    "elsewhere": "waiting and overhead in Tune and Ray",
}
# Of a start of the sweep.
START_PARTS = {
    "plan": "planning and checking the existing files",
    "images": "decoding or checking images",
    "ray_start": "starting Ray",
    "rounds": "training",
    "ray_end": "stopping Ray",
}


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
        whole = sum(sums.values())
        for part, seconds in sums.items():
            if seconds:
                about = {"role": role, "models": len(mine), "part": part, "what": PARTS[part]}
                rows.append({**about, "seconds": seconds, "share_pct": 100 * divide(seconds, whole)})
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
            f"{START_PARTS[name]} {fixed(start['parts'][name], 1)}" for name in START_PARTS if name in start["parts"]
        )
        share = 100 * divide(start["busy"], start["concurrent"] * start["parts"].get("rounds", 0.0))
        busy = f"; {start['concurrent']} side by side, busy {fixed(share, 0)} % of the training"
        models = f"{count(start['models'], 'model')} in {fixed(start['seconds'], 1)} s"
        made.append(f"One start: {models}: {parts}{busy if is_defined(share) else ''}.")
    return made
