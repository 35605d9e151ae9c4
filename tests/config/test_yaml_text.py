"""YAML is read strictly, within limits, and with the line of every key."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import pytest

from hpmkd.config.keys import leaves
from hpmkd.config.load import parse_value
from hpmkd.config.yaml_text import MAX_DEPTH, key_lines, parse_yaml, read_yaml
from hpmkd.errors import UsageError

LETTERS = "abcdefghij"
BOMB = "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "\n".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]" for before, name in itertools.pairwise(LETTERS)
)


def test_numbers_as_people_write_them() -> None:
    parsed = parse_yaml("a: 1e-3\nb: 5E+2\nc: .5e1\nd: 1.5e-2\ne: 12\nf: 1e3x", "here")
    assert parsed == {"a": 0.001, "b": 500.0, "c": 5.0, "d": 0.015, "e": 12, "f": "1e3x"}


@pytest.mark.parametrize("text", ["a: 1\na: 2", "a: [1", "\tb: 1", "fit:\n  lr: 1\n  lr: 2", "010", "a: 1:30", "[01]"])
def test_what_is_not_clear_yaml_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"here: not valid YAML"):
        parse_yaml(text, "here")


def test_what_is_made_of_a_text_changes_no_other_reading_of_it() -> None:
    first = parse_yaml("fit: {lr: [1, 2]}", "here")
    first["fit"]["lr"].append(3)
    first["more"] = 1
    assert parse_yaml("fit: {lr: [1, 2]}", "here") == {"fit": {"lr": [1, 2]}}
    for where in ("here", "there"):
        with pytest.raises(UsageError, match=rf"{where}: not valid YAML"):
            parse_yaml("fit: [1", where)


def test_a_key_given_twice_beside_a_merge_key_is_still_an_error() -> None:
    with pytest.raises(UsageError, match="key 'lr' is given twice"):
        parse_yaml("fit: {<<: {lr: 1}, lr: 2, lr: 3}", "mine.yaml")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[" * 50_000, "levels of nesting"),
        ("{a: " * 50_000, "levels of nesting"),
        ("- " * 50_000, "levels of nesting"),
        ("? " * 50_000, "levels of nesting"),
        (BOMB, "values, with aliases written out"),
        (BOMB.replace("[1, ", f"[{'x' * 9000}, "), "values, with aliases written out"),
        ("x: &x {y: 1}\n" + "a:\n" + "  - {<<: *x}\n" * 9_000, "values, with aliases written out"),
        ("a: &a [*a]", "contains itself"),
        ("a: &a {<<: *a}", "contains itself"),
        ("a: &a {b: [1, {c: *a}]}", "contains itself"),
        ("a: 1\n" + "# long\n" * 200_000, "characters"),
    ],
)
def test_more_than_a_config_can_be_is_refused_at_once(text: str, expected: str) -> None:
    start = time.process_time()
    with pytest.raises(UsageError, match=r"^f\.yaml: more than a config can be") as caught:
        parse_yaml(text, "f.yaml")
    assert expected in str(caught.value)
    assert len(str(caught.value)) < 400
    assert time.process_time() - start < 3, "of a busy machine; alone it takes up to 0.5 s"


def test_what_people_write_is_within_the_limits() -> None:
    assert parse_yaml("[" * MAX_DEPTH + "]" * MAX_DEPTH, "f.yaml")
    assert parse_yaml("x-fit: &fit {lr: 1}\na: *fit\nb: *fit\nc: &c [1]\nd: *c", "f.yaml")["d"] == [1]


@pytest.mark.parametrize(
    "text",
    [
        "a: 2020-13-45",
        "a: !!int x",
        "a: !!timestamp x",
        "a: !!bool x",
        "a: " + "1" * 5000,
        "? [1]\n: 2",
        "a: *b",
        "a: \0",
    ],
)
def test_what_python_cannot_make_of_a_value_is_an_error_of_the_file(text: str) -> None:
    with pytest.raises(UsageError, match=r"^f\.yaml: not valid YAML"):
        parse_yaml(text, "f.yaml")


def test_a_file_is_not_read_beyond_the_limit(tmp_path: Path) -> None:
    with (tmp_path / "f.yaml").open("wb") as file:
        file.truncate(2**40)  # a sparse file: more than any memory holds
    with pytest.raises(UsageError, match="characters"):
        parse_yaml(read_yaml(tmp_path / "f.yaml"), "f.yaml")


def test_every_key_and_entry_has_its_line() -> None:
    """What a merge key brings stands where it was written, unless it is overridden."""
    lines = key_lines("x: &x {lr: 1,\n  b: 2}\nfit:\n  <<: *x\n  lr: 3\nnames:\n- A\n\n- B\n")
    assert {key: lines[key] for key in ("fit", "fit.lr", "fit.b", "names", "names.0", "names.1")} == {
        "fit": 3, "fit.lr": 5, "fit.b": 2, "names": 6, "names.0": 7, "names.1": 9,
    }  # fmt: skip
    assert key_lines("") == {}


@pytest.mark.parametrize(
    ("flag", "text", "meant"),
    [
        ("data.confused", "{mine:{cat:dog,dog:cat}}", "cat: dog"),
        ("pairs", "{a: {student: {arch:lenet5}}}", "arch: lenet5"),
        ("vary", "[{kd.temperature:2}]", "kd.temperature: 2"),
    ],
)
def test_a_colon_without_a_space_is_told(flag: str, text: str, meant: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_value(text, dict(leaves())[flag], f"command line, --{flag}")
    assert f"--{flag}" in error.value.where
    assert f"write a space after the colon: {meant}" in str(error.value.found)


def test_words_with_colons_that_are_meant() -> None:
    text = "{a: x:y, b: ['c:d'], C:/x: 1, 'e:f': , g: null, h: , i:[2]}"
    assert parse_yaml(text, "here") == {
        "a": "x:y", "b": ["c:d"], "C:/x": 1, "e:f": None, "g": None, "h": None, "i": [2],
    }  # fmt: skip
    assert parse_yaml("a:b:\n", "here") == {"a:b": None}


@pytest.mark.parametrize("key", [key for key, field in leaves() if "None" in str(field.annotation)])
def test_null_is_none_where_a_key_may_have_none(key: str) -> None:
    """Of text, too: `--record.mirror null` ends a mirror, and is no folder of that name."""
    assert parse_value("null", dict(leaves())[key], f"command line, --{key}") is None


@pytest.mark.parametrize("key", [key for key, field in leaves() if field.annotation is str])
def test_null_is_text_where_a_key_has_text(key: str) -> None:
    assert parse_value("null", dict(leaves())[key], f"command line, --{key}") == "null"
