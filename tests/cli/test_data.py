"""`hpmkd data`: the census of any data set."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from support.datasets import image_folder, parquet_pair, rename_to_latin1
from support.pictures import picture

from hpmkd.cli import main as entry
from hpmkd.cli.main import COMMANDS, Command, main


def test_a_folder_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image_folder(tmp_path / "own")
    (tmp_path / "own" / "train" / "cat" / ".DS_Store").write_bytes(b"x")
    assert main(["data", f"pets={tmp_path / 'own'}", "--json", "--data.cache_dir", str(tmp_path / "cache")]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["name"], said["classes"], said["train_images"], said["test_images"]) == ("pets", 3, 9, 6)
    census = said["census"]
    assert census["layout"] == "image folders"
    assert census["classes"][0] == {"name": "cat", "train": 3, "test": 2}
    assert census["ignored"]["hidden"] == {"count": 1, "images": 0, "examples": ["train/cat/.DS_Store"]}
    assert census["duplicates"] == {"train": 0, "test": 0, "between": 0, "contradicting": 0}
    assert said["pictures"] == {"columns": 2, "tile": 8, "classes": 3}


def test_what_is_counted_now_is_not_what_the_cache_remembers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Same pixels and labels, so the same cache; but a class has another name, and a file lies beside."""
    words = ["data", f"pets={image_folder(tmp_path / 'own')}", "--json", "--data.cache_dir", str(tmp_path / "cache")]
    assert main(words) == 0
    first = json.loads(capsys.readouterr().out)
    for part in ("train", "test"):
        (tmp_path / "own" / part / "eel").rename(tmp_path / "own" / part / "hen")
    (tmp_path / "own" / "notes.txt").write_text("x")
    assert main(words) == 0
    second = json.loads(capsys.readouterr().out)
    assert (second["content"], second["sha256"]) == (first["content"], first["sha256"])
    assert [one["name"] for one in second["census"]["classes"]] == ["cat", "dog", "hen"]
    assert second["census"]["ignored"] != first["census"]["ignored"]
    assert len(list((tmp_path / "cache").glob("*.pt"))) == 1


