"""What is known of a mirror: nothing that a kill tears counts as copied."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from hpmkd.mirror.known import Known

names = st.text("abc/.é ", min_size=1, max_size=6)
steps = st.lists(
    st.tuples(names, st.one_of(st.none(), st.tuples(st.integers(0, 9), st.integers(0, 2**62)))), max_size=20
)


@given(steps=steps, cut=st.integers(0, 10_000))
def test_a_torn_file_knows_a_part(tmp_path_factory, steps, cut) -> None:
    file = tmp_path_factory.mktemp("out") / ".mirror.jsonl"
    known = Known(file, "s3://b/x")
    known.keep({})
    history: list[dict] = [{}]
    for name, version in steps:
        if version is None:
            known.remove(name)
        else:
            known.add(name, version)
        history.append(dict(known.versions))
    assert Known(file, "s3://b/x").versions == history[-1]
    file.write_bytes(file.read_bytes()[:cut])
    assert Known(file, "s3://b/x").versions in history


def test_another_mirror_knows_nothing(tmp_path: Path) -> None:
    known = Known(tmp_path / "k", "s3://b/x")
    known.keep({})
    known.add("a", (1, 2))
    assert Known(tmp_path / "k", "s3://b/y").versions == {}
    assert Known(tmp_path / "none", "s3://b/x").versions == {}


def test_what_is_gone_there_is_forgotten(tmp_path: Path) -> None:
    known = Known(tmp_path / "k", "u")
    known.keep({})
    for name in "abc":
        known.add(name, (1, 2))
    known.keep({"a": 1, "b": 7})
    assert known.versions == {"a": (1, 2)} == Known(tmp_path / "k", "u").versions
