"""Errors that users read: each says what to do, and what is cut in one says how much more there is."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import hpmkd
from hpmkd import errors
from hpmkd.data.source.listing import named
from hpmkd.errors import HpmkdError

PACKAGE = Path(hpmkd.__file__).parent
ERRORS = {name for name, one in vars(errors).items() if isinstance(one, type) and issubclass(one, HpmkdError)}


def constructions(tree: ast.AST) -> Iterator[ast.Call]:
    """Every call of an error's class."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ERRORS:
            yield node


def says_what_to_do(call: ast.Call) -> bool:
    """`todo=` is there, and none of the values that it may take is empty."""
    given = next((keyword.value for keyword in call.keywords if keyword.arg == "todo"), None)
    return given is not None and not any(
        isinstance(value, ast.Constant) and not value.value for value in outcomes(given)
    )


def outcomes(node: ast.expr) -> Iterator[ast.expr]:
    """What an expression may become, as far as conditions and alternatives show it."""
    if isinstance(node, ast.IfExp):
        yield from (*outcomes(node.body), *outcomes(node.orelse))
    elif isinstance(node, ast.BoolOp):
        yield from outcomes(node.values[-1])
    else:
        yield node


def test_every_error_says_what_to_do() -> None:
    calls = [
        (f"{path.relative_to(PACKAGE)}:{call.lineno}", call)
        for path in sorted(PACKAGE.rglob("*.py"))
        for call in constructions(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert len(calls) > 80
    assert [where for where, call in calls if not says_what_to_do(call)] == []


@pytest.mark.parametrize(
    ("code", "good"),
    [
        ("UsageError('x', todo='name another')", True),
        ("UsageError('x', todo=f'did you mean {a}?' if a else 'correct it')", True),
        ("UsageError('x', todo=advice(a))", True),
        ("UsageError('x')", False),
        ("UsageError('x', todo='')", False),
        ("UsageError('x', todo=f'did you mean {a}?' if a else None)", False),
        ("EnvironmentProblem('x', expected='y', found='z')", False),
    ],
)
def test_the_test_itself(code: str, good: bool) -> None:
    assert [says_what_to_do(call) for call in constructions(ast.parse(code))] == [good]


def test_no_error_is_defined_elsewhere() -> None:
    """Else `ERRORS` would not know it."""
    defined = [
        f"{path.relative_to(PACKAGE)}: {node.name}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef) and ERRORS & {base.id for base in node.bases if isinstance(base, ast.Name)}
    ]
    assert {one.partition(":")[0] for one in defined} == {"errors.py"}


def test_the_parts_of_a_message() -> None:
    error = HpmkdError("place", expected="a", found="b", todo="c")
    assert str(error) == "place\n  expected: a\n  found: b\n  what to do: c"


def test_what_is_cut_says_how_much_more_there_is() -> None:
    assert named(["a", "b", "c"], 3) == "a, b, c"
    assert named(["a", "b", "c", "d"], 2) == "a, b, and 2 more"
    assert named(map(str, range(12))) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, and 2 more"
