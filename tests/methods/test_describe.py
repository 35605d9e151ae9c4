"""What is found out about a user's method; and what is wrong with it, in words."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.own_methods import HEAD, MINE, ask, known, write

COMPARE = "class Mine(LogitDistiller):\n    def compare(self, a, b, label, progress):\n        return {}\n"
PLAIN = "    def loss(self, student, teachers, target, progress):\n        return {'ce': student.logits.sum()}\n"


def test_what_is_known_of_it(tmp_path: Path) -> None:
    write(tmp_path / "mine")
    found = ask(tmp_path / "mine", tmp_path / "copy")
    assert (found["kind"], found["teachers"], found["needs"]) == ("features", "one", ["features"])
    assert found["files"] == ["mine.py", "parts/__init__.py", "parts/weights.py"]
    assert {name: about["default"] for name, about in found["settings"]["properties"].items()} == {
        "beta": 2.0,
        "noisy": True,
    }
    assert (tmp_path / "copy/parts/weights.py").read_text() == "WEIGHT = 2.0\n"


def test_its_source_is_all_that_it_imports_of_the_users(tmp_path: Path) -> None:
    write(tmp_path / "mine")
    first = ask(tmp_path / "mine", tmp_path / "a")["source"]
    (tmp_path / "mine/other.py").write_text("")
    assert ask(tmp_path / "mine", tmp_path / "b")["source"] == first
    (tmp_path / "mine/parts/weights.py").write_text("WEIGHT = 3.0\n")
    assert ask(tmp_path / "mine", tmp_path / "c")["source"] != first


@pytest.mark.parametrize(
    ("text", "kind", "teachers"),
    [
        (
            "class Mine(LogitDistiller):\n    def compare(self, a, b, label, progress):\n        return {}\n",
            "logits",
            "one",
        ),
        (f"class Mine(OnKD):\n{PLAIN}", "kd", "one"),
        (f"class Mine(Distiller):\n    learns_from = 'none'\n{PLAIN}", "plain", "none"),
        (f"class Mine(Distiller):\n    learns_from = 'several'\n{PLAIN}", "plain", "several"),
        (f"class Base(FeatureDistiller):\n    pass\nclass Mine(Base):\n{PLAIN}", "features", "one"),
    ],
)
def test_what_it_stands_on(text: str, kind: str, teachers: str, tmp_path: Path) -> None:
    write(tmp_path / "mine", HEAD + text)
    method = known(tmp_path / "mine", tmp_path / "copy")
    assert (method.kind, method.teachers, method.section) == (kind, teachers, "mine")


FAULTS = [
    ("Mine = 3", "is of type int that is none"),
    ("class Mine:\n    pass", "is a class that is none"),
    ("class Other(OnKD):\n    pass", "no Mine"),
    ("class Mine(OnKD):\n    pass", "none"),
    ("class Mine(FeatureDistiller):\n    pass", "none"),
    ("class Mine(LogitDistiller):\n    pass", "none"),
    ("import nowhere", "ModuleNotFoundError: No module named 'nowhere' (mine.py, line"),
    ("class Mine(OnKD)\n    pass", "SyntaxError"),
    ("raise RuntimeError('not today')", "RuntimeError: not today (mine.py, line"),
    (f"class Mine(OnKD):\n    needs = 'features'\n{PLAIN}", "'features'"),
    (f"class Mine(OnKD):\n    needs = frozenset({{'maps'}})\n{PLAIN}", "maps"),
    (f"class Mine(OnKD):\n    learns_from = 'two'\n{PLAIN}", "'two'"),
    (f"class Mine(OnKD):\n    learns_from = 'none'\n{PLAIN}", "learns_from: none"),
    (f"class Mine(OnKD):\n    Settings = 4\n{PLAIN}", "4"),
    (
        "from typing import Annotated\nfrom pydantic import Field\n"
        f"class S(Section):\n    x: Annotated[float, Field(ge=0)] = -1.0\nclass Mine(OnKD):\n    Settings = S\n{PLAIN}",
        "x = -1.0: Input should be greater than or equal to 0",
    ),
    (f"class S(Section):\n    x: float = 'abc'\nclass Mine(OnKD):\n    Settings = S\n{PLAIN}", "x = 'abc'"),
    (f"class S(Section):\n    x: float\nclass Mine(OnKD):\n    Settings = S\n{PLAIN}", "x, which has no default"),
    (
        f"class S(Section):\n    x: dict = {{}}\nclass Mine(OnKD):\n    Settings = S\n{PLAIN}",
        "x, which is of another kind",
    ),
    (
        f"import pydantic\nclass S(pydantic.BaseModel):\n    x: int = 1\nclass Mine(OnKD):\n    Settings = S\n{PLAIN}",
        "S, a pydantic model of another kind",
    ),
]


@pytest.mark.parametrize(("text", "found"), FAULTS, ids=[str(number) for number in range(len(FAULTS))])
def test_faults_are_said(text: str, found: str, tmp_path: Path) -> None:
    write(tmp_path / "mine", f"{HEAD}\n{text}\n")
    fault = ask(tmp_path / "mine", tmp_path / "copy")["fault"]
    assert found in fault["found"], fault
    assert fault["expected"]
    assert fault["todo"]


def test_the_file_of_the_test_has_no_fault(tmp_path: Path) -> None:
    write(tmp_path / "mine", MINE)
    assert "fault" not in ask(tmp_path / "mine", tmp_path / "copy")
