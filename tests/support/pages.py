"""What the documents say, taken apart: their pages, their commands, their code."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs" / "pages").rglob("*.md"))]
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_COMMANDS = ("python run_sweep.py", "hpmkd ", "python tests/", "tests/benchmarks/", "python docs/", "python -m pytest")


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a language in a page."""
    return [text for kind, text in _FENCE.findall(page.read_text(encoding="utf-8")) if kind == language]


def inline_code(page: Path) -> list[str]:
    """What stands in backticks outside fenced blocks, line breaks as blanks."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    return [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", text)]


def commands(page: Path) -> list[list[str]]:
    """Every command of a page as words: of its bash blocks, and those in backticks."""
    lines = [line for block in blocks(page, "bash") for line in block.splitlines()]
    lines += [code for code in inline_code(page) if code.startswith(_COMMANDS)]
    parts = [part for line in lines for part in line.split(" && ")]
    found = [shlex.split(part.partition(" > ")[0], comments=True) for part in parts]
    return [words for words in found if words]
