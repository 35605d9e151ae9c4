"""ZIP and TAR archives of image folders, as they are downloaded."""

from __future__ import annotations

import shutil
import stat
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from support.datasets import content, image_folder, parquet_pair, pixels_of, read, refusal, rename_to_latin1, rows

from hpmkd.cli.main import main
from hpmkd.config.request import absolute_folder
from hpmkd.data.catalog import find


def packed(folder: Path, kind: str, inside: str = "") -> Path:
    """The folder as an archive beside it."""
    source = folder
    if inside:
        source = folder.with_name(f"{folder.name}-outer")
        shutil.copytree(folder, source / inside)
    return Path(shutil.make_archive(str(folder.with_name("pets")), kind, source))


@pytest.mark.parametrize("inside", ["", "pets-v2"])
@pytest.mark.parametrize("kind", ["zip", "tar", "gztar", "bztar", "xztar"])
def test_archives(tmp_path: Path, kind: str, inside: str) -> None:
    path = packed(image_folder(tmp_path / "own"), kind, inside)
    raw = read(path)
    folder = read(tmp_path / "own")
    assert np.array_equal(raw.train.pixels.numpy(), folder.train.pixels.numpy())
    assert raw.train.labels.tolist() == folder.train.labels.tolist()
    assert content(path) == content(tmp_path / "own"), "the same images with the same labels"
    assert find(str(path)).name == "pets"
    assert absolute_folder(f"x={path}") == f"x={path}"
    assert not [one for one in tmp_path.iterdir() if one.name not in ("own", "own-outer", path.name)]


def test_a_sweep_takes_its_name_and_keeps_its_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    packed(image_folder(tmp_path / "own"), "zip")
    monkeypatch.chdir(tmp_path)
    words = ["--data.cache_dir", "cache", "-o", "out", "--runs", "1", "--baselines", "Direct", "-n"]
    words += ["--data.image_size", "16"]
    assert main(["run", "--datasets", "x=pets.zip", *words]) == 0
    said = capsys.readouterr()
    assert "student_x_Direct_run1.pt" in said.out
    assert said.err.splitlines() == [
        "x: 9 training and 6 test images of 3 classes, 16x16 in colour (image folders)",
        "x: 15 images: enlarged to 16x16",
    ]


