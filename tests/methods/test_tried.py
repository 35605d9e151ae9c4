"""A user's method does two steps before anything is trained: what is wrong with it is found there, and said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.builders import STUDENT, TEACHER
from support.losses import HPARAMS
from support.own_methods import HEAD, MINE, example, known, write

from hpmkd.config.extended import extended
from hpmkd.config.specs import model_to_json
from hpmkd.methods import tried
from hpmkd.plan.catalog import baseline_of


def answer(folder: Path, tmp_path: Path, name: str = "Mine", **hparams: Any) -> dict[str, Any]:
    """Of the file `mine.py` there."""
    method = known(folder, tmp_path / "copy", name)
    config = extended([method])(datasets=["Digits"], baselines=["Direct"])
    own = dict(baseline_of(config, name).hparams)
    question = {
        "method": method.to_json(), "origin": str(folder), "copy": str(tmp_path / "tried"),
        "hparams": {**HPARAMS, **own, **hparams},
        "networks": [model_to_json(STUDENT), model_to_json(TEACHER)], "origins": [None, None],
    }  # fmt: skip
    (tmp_path / "request.json").write_text(json.dumps([question]))
    tried.main(tmp_path)
    found: dict[str, Any] = json.loads((tmp_path / "answer.json").read_text())[0]
    return found


@pytest.mark.parametrize(("text", "name"), [(MINE, "Mine"), (example(), "Directions")])
def test_sound_ones_pass(text: str, name: str, tmp_path: Path) -> None:
    assert answer(write(tmp_path / "mine", text).parent, tmp_path, name) == {}


LOSS = """    def loss(self, student, teachers, target, progress):
        logits, known = student.logits, teachers[0].logits
"""
COMPARE = "    def compare(self, s, t, label, progress):\n"
FAULTS = {
    "no dict": (f"class Mine(OnKD):\n{LOSS}        return logits.sum()", "Tensor"),
    "no terms": (f"class Mine(OnKD):\n{LOSS}        return {{}}", "dict: {}"),
    "numbers": (f"class Mine(OnKD):\n{LOSS}        return {{'a': 1.0}}", "a is of type float"),
    "no name": (f"class Mine(OnKD):\n{LOSS}        return {{'': logits.sum()}}", "''"),
    "a slash": (f"class Mine(OnKD):\n{LOSS}        return {{'a/b': logits.sum()}}", "'a/b'"),
    "the labels' name": (f"class Mine(LogitDistiller):\n{COMPARE}        return {{'ce': s.sum()}}", "a term called ce"),
    "no own dict": (f"class Mine(LogitDistiller):\n{COMPARE}        return s.sum()", "Tensor"),
    "KD's name": (
        "class Mine(FeatureDistiller):\n    def own(self, student, teacher, progress):\n"
        "        return {'kd': student.logits.sum()}",
        "a term called kd",
    ),
    "a term per image": (f"class Mine(OnKD):\n{LOSS}        return {{'a': logits.sum(1)}}", "a tensor (8,)"),
    "not finite": (f"class Mine(OnKD):\n{LOSS}        return {{'a': (logits - logits.detach()).sum().log()}}", "-inf"),
    "no gradient": (f"class Mine(OnKD):\n{LOSS}        return {{'a': known.sum()}}", "does not require grad"),
    "no use": (f"class Mine(OnKD):\n{LOSS}        return {{'a': 0 * logits.sum()}}", "no gradient reaches the student"),
    "a shape": (f"class Mine(OnKD):\n{LOSS}        return {{'a': (logits @ known).sum()}}", "(mine.py, line"),
    "no such output": (
        f"class Mine(OnKD):\n{LOSS}        return {{'a': student.features[0].sum()}}",
        "IndexError: tuple index out of range (mine.py, line",
    ),
    "another seed": (
        "import random\nclass Mine(OnKD):\n"
        f"{LOSS}        return {{'a': random.SystemRandom().random() * logits.square().sum()}}",
        "another one",
    ),
    "a counter": (
        "class Mine(OnKD):\n    steps = 0\n"
        f"{LOSS}        self.steps += 1\n        return {{'a': self.steps * logits.square().sum()}}",
        "another loss in the step after a checkpoint was loaded",
    ),
    "a plain tensor": (
        "class Mine(OnKD):\n    before = torch.zeros(())\n"
        f"{LOSS}        apart = F.mse_loss(logits, known)\n        term = apart / (1 + self.before)\n"
        "        self.before = apart.detach()\n        return {'a': term}",
        "another loss in the step after a checkpoint was loaded",
    ),
    "in the class": (
        f"class Mine(OnKD):\n    seen = []\n{LOSS}        self.seen.append(1)\n"
        "        return {'a': len(self.seen) * logits.square().sum()}",
        "another loss in the step after a checkpoint was loaded",
    ),
    "a late import": (
        f"class Mine(OnKD):\n{LOSS}        from parts.weights import WEIGHT\n"
        "        return {'a': WEIGHT * logits.sum()}",
        "ModuleNotFoundError",
    ),
    "a setting that is refused": (
        "from pydantic import field_validator\nclass S(Section):\n    x: int = 3\n\n    @field_validator('x')\n"
        "    @classmethod\n    def _even(cls, x):\n        assert x == 3, 'three is best'\n        return x\n"
        f"class Mine(OnKD):\n    Settings = S\n{LOSS}        return {{'a': logits.sum()}}",
        "ValidationError",
    ),
}


@pytest.mark.parametrize("case", FAULTS)
def test_faults_are_said(case: str, tmp_path: Path) -> None:
    text, found = FAULTS[case]
    write(tmp_path / "mine", f"{HEAD}\n{text}\n")
    more = {"mine.x": 4} if "refused" in case else {}
    fault = answer(tmp_path / "mine", tmp_path, **more)["fault"]
    assert found in fault["found"], fault
    assert fault["expected"]
    assert fault["todo"]


def test_a_source_that_was_changed_meanwhile(tmp_path: Path) -> None:
    write(tmp_path / "mine")
    method = known(tmp_path / "mine", tmp_path / "copy")
    (tmp_path / "mine/mine.py").write_text(MINE + "\n")
    question = {
        "method": method.to_json(), "origin": str(tmp_path / "mine"), "copy": str(tmp_path / "tried"),
        "hparams": HPARAMS, "networks": [model_to_json(one) for one in (STUDENT, TEACHER)], "origins": [None, None],
    }  # fmt: skip
    (tmp_path / "request.json").write_text(json.dumps([question]))
    tried.main(tmp_path)
    assert "start again" in json.loads((tmp_path / "answer.json").read_text())[0]["fault"]["todo"]
