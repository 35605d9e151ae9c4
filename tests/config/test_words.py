"""The table of words: every setting of a method has one, and numbers in names keep every digit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpmkd.config.keys import default_of, leaves
from hpmkd.config.words import EPOCHS, KEYS, NUMBERS, SWITCHES, WORDLESS, read, word_of
from hpmkd.numeric import digits

METHODS = (
    "kd", "ls", "dkd", "dist", "mlkd", "nkd", "ctkd", "wttm", "rld", "fitnets", "at", "sp", "rkd", "cc", "vid",
    "pkt", "nst", "ofd", "crd", "reviewkd", "simkd", "dml", "ban", "takd", "hpmkd", "kd_budget",
    "adaptive", "tune",
)  # fmt: skip


def test_every_setting_of_a_method_has_a_word_or_a_reason_for_none() -> None:
    keys = {key for key, _ in leaves() if key.partition(".")[0] in METHODS}
    assert keys == KEYS - {EPOCHS} | WORDLESS.keys()
    assert not KEYS & WORDLESS.keys()


def test_words_are_told_apart_on_any_file_system() -> None:
    words = [word.casefold() for word in SWITCHES]
    assert len(set(words)) == len(words)
    assert len({word.casefold() for word in NUMBERS}) == len(NUMBERS)
    assert all(word.isascii() and word.isalpha() for word in [*SWITCHES, *NUMBERS])
    for keys in NUMBERS.values():
        assert len({key.partition(".")[0] for key in keys}) == len(keys), "one per method"


def test_each_switch_has_one_that_puts_it_back() -> None:
    """A config that has switched a component off can have it on in one baseline."""
    for key in {key for key, _ in SWITCHES.values()}:
        assert default_of(key) in [value for own, value in SWITCHES.values() if own == key], key


@given(st.floats(0, 1e15, allow_nan=False, allow_infinity=False))
def test_a_number_comes_back_from_its_word(value: float) -> None:
    text = digits(value)
    assert float(text) == value
    assert not set(text) - set("0123456789.")
    assert read(f"T{text}", KEYS) == ("kd.temperature", value)


@pytest.mark.parametrize(
    ("value", "text"), [(2.0, "2"), (2, "2"), (0.30, "0.3"), (1e-5, "0.00001"), (1000.0, "1000"), (20.5, "20.5")]
)
def test_numbers_are_written_in_one_way(value: float, text: str) -> None:
    assert digits(value) == text


@pytest.mark.parametrize(
    ("word", "setting"),
    [
        ("T2.0", ("kd.temperature", 2)),
        ("T2.50", ("kd.temperature", 2.5)),
        ("a.3", ("kd.alpha", 0.3)),
        ("beta1e3", ("at.beta", 1000)),
        ("chain3", ("hpmkd.chain_length", 3)),
        ("chain", ("hpmkd.chain", True)),
        ("uniform", ("hpmkd.weighting", "uniform")),
        *((word, None) for word in ("T", "T-2", "T2x", "2", "", "x3", "T" + 400 * "9", "t2", "Chain3", "T1_0", "T²")),
    ],
)
def test_reading_a_word(word: str, setting: tuple[str, object] | None) -> None:
    assert read(word, KEYS - {"fitnets.beta"}) == setting


def test_a_word_is_read_only_where_its_key_is() -> None:
    assert read("T2", {"kd.alpha"}) is None
    assert read("beta3", {"fitnets.beta"}) == ("fitnets.beta", 3)
    assert word_of("hpmkd.chain", True) == "chain"
    assert word_of("takd.size", None) is None