def test_for_people(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    parquet_pair(tmp_path / "own", value=lambda label: ["[red]", "b", "c"][label])
    assert main(["data", str(tmp_path / "own"), "--data.cache_dir", str(tmp_path / "cache")]) == 0
    out = capsys.readouterr().out
    assert out.startswith("own: 9 training and 6 test images of 3 classes, 8x8 in colour (Parquet tables)\n")
    assert "[red]" in out
    assert max(map(len, out.splitlines()[:-1])) <= 80, "the last line is a command, to be copied"


def test_names_that_are_not_utf8(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image_folder(tmp_path / "own")
    for part in ("train", "test"):
        rename_to_latin1(tmp_path / "own" / part, "eel", b"katz\xe9")
    words = ["data", str(tmp_path / "own"), "--data.cache_dir", str(tmp_path / "cache")]
    assert main(words) == 0
    assert "katz\\xe9" in capsys.readouterr().out
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["census"]["classes"][2]["name"] == "katz\udce9"


def test_a_known_data_set(tmp_path: Path, cache_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "Digits", "--data.cache_dir", str(cache_dir)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("Digits: 1,442 training and 355 test images of 10 classes, 28x28 in grey")
    nothing = ["--data-dir", str(tmp_path), "--data.cache_dir", str(tmp_path / "cache")]
    assert main(["data", "MNIST", *nothing, "--data.download", "false"]) == 3
    assert "MNIST is not there" in capsys.readouterr().err


def test_keys_and_errors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image_folder(tmp_path / "own")
    words = ["data", str(tmp_path / "own"), "--data.cache_dir", str(tmp_path / "cache")]
    assert main([*words, "--data.image_size", "16", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["image_size"] == 16
    assert main([*words, "--data.image_size", "big"]) == 2
    assert "data.image_size" in capsys.readouterr().err
    (tmp_path / "own" / "train" / "cat" / "a.mp4").write_bytes(b"x")
    assert main(words) == 3
    assert "--data.ignore_suffixes '[.mp4]'" in capsys.readouterr().err
    assert main([*words, "--data.ignore_suffixes", "[MP4]"]) == 0
    out = capsys.readouterr().out
    assert out.count("1 file of a suffix in data.ignore_suffixes") == 1
    assert main(["data", str(tmp_path / "nothing")]) == 2


def test_the_command_to_type_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It plans the same images: with it, a dry run has nothing to decode."""
    own = image_folder(tmp_path / "my images")
    cache = ["--data.cache_dir", str(tmp_path / "cache")]
    assert main(["data", f"x={own}", *cache, "--data.image_size", "16"]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    command = shlex.split(last.removeprefix("what is next: ").partition("  (without")[0])
    assert command[:4] == ["hpmkd", "run", "--datasets", f"x={own}"]
    assert command[-1] == "-n"
    assert main([*command[1:], "-o", str(tmp_path / "out")]) == 0
    said = capsys.readouterr()
    assert "decoding" not in said.err
    assert "16x16 in colour" in said.err


def test_images_there_twice_have_a_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["data", f"x={image_folder(tmp_path / 'own')}", "--data.cache_dir", str(tmp_path / "cache")]
    assert main(words) == 0
    assert "duplicates" not in capsys.readouterr().out
    (tmp_path / "own" / "test" / "cat" / "again.png").write_bytes(
        (tmp_path / "own" / "train" / "cat" / "000.png").read_bytes()
    )
    assert main(words) == 0
    out = capsys.readouterr().out
    assert "1 test image like a training image" in out
    assert "between" not in out


def test_lists_are_no_files_of_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for part, first, number in (("train", 0, 4), ("test", 9, 2)):
        lines = ["file,label"]
        for place in range(first, first + number):
            (tmp_path / f"{place}.png").write_bytes(picture(place))
            lines.append(f"{place}.png,{place % 2}")
        (tmp_path / f"{part}.csv").write_text("\n".join(lines))
    assert main(["data", f"x={tmp_path}", "--data.cache_dir", str(tmp_path / "cache")]) == 0
    out = capsys.readouterr().out
    assert "4 images in 4 files of train" in out
    assert ".png: 6" in out
    assert ".csv" not in out


def test_what_the_table_says_is_not_said_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = image_folder(tmp_path / "own")
    (own / "val").mkdir()
    (own / "val" / "a.png").write_bytes(picture(70))
    words = ["data", f"x={own}", "--data.cache_dir", str(tmp_path / "cache"), "--data.image_size", "16"]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert out.count("enlarged to 16x16") == 1
    assert "resized" not in out
    assert out.count("val/") == 1


def test_many_classes_are_cut(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from support.datasets import class_folders

    names = [f"c{number:02d}" for number in range(40)]
    for part, first in (("train", 0), ("test", 40)):
        class_folders(tmp_path / part, [(picture(first + one), one) for one in range(40)], names=names)
    assert main(["data", f"x={tmp_path}", "--data.cache_dir", str(tmp_path / "cache")]) == 0
    out = capsys.readouterr().out
    assert "c29" in out
    assert "c30" not in out
    assert "10 more" in out


def test_no_traceback_reaches_a_user(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """For any command, whatever comes up; `-v` shows it."""

    def fail(argv: list[str], prog: str) -> int:
        raise ZeroDivisionError("nothing\nto divide by")

    monkeypatch.setitem(COMMANDS, "data", Command("test:fail", ""))
    monkeypatch.setattr(entry.pkgutil, "resolve_name", lambda path: fail)
    assert main(["data", "x"]) == 1
    assert capsys.readouterr().err.startswith("error: unexpected ZeroDivisionError: nothing\n  what to do: ")
    with pytest.raises(ZeroDivisionError):
        main(["data", "x", "-v"])
