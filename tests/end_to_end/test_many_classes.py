"""Very many classes, hardly an image of each, and a teacher that gets none right: from the start to the report."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.sweeps import start

from hpmkd.cli.main import main

CLASSES = 300
LAST = f"c{CLASSES - 1:03d}"


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """One training image of each class but the last; all test images are of the last, which no network can learn."""
    noise = np.random.default_rng(0)
    for part, names in (("train", [f"c{number:03d}" for number in range(CLASSES - 1)]), ("test", [LAST] * 6)):
        for place, name in enumerate(names):
            folder = tmp_path / "Own" / part / name
            folder.mkdir(parents=True, exist_ok=True)
            pixels = noise.integers(0, 256, (16, 16), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{place:03d}.png")
    return tmp_path / "Own"


@pytest.mark.slow
def test_a_teacher_at_zero_has_a_sweep_and_a_report(
    images: Path, tmp_path: Path, small_ray: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is divided by its accuracy is not defined: a dash, everywhere."""
    given = ["--datasets", str(images), "--baselines", "Direct", "TraditionalKD", "--runs", "2"]
    given += ["--data.allow_empty_classes", "true", "--teacher-epochs", "1", "--student-epochs", "1"]
    assert start(tmp_path / "out", tmp_path / "cache", *given) == 0, capsys.readouterr()
    text, errors = capsys.readouterr()
    assert f"{CLASSES - 1} training and 6 test images of {CLASSES} classes" in errors
    with (tmp_path / "out" / "results.csv").open(newline="") as file:
        rows = {row["file"]: row for row in csv.DictReader(file)}
    assert {float(row["accuracy_pct"]) for row in rows.values() if row["file"].endswith(".pt")} == {0.0}
    assert no_traceback_and_dashes(text)
    for command in (["run", "--restore"], ["status"], ["verify"], ["report"]):
        assert main([*command, str(tmp_path / "out")]) == 0
        said = capsys.readouterr()
        assert "Traceback" not in said.out + said.err
        if command[0] == "run":
            assert no_traceback_and_dashes(said.out)
    page = (tmp_path / "out" / "report.html").read_text()
    accuracies = page[page.index('id="table-accuracy"') :].partition("</table>")[0]
    assert re.findall(r'<td>(\w+)</td><td class="n">\d</td><td class="n">0\.00</td>.*?<td class="n">-</td>', accuracies)
    assert not re.search(r"\b(nan|inf)\b", page.partition('<section id="config">')[0])
    assert main(["report", str(tmp_path / "out"), "--json"]) == 0
    assert "report.html" in json.loads(capsys.readouterr().out)["files"]


def no_traceback_and_dashes(text: str) -> bool:
    """Whether the table after a sweep says what retention is where the teacher has 0 %."""
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in text.splitlines() if line.startswith("│")]
    retention = {row[0]: row[4] for row in rows if len(row) > 4}
    return "Traceback" not in text and retention == {"teacher": "-", "Direct": "-", "TraditionalKD": "-"}
