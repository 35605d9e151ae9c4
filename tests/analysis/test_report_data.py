"""The data sets in a report: their census, and an image of each class, from the cache alone."""

from __future__ import annotations

import base64
import io
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import browser
from support.datasets import image_folder
from support.frames import make_output

from hpmkd.analysis.report.content import gather
from hpmkd.analysis.report.data import FOLDED, DataShown
from hpmkd.analysis.report.write import html, markdown
from hpmkd.config.sweep import SweepConfig
from hpmkd.data import cache
from hpmkd.store.output_dir import OutputDir


def many(root: Path, classes: int, size: int = 16, train: int = 2) -> Path:
    """A training image or more, and a test image, of each class, in a colour of its own."""
    for number in range(classes):
        for part, count in (("train", train), ("test", 1)):
            folder = root / part / f"class_{number:03d}"
            folder.mkdir(parents=True)
            for place in range(count):
                pixels = np.full((size, size, 3), (number, 255 - number % 256, 10 * place), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{place}.png")
    return root


def sweep(tmp_path: Path, *entries: str, train_images: int | None = None) -> tuple[OutputDir, SweepConfig]:
    output, config, _ = make_output(
        tmp_path / "out", tmp_path / "cache", lambda job: 90.0, datasets=list(entries), baselines=["Direct"], runs=2,
        data__train_images=train_images, data__allow_empty_classes=True, data__image_size=16,
    )  # fmt: skip
    return output, config


def shown(output: OutputDir) -> list[DataShown]:
    return list(gather(output.root).datasets)


def pixel(address: str) -> tuple[int, ...]:
    data = base64.b64decode(address.removeprefix("data:image/png;base64,"))
    return tuple(np.asarray(Image.open(io.BytesIO(data)))[1, 1])


@pytest.mark.parametrize("classes", [2, 10, 100])
def test_each_class_has_its_picture_its_name_and_its_numbers(classes: int, tmp_path: Path) -> None:
    output, _ = sweep(tmp_path, f"x={many(tmp_path / 'x', classes)}")
    (one,) = shown(output)
    assert one.summary.startswith(f"x: {2 * classes} training and {classes} test images of {classes} classes, 16x16")
    assert [(part.name, part.train, part.test) for part in one.classes] == [
        (f"class_{number:03d}", "2", "1") for number in range(classes)
    ]
    assert [pixel(part.image) for part in one.classes] == [(number, 255 - number, 0) for number in range(classes)]
    assert one.more == 0
    page = html(gather(output.root))
    section = page[page.index('<section id="data">') : page.index('<section id="accuracy">')]
    assert re.findall(r'alt="([^"]*)"', section) == [
        f"class_{number:03d}: first training image" for number in range(classes)
    ]
    assert ("<details" in section) == (classes > FOLDED)
    assert not re.search(r'src="(?!data:image/png;base64,)', section)
    assert one.summary in markdown(gather(output.root))


def test_the_images_of_each_class_that_are_trained_on(tmp_path: Path) -> None:
    output, _ = sweep(tmp_path, f"x={many(tmp_path / 'x', 3, train=20)}", train_images=30)
    (one,) = shown(output)
    assert sum(int(part.used) for part in one.classes) == 30
    assert sum(int(part.validation) for part in one.classes) == 6
    page = html(gather(output.root))
    assert "images that are trained on + kept for\nvalidation + test images" in page
    first = one.classes[0]
    assert f'<span class="note">{first.used} + {first.validation} + {first.test}</span>' in page


def test_a_class_that_is_not_trained_on_is_said(tmp_path: Path) -> None:
    output, _ = sweep(tmp_path, f"x={many(tmp_path / 'x', 10)}", train_images=7)
    (one,) = shown(output)
    assert any("of 10 classes without an image among the 7 that are trained on" in said for said in one.remarks)


def test_fewer_training_images_than_there_are_are_said(tmp_path: Path) -> None:
    """The numbers of each class are those of all images, which were not all trained on, where no others are known."""
    output, config = sweep(tmp_path, f"x={many(tmp_path / 'x', 10)}", train_images=7)
    line = "x: 7 of 18 training images are used (data.train_images; 2 kept for validation)"
    assert line in shown(output)[0].remarks
    (order,) = Path(str(config.data.cache_dir)).glob("*.npy")
    order.unlink()
    (one,) = shown(output)
    line = "x: 7 of 18 training images are used (data.train_images; 2 kept for validation); below are all images of"
    assert any(said.startswith(line) for said in one.remarks)
    assert line in html(gather(output.root))
    assert line in markdown(gather(output.root))


def test_each_condition_has_its_line_and_its_counts(tmp_path: Path) -> None:
    """The data set as it is among them: what is true of one is not said of the other."""
    root = many(tmp_path / "x", 3, train=20)
    output, _ = sweep(tmp_path, f"x={root}", f"x={root}@n30")
    (one,) = shown(output)
    assert one.conditions == ("x", "x@n30")
    assert "x: all 54 training images are used (6 kept for validation)" in one.remarks
    assert "x@n30: 30 of 54 training images are used (the condition n30; 6 kept for validation)" in one.remarks
    assert not any("data.train_images" in said for said in one.remarks)
    used = [[int(number) for number in part.used.split(" / ")] for part in one.classes]
    assert [sum(numbers) for numbers in zip(*used, strict=True)] == [54, 30]
    page = html(gather(output.root))
    assert "images that are trained on (x / x@n30) + kept for" in page
    facts = dict(gather(output.root).facts)
    assert facts["conditions"] == "none, n30"
    assert facts["training images"] == "all; where a condition says how many, so many"


def test_a_condition_wins_over_the_number_of_all_others(tmp_path: Path) -> None:
    root = many(tmp_path / "x", 3, train=20)
    output, _ = sweep(tmp_path, f"x={root}", f"x={root}@n30", train_images=20)
    (one,) = shown(output)
    assert "x: 20 of 54 training images are used (data.train_images; 6 kept for validation)" in one.remarks
    assert "x@n30: 30 of 54 training images are used (the condition n30; 6 kept for validation)" in one.remarks


def test_of_very_many_classes_the_rest_is_counted(tmp_path: Path) -> None:
    output, _ = sweep(tmp_path, f"x={many(tmp_path / 'x', 103, train=1)}")
    (one,) = shown(output)
    assert (len(one.classes), one.more) == (100, 3)
    assert "3 more classes are" in html(gather(output.root))


def test_a_class_without_training_images_and_names_as_they_come(tmp_path: Path) -> None:
    root = image_folder(tmp_path / "x")
    shutil.rmtree(root / "train" / "eel")
    for part in ("train", "test"):
        (root / part / "cat").rename(root / part / "<b> & 'c'")
    output, _ = sweep(tmp_path, f"x={root}")
    (one,) = shown(output)
    assert [(part.name, part.image == "") for part in one.classes] == [
        ("<b> & 'c'", False),
        ("dog", False),
        ("eel", True),
    ]
    page = html(gather(output.root))
    assert "&lt;b&gt; &amp; &#39;c&#39;: first training image" in page
    assert '<span\nclass="none">no image</span>' in page


def test_known_data_sets_and_several_are_shown_in_order(tmp_path: Path) -> None:
    output, config = sweep(tmp_path, "Digits", f"x={image_folder(tmp_path / 'x')}")
    assert [one.name for one in shown(output)] == ["x"], "Digits is in no cache yet"
    cache.prepare(cache.describe(config)[0], config.data)
    assert [(one.name, len(one.classes)) for one in shown(output)] == [("Digits", 10), ("x", 3)]


@pytest.mark.parametrize("fault", ["no cache", "no picture", "torn picture", "torn sidecar", "other sidecar"])
def test_a_cache_that_is_gone_or_damaged_is_no_fault_of_the_report(fault: str, tmp_path: Path) -> None:
    output, config = sweep(tmp_path, f"x={image_folder(tmp_path / 'x')}")
    shutil.rmtree(tmp_path / "x")
    folder = Path(str(config.data.cache_dir))
    (picture,), (sidecar,) = folder.glob("*.png"), folder.glob("*.json")
    if fault == "no cache":
        shutil.rmtree(folder)
    elif fault == "no picture":
        picture.unlink()
    elif fault == "torn picture":
        picture.write_bytes(picture.read_bytes()[:60])
    elif fault == "torn sidecar":
        sidecar.write_text("{")
    else:
        sidecar.write_text(re.sub(r'"classes": \[.*?\]', '"classes": [1]', sidecar.read_text(), flags=re.DOTALL))
    found, page = shown(output), html(gather(output.root))
    if "picture" in fault:
        assert [part.image for part in found[0].classes] == [""] * 3
    else:
        assert found == []
        assert "<h2>Data</h2>" not in page
        assert "## Data\n" not in markdown(gather(output.root))


def test_it_needs_no_torch() -> None:
    code = "import sys, hpmkd.analysis.report; sys.exit(bool({'torch', 'ray'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[browser.Browser]:
    program = browser.find()
    if program is None:
        pytest.skip("there is no Chromium here")
    opened = browser.Browser(program, tmp_path_factory.mktemp("profile"))
    yield opened
    opened.close()


WIDEST = (
    "Math.max(...[...document.querySelectorAll('#data li, #data img')].map((one) => one.getBoundingClientRect().right))"
)


@pytest.mark.parametrize("width", [1280, 390])
def test_in_a_browser_pictures_are_seen_whole_at_any_width(
    width: int, chromium: browser.Browser, tmp_path: Path
) -> None:
    long = image_folder(tmp_path / "x")
    for part in ("train", "test"):
        (long / part / "cat").rename(long / part / ("a_name_without_any_blank" * 4))
    output, _ = sweep(tmp_path, f"x={long}", f"y={many(tmp_path / 'y', 100, train=1)}")
    page = tmp_path / "report.html"
    page.write_text(html(gather(output.root)))
    chromium.send("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=True)
    chromium.open(page.as_uri())
    chromium.wait(lambda: chromium.run("document.readyState") == "complete")
    chromium.run("document.querySelectorAll('#data details').forEach((one) => { one.open = true; })")
    assert chromium.run("[...document.querySelectorAll('#data img')].filter((one) => !one.naturalWidth).length") == 0
    assert chromium.run(WIDEST) <= width
    sizes = chromium.run("[...document.querySelectorAll('#data img')].map((one) => one.getBoundingClientRect().width)")
    assert (len(sizes), min(sizes) >= 48) == (103, True)
    assert chromium.run("document.querySelector('#data').scrollWidth <= document.querySelector('#data').clientWidth")