def test_those_of_a_mac(tmp_path: Path) -> None:
    path = packed(image_folder(tmp_path / "own"), "zip")
    before = content(path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("__MACOSX/train/cat/._000.png", b"x")
        archive.writestr("train/cat/.DS_Store", b"x")
    raw = read(path)
    assert raw.facts["ignored"]["hidden"]["count"] == 2
    assert content(path) == before


def test_links_inside_a_tar(tmp_path: Path) -> None:
    image_folder(tmp_path / "own")
    (tmp_path / "own" / "train" / "cat" / "900.png").symlink_to("000.png")
    (tmp_path / "own" / "train" / "cat" / "901.png").hardlink_to(tmp_path / "own" / "train" / "cat" / "003.png")
    raw = read(packed(tmp_path / "own", "gztar"))
    assert len(raw.train) == 11
    (tmp_path / "own" / "train" / "cat" / "902.png").symlink_to("nowhere.png")
    assert "902.png: a link to nowhere.png" in refusal(packed(tmp_path / "own", "tar"))


def linked(folder: Path, kind: str, links: dict[str, str]) -> Path:
    """An archive of a folder and of links, which `shutil.make_archive` cannot write into a ZIP."""
    path = folder.with_name(f"linked.{kind}")
    if kind == "tar":
        with tarfile.open(path, "w") as tar:
            for name, target in links.items():
                info = tarfile.TarInfo(name)
                info.type, info.linkname = tarfile.SYMTYPE, target
                tar.addfile(info)
            tar.add(folder, ".")
    else:
        with zipfile.ZipFile(path, "w") as archive:
            for name, target in links.items():
                entry = zipfile.ZipInfo(name)
                entry.create_system, entry.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
                archive.writestr(entry, target)
            for file in sorted(folder.rglob("*.png")):
                archive.write(file, file.relative_to(folder))
    return path


@pytest.mark.parametrize("kind", ["tar", "zip"])
@pytest.mark.parametrize("store", ["store", ".store"])
def test_links_to_folders_inside_an_archive(tmp_path: Path, kind: str, store: str) -> None:
    """Class folders as links, over another link, and to hidden folders, as on the disk."""
    own = image_folder(tmp_path / "own")
    before = content(own)
    (own / store).mkdir()
    for part in ("train", "test"):
        shutil.move(own / part / "dog", own / store / f"dog_{part}")
    links = {f"{part}/dog": f"../now/dog_{part}" for part in ("train", "test")} | {"now": store}
    path = linked(own, kind, links)
    assert content(path) == before
    assert [one["name"] for one in read(path).facts["classes"]] == ["cat", "dog", "eel"]


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_links_of_an_archive_that_lead_back_or_nowhere(tmp_path: Path, kind: str) -> None:
    own = image_folder(tmp_path / "own")
    links = {"train/cat/again": "..", "train/top": ".."}
    name = next((own / "test" / "cat").iterdir()).name
    raw = read(linked(own, kind, links | {"train/cat/x.png": f"../../test/dog/../cat/{name}"}))
    assert len(raw.train) == 10
    assert raw.facts["ignored"]["a link that leads back to a folder above it"]["count"] == 2
    for target in ("loop.png", "../../../../etc/x.png", "/etc/x.png"):
        said = refusal(linked(own, kind, {"train/cat/loop.png": target}))
        assert f"loop.png: a link to {target}, which is not in the archive" in said


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_a_class_folder_of_an_archive_that_is_a_link_to_nowhere_is_refused(tmp_path: Path, kind: str) -> None:
    own = image_folder(tmp_path / "own")
    said = refusal(linked(own, kind, {f"{part}/cow": "../store/cow" for part in ("train", "test")}))
    assert "2 links to what is not there" in said
    assert f"linked.{kind}:train/cow" in said


def test_a_long_chain_of_links_is_refused(tmp_path: Path) -> None:
    """One folder inside another, over links."""
    own = image_folder(tmp_path / "own")
    links = {f"train/cat/{number}/in": f"../{number + 1}" for number in range(2_000)}
    assert "more than 100 folders inside one another" in refusal(linked(own, "zip", links))


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_folders_of_an_archive_that_link_to_one_another_are_refused(tmp_path: Path, kind: str) -> None:
    own, classes = tmp_path / "own", [f"c{number:02d}" for number in range(11)]
    for name in classes:
        for part in ("train", "test"):
            (own / part / name).mkdir(parents=True)
            (own / part / name / "0.png").write_bytes(b"x")
    links = {f"train/{name}/{other}": f"../{other}" for name in classes for other in classes if other != name}
    assert "links within linked folders" in refusal(linked(own, kind, links))


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    image_folder(tmp_path / "own")
    for part in ("train", "test"):
        rename_to_latin1(tmp_path / "own" / part, "eel", b"katz\xe9")
    raw = read(packed(tmp_path / "own", "tar"))
    assert raw.facts["classes"][2]["name"] == "katz\udce9"


@pytest.mark.parametrize("kind", ["zip", "tar", "gztar", "xztar"])
@pytest.mark.parametrize("damage", ["cut", "empty", "text", "flip"])
def test_damaged_archives(tmp_path: Path, kind: str, damage: str) -> None:
    path = packed(image_folder(tmp_path / "own"), kind)
    data = path.read_bytes()
    flipped = bytearray(data)
    for place in range(200, len(data), 150):
        flipped[place] ^= 0x55
    path.write_bytes({"cut": data[: len(data) // 2], "empty": b"", "text": b"404", "flip": bytes(flipped)}[damage])
    assert path.name in refusal(path)


def test_an_encrypted_member(tmp_path: Path) -> None:
    path = packed(image_folder(tmp_path / "own"), "zip")
    data = bytearray(path.read_bytes())
    place = data.index(b"PK\x01\x02")
    while place >= 0:  # the flag `encrypted` of each entry of the directory
        data[place + 8] |= 1
        place = data.find(b"PK\x01\x02", place + 4)
    path.write_bytes(data)
    assert "15 of 15 images cannot be read" in refusal(path)


def test_names_that_lead_outside_stay_inside(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    image_folder(tmp_path / "own")
    with tarfile.open(path, "w") as archive:
        for file in sorted((tmp_path / "own").rglob("*.png")):
            archive.add(file, f"../../{file.relative_to(tmp_path / 'own')}")
    assert len(read(path).train) == 9
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a.tar", "own"]


def test_a_name_twice_is_said(tmp_path: Path) -> None:
    path = packed(image_folder(tmp_path / "own"), "zip")
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr("train/cat/000.png", (tmp_path / "own" / "train" / "cat" / "003.png").read_bytes())
    raw = read(path)
    assert raw.facts["ignored"]["twice in the archive: the last one counts"]["count"] == 1
    assert np.array_equal(raw.train.pixels[0].numpy(), pixels_of(rows(9))[3])


def test_an_archive_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "a.txt").write_text("x")
    assert "not a data set" in refusal(packed(tmp_path / "own", "zip"))


def test_tables_in_an_archive_are_not_read(tmp_path: Path) -> None:
    parquet_pair(tmp_path / "own")
    said = refusal(packed(tmp_path / "own", "zip"))
    assert "unpack it" in said


@pytest.mark.parametrize("kind", ["tar", "zip"])
@pytest.mark.parametrize("store", ["store/{part}/dog", "store/dog_{part}", ".store/{part}/dog"])
def test_a_store_of_links_in_an_archive_is_no_other_data_set(tmp_path: Path, kind: str, store: str) -> None:
    own = image_folder(tmp_path / "own")
    links = {}
    for part in ("train", "test"):
        place = own / store.format(part=part)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(own / part / "dog", place)
        links[f"{part}/dog"] = "../" + store.format(part=part)
    raw = read(linked(own, kind, links))
    assert (len(raw.train), len(raw.test)) == (9, 6)
    assert raw.facts["ignored"] == {}


def test_two_data_sets_in_an_archive(tmp_path: Path) -> None:
    """What lies in it has no path to name."""
    image_folder(tmp_path / "own" / "b")
    image_folder(tmp_path / "own")
    said = refusal(packed(tmp_path / "own", "zip"))
    assert "what to do: unpack it, and name one of its folders: the one at its top, b" in said


def test_a_folder_around_an_archive(tmp_path: Path) -> None:
    image_folder(tmp_path / "own")
    (tmp_path / "downloads").mkdir()
    path = packed(tmp_path / "own", "gztar").rename(tmp_path / "downloads" / "pets.tar.gz")
    assert f"what to do: name the archive, for example my-images={path}" in refusal(tmp_path / "downloads")
