"""The rooms of the package (its packages, and the modules beside them), their floors and who imports whom."""

from __future__ import annotations

import ast
import functools
from pathlib import Path

import sources

NAME = sources.PACKAGE.name


def room_of(path: Path) -> str:
    """The package that a file belongs to, or the module that it is; the public face is `__init__`."""
    return path.relative_to(sources.PACKAGE).parts[0].removesuffix(".py")


def files() -> list[Path]:
    """Every source file, sorted."""
    return sorted(sources.PACKAGE.rglob("*.py"))


def _imported(path: Path) -> set[str]:
    """Rooms that a file imports from, anywhere in it, for types alone included."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    parts = [name.split(".") for name in names]
    return {part[1] for part in parts if part[0] == NAME and len(part) > 1}


@functools.cache
def arrows() -> dict[str, frozenset[str]]:
    """Room -> the rooms that it imports from."""
    found: dict[str, set[str]] = {}
    for path in files():
        found.setdefault(room_of(path), set()).update(_imported(path))
    # `from hpmkd import x` of a public name is the face itself.
    return {
        room: frozenset(name if name in found else "__init__" for name in names) - {room}
        for room, names in found.items()
    }


@functools.cache
def floor(room: str) -> int:
    """1 for a room that imports from no other; else one more than the highest that it imports from."""
    return 1 + max((floor(below) for below in arrows()[room]), default=0)


def floors() -> dict[int, list[str]]:
    """Floor -> its rooms by name, the highest floor first."""
    numbers = sorted({floor(room) for room in arrows()}, reverse=True)
    return {number: sorted(room for room in arrows() if floor(room) == number) for number in numbers}


def needed(room: str) -> list[str]:
    """What it imports from, without what one of those imports from anyway."""
    below = arrows()[room]
    implied = {name for other in below for name in _all_below(other)}
    return sorted(below - implied)


@functools.cache
def _all_below(room: str) -> frozenset[str]:
    return frozenset(arrows()[room].union(*(_all_below(name) for name in arrows()[room])))


def table() -> str:
    """Every room, floor by floor, with what its files are for in their own words (the first line of each)."""
    lines = []
    for number, names in floors().items():
        lines.append(f"**Floor {number}**\n")
        for name in names:
            folder = sources.PACKAGE / name
            lines.append(f"- `{name}{'/' if folder.is_dir() else '.py'}`: {_purpose(folder)}")
            files = [path for path in sorted(folder.glob("*.py")) if path.stem[0] != "_"]
            inner = sorted(folder.glob("*/__init__.py"))
            lines += [f"    - `{path.name}`: {_doc(path)}" for path in files]
            lines += [f"    - `{path.parent.name}/`: {_doc(path)}" for path in inner]
        lines.append("")
    return "\n".join(lines)


def _purpose(folder: Path) -> str:
    return _doc(folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py"))


def _doc(path: Path) -> str:
    doc = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(doc.split("\n\n")[0].split())
