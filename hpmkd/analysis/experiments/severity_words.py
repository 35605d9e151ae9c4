"""What more and more corrupted data show, in sentences that are computed from the tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hpmkd.analysis.experiments.contrast import LEVEL, evidence, is_shown, listed, runs_text
from hpmkd.analysis.experiments.severities import DIRECT, Axis
from hpmkd.analysis.experiments.severity_tables import TEACHER, cannot_lose
from hpmkd.data.source.listing import count, some_of
from hpmkd.numeric import digits, fixed, is_defined, percent

Rows = Sequence[Mapping[str, Any]]


def named(row: Mapping[str, Any], axis: Axis) -> str:
    """`factor 100`."""
    return f"{axis.title} {digits(float(row['level']))}"


def losses(rows: Rows, axis: Axis, kind: str) -> list[str]:
    """What the methods lose at the worst number of a line.

    Args:
        rows: of `severity_tables.levels_table`, of one line.
        axis: what is made worse.
        kind: of corruption, in words.
    """
    worst = max((row["level"] for row in rows), default=axis.none)
    if worst == axis.none:
        return []
    known = [row for row in rows if row["level"] == worst and row["baseline"] != TEACHER and is_defined(row["lost"])]
    at = f"{kind}, {axis.title} {digits(float(worst))}"
    if not known:
        return [f"{at}: what methods lose is not known, because none is trained without it as well."]
    ranked = sorted(known, key=lambda row: row["lost"])
    least, most = ranked[0], ranked[-1]
    whose = f"of {count(len(known), 'method')}" if len(known) > 1 else f"of {least['baseline']}"
    amounts = f"{_change(most)} points"
    if len(known) > 1:
        amounts = f"{_change(most)} ({most['baseline']}) to {_change(least)} points ({least['baseline']})"
    direct = next((row for row in known if row["baseline"] == DIRECT), None)
    beside = f"; Direct {_change(direct)}" if direct is not None and direct is not least and direct is not most else ""
    against = f"against the same {'methods' if len(known) > 1 else 'method'} without it, in the same runs"
    return [f"{at}: accuracy {whose} changes by {amounts}{beside}, {against}{_teacher(rows, worst, axis)}."]


def _change(row: Mapping[str, Any]) -> str:
    return fixed(-row["lost"], 2, sign=True)


def _teacher(rows: Rows, worst: float, axis: Axis) -> str:
    own = {row["level"]: row["accuracy_pct"] for row in rows if row["baseline"] == TEACHER}
    if not (is_defined(own.get(worst)) and is_defined(own.get(axis.none))):
        return ""
    return f"; that of their teacher by {fixed(own[worst] - own[axis.none], 2, sign=True)}"


def robust(rows: Rows, axis: Axis, kind: str) -> list[str]:
    """Whether a method loses less, or more, than Direct.

    Args:
        rows: of `severity_tables.robustness`, of one line.
        axis, kind: see `losses`.
    """
    if not rows:
        return []
    runs = [int(row["n"]) for row in rows]
    if max(runs) < 2:
        return [f"{kind}: one run shows nothing of whether a method loses less than Direct; more runs would tell."]
    shown = [row for row in rows if is_shown(row)]
    family = f"{count(len(rows), 'comparison')}, {runs_text(runs)}, Holm"
    if not shown:
        return [f"{kind}: no method is shown to lose less than Direct, or more ({family})."]
    made = []
    for word, part in (("less", [one for one in shown if one["difference"] < 0]),
                       ("more", [one for one in shown if one["difference"] > 0])):  # fmt: skip
        if part:
            each = "; ".join(f"{one['baseline']} at {named(one, axis)}, {evidence(one)}{_near(one)}" for one in part)
            made.append(f"{kind}: shown to lose {word} than Direct (p < {LEVEL:g}): {each}.")
    left = len(rows) - len(shown)
    return [*made, *([f"{kind}: {some_of(left, len(rows), 'comparison')} not shown ({family})."] if left else [])]


def _near(row: Mapping[str, Any]) -> str:
    """Said of a difference that chance accuracy may have made."""
    if not cannot_lose(row):
        return ""
    return f", but {row['baseline'] if row['difference'] < 0 else DIRECT} is near chance there"


def elsewhere(rows: Rows, kind: str) -> list[str]:
    """The arms in which nothing is shown, together.

    Args:
        rows: of `severity_tables.robustness`, of all such arms of one place and kind.
        kind: of corruption, in words.
    """
    rows = [row for row in rows if row["n"] > 1]
    if not rows:
        return []
    arms = [f"“{name}”" for name in dict.fromkeys(row["arm"] for row in rows)]
    family = f"{count(len(rows), 'comparison')}, {runs_text([int(row['n']) for row in rows])}, Holm"
    within = " within each arm" if len(arms) > 1 else ""
    where = f"{kind}, arm{'s' * (len(arms) > 1)} {listed(arms)}"
    return [f"{where}: no method is shown to lose less than Direct, or more ({family}{within})."]


def floor(rows: Rows, axis: Axis, kind: str) -> list[str]:
    """Which models have so little left that they cannot lose more.

    Args:
        rows: of `severity_tables.robustness`, of one line.
        axis, kind: see `losses`.
    """
    found: dict[float, dict[str, None]] = {}
    for row in rows:
        for name in filter(None, str(row["near_chance"]).split(", ")):
            found.setdefault(float(row["level"]), {})[name] = None
    if not found:
        return []
    each = "; ".join(f"at {axis.title} {digits(level)} {listed(list(found[level]))}" for level in sorted(found))
    return [
        f"{kind}: at or near chance are, by mean accuracy, {each}. Who is there cannot lose much more, so that “loses "
        "less” says nothing of robustness there."
    ]


def arm(rows: Rows, axis: Axis, kind: str, title: str) -> list[str]:
    """What a special arm changes.

    Args:
        rows: of `severity_tables.arms`, of one arm.
        axis, kind: see `losses`.
        title: of the arm.
    """
    if not rows:
        return []
    runs = [int(row["n"]) for row in rows]
    shown = [row for row in rows if is_shown(row)]
    where = f"{kind}, arm “{title}” against the usual one"
    if max(runs) < 2:
        return [f"{where}: one run shows nothing."]
    if not shown:
        family = f"{count(len(rows), 'comparison')}, {runs_text(runs)}, Holm"
        return [f"{where}: no method is shown to gain or lose ({family})."]
    best = max(shown, key=lambda row: row["difference"])
    least = min(shown, key=lambda row: row["difference"])
    ends = [best] if best is least else [best, least]
    said = [f"{one['baseline']} at {named(one, axis)}, {evidence(one)}" for one in ends]
    gains = sum(row["difference"] > 0 for row in shown)
    numbers = f"{gains} better and {len(shown) - gains} worse of {count(len(rows), 'comparison')}"
    return [f"{where}: {numbers} are shown; {'most and least' if len(said) > 1 else 'it is'}: {'; '.join(said)}."]


def spread(rows: Rows, column: str, axis: Axis, kind: str, what: str) -> list[str]:
    """Least and most of a column at the worst number, with Direct's own.

    Args:
        rows: of `severity_tables.levels_table`, of one line.
        column: in percent.
        axis, kind: see `losses`.
        what: is counted.
    """
    worst = max((row["level"] for row in rows), default=axis.none)
    known = [row for row in rows if row["level"] == worst and row["baseline"] != TEACHER and is_defined(row[column])]
    if worst == axis.none or not known:
        return []
    ranked = sorted(known, key=lambda row: row[column])
    ends = [percent(one[column], 1) for one in (ranked[0], ranked[-1])]
    if ends[0] == ends[1]:
        said = ends[0] + (" of every method" if len(ranked) > 1 else f" ({ranked[0]['baseline']})")
    else:
        said = f"{ends[0]} ({ranked[0]['baseline']})"
        said += f" to {percent(ranked[-1][column], 1)} ({ranked[-1]['baseline']})"
    before = {row["baseline"]: row[column] for row in rows if row["level"] == axis.none}
    direct = next((row for row in known if row["baseline"] == DIRECT), None)
    beside = ""
    if direct is not None:
        own = before.get(DIRECT)
        without = f", {percent(own, 1)} without it" if is_defined(own) else ""
        beside = f"; Direct {percent(direct[column], 1)}{without}"
    return [f"{kind}, {axis.title} {digits(float(worst))}: {what} {said}{beside}; means over runs, nothing is tested."]
