"""Reads YAML as people write it: strictly, within limits, and with the line of every key."""

from __future__ import annotations

import copy
import functools
import re
from collections import Counter
from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import Any

import yaml

from hpmkd.errors import UsageError

MAX_CHARACTERS = 2**20
MAX_DEPTH = 30
# With every alias written out: few lines of aliases of aliases stand for more than any memory holds.
MAX_VALUES = 20_000
_CHARACTERS_PER_VALUE = 64  # a long text counts for several, as it may be repeated by aliases too


class _Loader(yaml.SafeLoader):
    """Plain YAML, but 1e-3 is a number (YAML 1.1 reads it as text), and a key given twice is an error. So are 010 and
    1:30, which YAML 1.1 reads as 8 and 90, and {cat:dog}, which is a key `cat:dog` without a value.

    A merge key (`<<: *other`) is none: what it brings is meant to be overridden.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        _need_spaces(node)
        keys = [self.construct_object(key, deep=True) for key, _ in node.value if key.tag != _MERGE]
        counts = Counter(key for key in keys if isinstance(key, Hashable))
        twice = [key for key, number in counts.items() if number > 1]
        if twice:
            raise yaml.MarkedYAMLError(problem=f"key {twice[0]!r} is given twice", problem_mark=node.start_mark)
        return super().construct_mapping(node, deep)

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        number = super().construct_yaml_int(node)
        if _ODD_INT.match(node.value):
            problem = f"{node.value} is not clear (YAML 1.1: {number}); write the number, or quote it as text"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)
        return int(number)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """What a value means; a date that no calendar has, or a number that Python does not read, is an error here."""
        try:
            return super().construct_object(node, deep)
        except (ValueError, LookupError, AttributeError, OverflowError) as error:  # whatever a tag makes of it
            kind = node.tag.rpartition(":")[2]
            problem = f"{str(node.value)[:60]!r} cannot be read as {kind} ({error})"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark) from error


def _need_spaces(node: yaml.MappingNode) -> None:
    """yaml.MarkedYAMLError where `{cat:dog}` stands for `{cat: dog}`."""
    for key, value in node.value if node.flow_style else ():
        is_word = isinstance(key, yaml.ScalarNode) and key.style is None and ":" in key.value.strip(":")
        if is_word and isinstance(value, yaml.ScalarNode) and value.style is None and value.value == "":
            name, _, rest = key.value.partition(":")
            problem = f"{key.value!r} is a key without a value; write a space after the colon: {name}: {rest}"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)


_ODD_INT = re.compile(r"[-+]?0\d|.*:")
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)
_MERGE = "tag:yaml.org,2002:merge"
_FLOAT = re.compile(r"^[-+]?(\d[\d_]*\.?[\d_]*|\.\d[\d_]*)[eE][-+]?\d+$")
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+.0123456789"))


def parse_yaml(text: str, where: str) -> Any:
    """Parses YAML text.

    Raises:
        UsageError: no YAML, or larger, deeper or more than any config; it names `where`, with the line.
    """
    return copy.deepcopy(_parsed(text, where))


@functools.lru_cache(maxsize=8)
def _parsed(text: str, where: str) -> Any:
    """The `sweep.yaml` of a folder is read several times by one command, again and again by one that watches it."""
    try:
        _check_limits(text, where)
        return yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        raise UsageError(f"{where}: not valid YAML", found=str(error), todo="correct what is written there") from error


def read_yaml(path: Path) -> str:
    """The text of a YAML file, and of one that is too long no more than `parse_yaml` needs to say so.

    Raises:
        OSError, UnicodeDecodeError: it cannot be read.
    """
    with path.open(encoding="utf-8") as file:
        return file.read(MAX_CHARACTERS + 1)


def key_lines(text: str) -> dict[str, int]:
    """The line, from 1, of each key such as `fit.lr`, and of each entry of a list, such as `baselines.0`.

    Args:
        text: that `parse_yaml` has read.
    """
    root = yaml.compose(text, _Loader)
    # Of a key that stands twice, by way of a merge key, the one that counts comes first.
    return dict(reversed(list(_lines(root)))) if root is not None else {}


def _lines(node: yaml.Node, prefix: str = "") -> Iterator[tuple[str, int]]:
    if isinstance(node, yaml.SequenceNode):
        parts = [(str(place), value, value) for place, value in enumerate(node.value)]
    elif isinstance(node, yaml.MappingNode):
        parts = [(str(key.value), key, value) for key, value in node.value if key.tag != _MERGE]
    else:
        return
    for name, key, value in parts:
        yield prefix + name, _line(key)
        yield from _lines(value, f"{prefix}{name}.")
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        if key.tag == _MERGE:
            for one in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                yield from _lines(one, prefix)


def _line(of: yaml.Node | yaml.Event) -> int:
    return of.start_mark.line + 1 if of.start_mark is not None else 0


def _check_limits(text: str, where: str) -> None:
    """UsageError before anything is built; it takes no longer than reading as much as is allowed."""
    if len(text) > MAX_CHARACTERS:
        raise _too_much(where, f"at most {MAX_CHARACTERS:,} characters", "more")
    sizes: dict[str, int] = {}  # of what an alias may stand for, with everything in it
    opened: list[tuple[str | None, int]] = []  # anchor, and what the values before it came to
    values = 0
    for event in yaml.parse(text, _Loader):
        line = f"line {_line(event)}"
        if isinstance(event, yaml.CollectionStartEvent):
            opened.append((event.anchor, values))
            values += 1
            if event.anchor is not None:
                sizes.pop(event.anchor, None)
            if len(opened) > MAX_DEPTH:
                raise _too_much(where, f"at most {MAX_DEPTH} levels of nesting", f"more at {line}")
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = opened.pop()
            if anchor is not None:
                sizes[anchor] = values - before
        elif isinstance(event, yaml.ScalarEvent):
            size = 1 + len(event.value) // _CHARACTERS_PER_VALUE
            values += size
            if event.anchor is not None:
                sizes[event.anchor] = size
        elif isinstance(event, yaml.AliasEvent):
            name = event.anchor or ""
            if any(anchor == name for anchor, _ in opened):
                raise _too_much(where, "no value that contains itself", f"*{name} within itself at {line}")
            values += sizes.get(name, 0)
        if values > MAX_VALUES:
            raise _too_much(where, f"at most {MAX_VALUES:,} values, with aliases written out", f"more at {line}")


def _too_much(where: str, expected: str, found: str) -> UsageError:
    return UsageError(
        f"{where}: more than a config can be",
        expected=expected,
        found=found,
        todo="write it like the files in tune_configs/, or start from --print_config",
    )
