"""The notebook for Colab, with a stand-in for the Drive: after a lost session it goes on from what is there."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from support.notebooks import colab, executed, outputs, printed
from support.sweeps import PATIENCE, everything, tiny, weights

import hpmkd

pytestmark = pytest.mark.slow

STUDENT = "student_Digits_TraditionalKD_run1"


def session(folder: Path, settings: dict[str, Any], *more: str, **env: str) -> Any:
    """A new kernel works all cells off; `more` are lines of its first cell."""
    machine = folder / "machine"
    machine.mkdir(exist_ok=True)
    names = {
        "MODE": "quick", "SETTINGS": settings, "NAME": "mine", "SOURCE": "",
        "MOUNT": str(machine / "content" / "drive"), "ELSEWHERE": str(folder / "elsewhere"),
    }  # fmt: skip
    lines = [f"{name} = {value!r}" for name, value in names.items()]
    return executed("colab.ipynb", "\n".join([*lines, *more]), machine, **env)


def copies(storage: Path) -> dict[str, bytes]:
    return {name: content for name, (_, content) in everything(storage / "models").items() if content is not None}


def test_a_new_session_goes_on(tmp_path: Path, cache_dir: Path, small_ray: None) -> None:
    """The machine is gone, and a new one has the Drive alone: nothing is trained again, files are the same bytes."""
    env, settings = colab(tmp_path), tiny(cache_dir)
    storage, lost = tmp_path / "drive" / "MyDrive" / "hpmkd", tmp_path / "lost"
    assert hpmkd.run_sweep("quick", lost, settings=settings | {"record.mirror": str(storage / "mine")}) == 0
    trained, before = weights(lost), copies(lost)
    shutil.rmtree(lost)
    book = session(tmp_path, settings, **env)
    goes_on(printed(book))
    out = tmp_path / "machine" / "results" / "mine"
    assert len(trained) == 2
    assert (weights(out), copies(out), copies(storage / "mine")) == (trained, before, before)
    (page,) = [out.data["text/html"] for out in outputs(book) if "<iframe" in out.get("data", {}).get("text/html", "")]
    assert "knowledge-distillation sweep" in page
    assert "knowledge-distillation sweep" in (storage / "mine.html").read_text()
    assert not (tmp_path / "machine" / "content" / "drive").exists(), "closed at the end"


def goes_on(said: str) -> None:
    assert "fetched 2 finished files" in said
    assert [word for word in ("training 2", ", saved ", "shared memory") if word in said] == []
    assert "every model is there, and copied" in said
    assert "flushed" in said


def test_two_sessions(tmp_path: Path, cache_dir: Path) -> None:
    """The first trains, with a bar; everything but the Drive is deleted; the second goes on."""
    env, settings = colab(tmp_path), tiny(cache_dir)
    first = session(tmp_path, settings, **env)
    said = printed(first)
    assert "training 2 of 2 models" in said, "Tune clears nothing"
    assert said.count(", saved ") == 2
    assert "every model is there, and copied" in said
    shown = [out.data for out in outputs(first) if out.output_type == "display_data"]
    (bar,) = [data["text/plain"] for data in shown if "models" in data.get("text/plain", "")]
    assert "2/2 models" in bar, "updated in place, to the end"
    out = tmp_path / "machine" / "results" / "mine"
    trained, before = weights(out), copies(out)
    assert copies(tmp_path / "drive" / "MyDrive" / "hpmkd" / "mine") == before
    shutil.rmtree(tmp_path / "machine")
    goes_on(printed(session(tmp_path, settings, **env)))
    assert (weights(out), copies(out)) == (trained, before)


def test_lost_in_the_middle_of_a_training(tmp_path: Path, cache_dir: Path, small_ray: None) -> None:
    """The kernel is killed: the next one goes on from the newest epoch that was copied, to the same bits."""
    nbclient = pytest.importorskip("nbclient")
    long = {"baselines": ["TraditionalKD"], "fit.student_epochs": 150, "record.checkpoint_overhead": 1}
    env, settings, note = colab(tmp_path), tiny(cache_dir) | long, tmp_path / "pid"
    assert hpmkd.run_sweep("quick", tmp_path / "whole", settings=settings) == 0
    storage = tmp_path / "drive" / "MyDrive" / "hpmkd" / "mine"

    def lose() -> None:
        end = time.monotonic() + PATIENCE
        while not list(storage.glob(f"tune/*/{STUDENT}-*/*/epoch.json")) and time.monotonic() < end:
            time.sleep(0.1)
        os.kill(int(note.read_text()), signal.SIGKILL)

    thread = threading.Thread(target=lose)
    thread.start()
    with pytest.raises(nbclient.exceptions.DeadKernelError):
        session(tmp_path, settings, "import os", f"open({str(note)!r}, 'w').write(str(os.getpid()))", **env)
    thread.join()
    shutil.move(tmp_path / "machine", tmp_path / "lost")
    quick = ["import hpmkd.mirror.claim", "hpmkd.mirror.claim.SILENT_SECONDS = 5.0"]
    said = printed(session(tmp_path, settings, *quick, **env))
    assert "fetched 2 finished files" in said, "the teacher and its logits"
    assert "continues after epoch" in said
    assert said.count(", saved ") == 1, "the student alone"
    assert weights(tmp_path / "machine" / "results" / "mine") == weights(tmp_path / "whole")
