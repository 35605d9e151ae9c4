"""What is said of a node that is not as this machine is; whole clusters are in tests/end_to_end/test_hosts.py."""

from __future__ import annotations

import contextlib
import importlib.metadata
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import ray
from ray import cloudpickle

from hpmkd.cluster import need_nodes, nodes, sight
from hpmkd.cluster.nodes import Node
from hpmkd.errors import EnvironmentProblem
from hpmkd.store.output_dir import OutputDir

HERE = {
    "host": "here", "python": "3.11.7", "torch": "2.14.0", "numpy": "2.1", "hpmkd": ["/code", "abc"], "time": 1000.0,
    "plan": "hash", "mark": None, "sees": True,
}  # fmt: skip


class Answers:
    """Stands in for Ray: nodes say what they are told to, after they have written, or not."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, output: OutputDir, writes: bool = True) -> None:
        self.said: dict[str, Any] = {}
        self.output, self.writes, self.now = output, writes, 1000.0
        monkeypatch.setattr(need_nodes.sight, "look", self._look)
        monkeypatch.setattr(Node, "call", self._call)
        monkeypatch.setattr(nodes.ray, "get", lambda answer, timeout: answer)
        monkeypatch.setattr(need_nodes.time, "time", lambda: self.now)
        monkeypatch.setattr(need_nodes, "_SEEN_SECONDS", 0.2)

    def _look(self, output: str, plan: str, mark: str, here: str = "") -> dict[str, Any]:
        return dict(HERE)

    def _call(self, function: Any, output: str, plan: str, mark: str, here: str) -> dict[str, Any]:
        if self.writes:
            (Path(output) / mark).write_text(mark)
        return {**HERE, "host": "there", **self.said}


@pytest.fixture
def output(tmp_path: Path) -> OutputDir:
    (tmp_path / "sweep.yaml").write_text("runs: 1\n")
    return OutputDir(tmp_path)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"plan": "[Errno 2] No such file or directory: '/out/sweep.yaml'"}, r"does not share.*No such file.*mount it"),
        ({"plan": "other"}, r"does not share.*another sweep\.yaml than here"),
        ({"mark": "[Errno 30] Read-only file system"}, r"does not share.*cannot write there.*Read-only"),
        ({"hpmkd": None}, r"hpmkd is not there.*/code.*install it there"),
        ({"hpmkd": ["/site", "def"]}, r"another hpmkd.*/code \(abc\), as here.*/site \(def\)"),
        ({"torch": "2.6.0"}, r"another torch.*2\.14\.0, as here.*found: 2\.6\.0"),
        ({"numpy": None}, r"another numpy.*2\.1, as here.*found: None"),
        ({"python": "3.11.9"}, r"another python.*3\.11\.7"),
        ({"time": 920.0}, r"its clock is 80 s behind.*within 10 s.*chrony"),
        ({"time": 1033.0}, r"its clock is 33 s ahead"),
    ],
)
def test_what_differs(said: dict[str, Any], expected: str, output: OutputDir, monkeypatch: pytest.MonkeyPatch) -> None:
    Answers(monkeypatch, output).said |= said
    with pytest.raises(EnvironmentProblem, match=rf"(?s)^node 10\.0\.0\.2 \(there\): .*{expected}") as caught:
        need_nodes.need_nodes([Node("2", "10.0.0.2")], output)
    assert caught.value.exit_code == 3
    assert [path.name for path in output.root.iterdir()] == ["sweep.yaml"], "what nodes have written is gone"


@pytest.mark.parametrize("apart", [-9.0, 0.0, 9.0])
def test_nothing_to_say(apart: float, output: OutputDir, monkeypatch: pytest.MonkeyPatch) -> None:
    Answers(monkeypatch, output).said |= {"time": 1000.0 + apart, "hpmkd": ["/elsewhere", "abc"]}
    need_nodes.need_nodes([Node("1", "10.0.0.1"), Node("2", "10.0.0.2")], output)
    assert [path.name for path in output.root.iterdir()] == ["sweep.yaml"]


def test_a_folder_of_the_same_name(output: OutputDir, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of the output: the plan is the same, but nobody sees what others write."""
    Answers(monkeypatch, output, writes=False)
    with pytest.raises(EnvironmentProblem, match=r"(?s)does not share.*what it writes there is not seen here"):
        need_nodes.need_nodes([Node("2", "10.0.0.2")], output)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ray.exceptions.GetTimeoutError("x"), "no answer within 90 seconds"),
        (ray.exceptions.RayError("first line\nModuleNotFoundError: No module named 'cloudpickle'"), "No module named"),
        (ray.exceptions.NodeDiedError("it died"), "it died"),
    ],
)
def test_a_node_that_says_nothing(error: Exception, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(answer: object, timeout: float) -> None:
        raise error

    monkeypatch.setattr(nodes.ray, "get", fail)
    with pytest.raises(EnvironmentProblem, match=rf"(?s)^node 10\.0\.0\.2: does not do.*{expected}.*ray status"):
        nodes.answered(Node("2", "10.0.0.2"), None)  # type: ignore[arg-type]


def test_a_node_that_has_died_is_no_matter(output: OutputDir, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(answer: object, timeout: float) -> None:
        raise ray.exceptions.RayError("it died")

    Answers(monkeypatch, output)
    monkeypatch.setattr(nodes.ray, "get", fail)
    for living in ([], [Node("2", "10.0.0.2")]):
        monkeypatch.setattr(nodes, "living_nodes", lambda living=living: living)
        with pytest.raises(EnvironmentProblem, match="it died") if living else contextlib.nullcontext():
            need_nodes.need_nodes([Node("2", "10.0.0.2")], output)


@pytest.mark.parametrize("work", ["look", "decode"])
def test_the_head_hears_of_a_death_later(work: str, output: OutputDir, monkeypatch: pytest.MonkeyPatch) -> None:
    node, living = Node("2", "10.0.0.2"), [[Node("2", "10.0.0.2")], [Node("2", "10.0.0.2")], []]

    def fail(answer: object, timeout: float) -> None:
        raise ray.exceptions.NodeDiedError("it died")

    Answers(monkeypatch, output)
    monkeypatch.setattr(nodes.ray, "get", fail)
    monkeypatch.setattr(nodes, "living_nodes", lambda: living.pop(0))
    monkeypatch.setattr(nodes.time, "sleep", lambda seconds: None)
    if work == "look":
        need_nodes.need_nodes([node], output)
    else:
        monkeypatch.setattr(Node, "call", lambda *given: None)
        nodes.on_each([node], lambda: None)
    assert living == []


def test_the_look_itself(tmp_path: Path) -> None:
    (tmp_path / "sweep.yaml").write_text("runs: 1\n")
    found = sight.look(str(tmp_path), "sweep.yaml", "mark")
    assert found["torch"] == importlib.metadata.version("torch")
    assert (found["mark"], (tmp_path / "mark").read_text()) == (None, "mark")
    assert sight.look(str(tmp_path), "sweep.yaml", "mark")["hpmkd"] == found["hpmkd"]
    nowhere = sight.look(str(tmp_path / "x"), "sweep.yaml", "mark", packages=["no-such-package"])
    assert nowhere["no-such-package"] is None
    assert "No such file" in nowhere["plan"]
    assert "No such file" in nowhere["mark"]


def test_the_look_travels_without_the_package(tmp_path: Path) -> None:
    """To a Python that cannot import hpmkd, and says so."""
    cloudpickle.register_pickle_by_value(sight)
    (tmp_path / "look").write_bytes(cloudpickle.dumps(sight.look))
    code = """
import pickle, sys
sys.modules["hpmkd"] = None
with open("look", "rb") as file:
    print(pickle.load(file)(".", "look", "mark", packages=["torch"])["hpmkd"])
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("None\n", "")
