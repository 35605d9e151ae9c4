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


def opened(file: Path, mirror: str = "m", there: dict[str, int] | None = None) -> Known:
    known = Known(file)
    known.of(mirror, there or {})
    return known


def noted(file: Path) -> dict:
    """What the file says of mirror `m`, of whose files nothing has another size."""
    before = Known(file)
    before.of("m", {name: version[0] for name, version in before._noted.items()})
    return before.versions


@given(steps=steps, cut=st.integers(0, 10_000))
def test_a_torn_file_knows_a_part(tmp_path_factory, steps, cut) -> None:
    file = tmp_path_factory.mktemp("out") / ".mirror.jsonl"
    known = opened(file)
    history: list[dict] = [{}]
    for name, version in steps:
        if version is None:
            known.remove(name)
        else:
            known.add(name, version)
        history.append(dict(known.versions))
    data = file.read_bytes()
    assert noted(file) == history[-1]
    file.write_bytes(data[:cut])
    assert noted(file) in history


def test_another_mirror_knows_nothing(tmp_path: Path) -> None:
    file = tmp_path / "k"
    known = opened(file)
    known.add("a", (1, 2))
    assert opened(file, "another", {"a": 1}).versions == {}
    assert opened(tmp_path / "none", "m", {"a": 1}).versions == {}


def test_what_is_gone_there_is_forgotten(tmp_path: Path) -> None:
    file = tmp_path / "k"
    known = opened(file)
    for name in "abc":
        known.add(name, (1, 2))
    assert opened(file, "m", {"a": 1, "b": 7}).versions == {"a": (1, 2)} == noted(file)


def test_the_output_keeps_its_own_name(tmp_path: Path) -> None:
    first = opened(tmp_path / "k").home
    assert first == opened(tmp_path / "k", "another").home == Known(tmp_path / "k").home
    assert first != Known(tmp_path / "other").home


def test_epochs_of_finished_models_are_known(tmp_path: Path) -> None:
    """So that they are removed, whoever has copied them."""
    there = {
        "models/student_my.set_KD_run1.pt": 5,
        "tune/round000/student_my.set_KD_run1-0123abcd/checkpoint_000001/epoch.pt": 7,
        "tune/round000/student_my.set_KD_run2-0123abcd/checkpoint_000001/epoch.pt": 7,
    }
    (name,) = opened(tmp_path / "k", "m", there).versions
    assert "run1-" in name
