"""Methods by their names in `baselines`: which are looked at, from where, and which names mean none."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import pytest
from support.own_methods import MINE, write

from hpmkd.config.extended import extended
from hpmkd.config.paths import user_path
from hpmkd.config.request import Request
from hpmkd.errors import UsageError
from hpmkd.store.output_dir import OutputDir
from hpmkd.sweep import own_methods as room
from hpmkd.sweep.own_methods import absolute_entry, note_methods, own_methods
from hpmkd.sweep.resolution import resolve


def absolute(path: str, where: str) -> Path:
    return user_path(path, where).absolute()


def found(*entries: object, output: Path) -> list[str]:
    return [f"{one.name} {one.place}" for one in own_methods(entries, OutputDir(output), absolute)]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with the file."""
    write(tmp_path / "mine")
    monkeypatch.chdir(tmp_path / "mine")
    return tmp_path / "mine"


def test_a_file_is_looked_at_once_for_all_its_variants(
    here: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "hpmkd"):
        entries = ["Direct", "mine.py:Mine", f"{here}/mine.py:Mine-beta3-alone", "TraditionalKD-T2", 7]
        assert found(*entries, output=tmp_path / "out") == [f"Mine {here}/mine.py:Mine"]
    assert caplog.text.count("looking at the method") == 1


def test_without_one_nothing_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "answers_of", lambda *given, **about: pytest.fail("a process was started"))
    assert found("Direct", "HPM-KD-noChain", "Unknown", None, output=tmp_path) == []


def test_a_module_in_the_working_folder(here: Path, tmp_path: Path) -> None:
    assert found("mine:Mine", output=tmp_path / "out") == ["Mine mine:Mine"]


def test_a_package_that_offers_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As pip leaves it: a module and a folder of metadata on the search path."""
    write(tmp_path / "lib")
    about = tmp_path / "lib/offer-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: offer\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[hpmkd.methods]\nOffered = mine:Mine\n")
    monkeypatch.syspath_prepend(str(tmp_path / "lib"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "lib"))
    (one,) = own_methods(["Offered-beta3"], OutputDir(tmp_path / "out"), absolute)
    assert (one.name, one.place, one.section) == ("Offered", "mine:Mine", "offered")


WRONG = [
    ("nothing.py:Mine", "no such file"),
    ("nothing:Mine", "no module nothing"),
    ("mine.py:My_Method", "a method called My_Method"),
    ("mine.py:Direct", "a method called Direct"),
    ("mine.py:fit", "a method called fit"),
    ("mine.py:dkd", "a method called dkd"),
    ("mine.py:Model", "a method called Model"),  # keys such as model.channels are of recipes
    ("mine.py:Method", "a method called Method"),
    ("mine.py:LOGITS", "a method called LOGITS"),
    ("mine.py:", "not the place of a method"),
    (":Mine", "not the place of a method"),
    ("mine.py:2nd", "not the place of a method"),
    ("http://x.org/mine:Mine", "not the place of a method"),
    ("mine.py:Nobody", "mine.py:Nobody"),
    ("mine.py", "a file without the name of a method"),
]


@pytest.mark.parametrize(("entry", "where"), WRONG)
def test_names_that_mean_none(entry: str, where: str, here: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        found(entry, output=tmp_path / "out")
    assert where in caught.value.where
    assert caught.value.todo


def test_two_of_one_name(here: Path, tmp_path: Path) -> None:
    write(tmp_path / "other")
    with pytest.raises(UsageError, match="two methods of one name"):
        found("mine.py:Mine", f"{tmp_path}/other/mine.py:Mine", output=tmp_path / "out")
    with pytest.raises(UsageError, match=r"two methods of one name \(whatever letters are capitals\)"):
        found("mine.py:Mine", "mine.py:MINE", output=tmp_path / "out")


def test_a_setting_that_is_a_word_of_all(here: Path, tmp_path: Path) -> None:
    (here / "mine.py").write_text(
        MINE.replace("noisy: bool", "until: bool").replace("settings.noisy", "settings.until")
    )
    with pytest.raises(UsageError, match="has a setting called until"):
        found("mine.py:Mine", output=tmp_path / "out")


def test_what_was_noted_is_not_looked_at_again(here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = OutputDir(tmp_path / "out")
    first = own_methods(["mine.py:Mine"], output, absolute)
    output.root.mkdir()
    note_methods(extended(first)(datasets=["Digits"], baselines=["Mine"]), output)
    copy = output.method_source(first[0].source)
    assert (copy / "mine.py").read_text() == MINE
    asked = []
    monkeypatch.setattr(room, "answers_of", lambda *given, **about: asked.append(given) or [{"fault": _FAULT}])
    assert own_methods(["mine.py:Mine"], output, absolute) == first
    assert asked == []
    (here / "parts/weights.py").write_text("WEIGHT = 5.0\n")  # a file that it imports
    with pytest.raises(UsageError, match="another one"):
        own_methods(["mine.py:Mine"], output, absolute)
    assert len(asked) == 1
    (here / "mine.py").unlink()
    (gone,) = own_methods([f"{here}/mine.py:Mine"], output, absolute)
    assert (gone, gone.origin) == (first[0], str(copy))
    for broken in (lambda: (copy / "mine.py").write_text("changed"), lambda: shutil.rmtree(copy)):
        broken()
        with pytest.raises(UsageError, match="is no longer there") as caught:
            own_methods([f"{here}/mine.py:Mine"], output, absolute)
        assert str(output.methods) in str(caught.value)


def test_a_copy_that_was_changed_is_put_there_again(
    here: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    output = OutputDir(tmp_path / "out")
    methods = own_methods(["mine.py:Mine"], output, absolute)
    output.root.mkdir()
    config = extended(methods)(datasets=["Digits"], baselines=["Mine"])
    for damage in (lambda file: file.write_text("changed"), lambda file: file.unlink(), lambda file: None):
        note_methods(config, output)
        copy = output.method_source(methods[0].source)
        assert (copy / "mine.py").read_text() == MINE
        damage(copy / "mine.py")
    assert caplog.text.count("was changed; it is put there again") == 2


_FAULT = {"expected": "", "found": "another one", "todo": ""}


def test_a_file_that_is_changed_in_that_moment(here: Path, tmp_path: Path) -> None:
    output = OutputDir(tmp_path / "out")
    found_now = own_methods(["mine.py:Mine"], output, absolute)
    (here / "mine.py").write_text(MINE + "\n")
    with pytest.raises(UsageError, match="start again"):
        note_methods(extended(found_now)(datasets=["Digits"], baselines=["Mine"]), output)
    assert not output.methods.exists()


def test_the_config_has_whole_paths(here: Path, tmp_path: Path) -> None:
    grid = {"baselines": ["mine.py:Mine"], "mine.beta": [1, 2]}
    overrides = {"datasets": ["Digits"], "baselines": ["Direct", "mine.py:Mine-beta3"], "vary": [grid], "mine.beta": 4}
    config, _ = resolve(Request("quick", str(tmp_path / "out"), overrides=overrides))
    assert config.baselines == ["Direct", f"{here}/mine.py:Mine-beta3"]
    assert config.vary[0]["baselines"] == [f"{here}/mine.py:Mine"]
    assert config.model_dump()["mine"] == {"beta": 4, "noisy": True}
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("entry", "whole"),
    [("a/b.py:C-x2", "HERE/a/b.py:C-x2"), ("/a.py:C", "/a.py:C"), ("a.b:C", "a.b:C")],
)
def test_absolute_entries(entry: str, whole: str, here: Path) -> None:
    assert absolute_entry(entry, absolute) == whole.replace("HERE", str(here))
