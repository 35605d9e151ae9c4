"""Pairs of networks that a command line names."""

from __future__ import annotations

import difflib
from typing import Any

from hpmkd.errors import UsageError


def chosen_pairs(known: Any, wanted: Any) -> Any:
    """Pairs by their names (`r56-r20`, or a list of such) are those of the file; anything else is what it is."""
    names = [wanted] if isinstance(wanted, str) else wanted
    if not (isinstance(names, list) and names and all(isinstance(one, str) for one in names)):
        return wanted
    there: dict[str, Any] = known if isinstance(known, dict) else {}
    missing = [one for one in names if one not in there]
    if missing:
        close = difflib.get_close_matches(missing[0], there, 1)
        raise UsageError(
            "pairs: no such pair",
            expected=f"names of pairs of the mode: {', '.join(there)}" if there else "pairs, written out: it has none",
            found=repr(missing[0]),
            todo=f"did you mean {close[0]}?" if close else "name some of them, as [NAME, NAME] where they are several",
        )
    return {one: there[one] for one in names}
