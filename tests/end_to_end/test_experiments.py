"""An experiment from one command, killed in the middle and continued: nothing is trained twice, the report has it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.sweeps import PATIENCE, ROOT, restore, stamps, weights, words

from hpmkd.analysis.report.content import gather
from hpmkd.cli.main import main

TINY = [
    "--mode", "ablation_cpu", "--datasets", "Digits", "--teacher.arch", "lenet5_teacher", "--train-images", "100",
    "--teacher-epochs", "1", "--student-epochs", "1", "--runs", "1", "--adaptive.alphas", "[0.5]",
]  # fmt: skip
MODELS = 3 + 4 + 10  # teachers, assistants (two in a chain, once more without the shared memory), students


def killed_and_continued(output: Path, cache_dir: Path, flags: list[str], models: int) -> dict[str, str]:
    """Starts a mode, kills it when half of its models are there, and continues it twice: nothing is trained twice.

    Returns:
        File -> identity of its weights.
    """
    command = [sys.executable, str(ROOT / "run_sweep.py"), *words(output, cache_dir), *flags]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True) as process:
        deadline = time.monotonic() + PATIENCE
        while len(stamps(output)) < models // 2:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGKILL)
    done = stamps(output)
    assert len(done) < models
    assert restore(output) == 0
    whole = stamps(output)
    assert len(whole) == models
    assert {name: whole[name] for name in done} == done, "nothing is trained twice"
    assert restore(output) == 0
    assert stamps(output) == whole
    return weights(output)


@pytest.mark.slow
def test_an_ablation_killed_and_continued(
    tmp_path: Path, cache_dir: Path, small_ray: None, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    found = killed_and_continued(output, cache_dir, TINY, MODELS)
    full = found["student_Digits_HPM-KD_run1.pt"]
    assert {found[f"student_Digits_HPM-KD-{word}_run1.pt"] for word in ("noParallel", "noSharedMemory")} == {full}
    capsys.readouterr()
    assert main(["report", str(output), "--json"]) == 0
    assert {"tables/ablation.csv", "figures/ablation.svg"} <= set(json.loads(capsys.readouterr().out)["files"])
    section = next(one for one in gather(output).sections if one.name == "ablation")
    assert section.errors == ()
    assert "One run per arm shows nothing" in section.sentences[0]
    assert any("weights are those of TraditionalKD, bit for bit, in 1 of 1 runs" in line for line in section.sentences)


CHAIN = [
    "--mode", "chain_cpu", "--datasets", "Digits", "--teacher.arch", "lenet5_teacher",
    "--student.channels", "[2, 3, 8]", "--train-images", "100", "--teacher-epochs", "1", "--student-epochs", "1",
    "--runs", "1", "--adaptive.alphas", "[0.5]",
    "--vary", "[{baselines: [HPM-KD, HPM-KD-noMultiTeacher], hpmkd.chain_length: [0, 2]}, "
    "{baselines: [TAKD], takd.steps: [2]}]",
]  # fmt: skip
CHAIN_MODELS = 2 + 4 + 7  # teachers, assistants, students


@pytest.mark.slow
def test_chains_killed_and_continued(tmp_path: Path, cache_dir: Path, small_ray: None) -> None:
    """Nothing is trained twice; each length is another student, and TAKD has the assistants of HPM-KD."""
    output = tmp_path / "out"
    found = killed_and_continued(output, cache_dir, CHAIN, CHAIN_MODELS)
    assert len({key for name, key in found.items() if name.startswith("student")}) == 7
    for number in (1, 2):
        names = [f"assistant_Digits_{owner}_{number}.pt" for owner in ("HPM-KD-chain2", "TAKD-steps2")]
        assert found[names[0]] == found[names[1]]
    section = next(one for one in gather(output).sections if one.name == "chain")
    assert "one run per length shows nothing" in section.sentences[0]
    frame = section.folded[0].frame
    assert frame[frame["length"] == 2].groupby("name")["position"].apply(list).tolist() == [[0, 1, 2, 3]] * 2


COMMON = [
    "--datasets", "Digits", "--train-images", "100", "--teacher-epochs", "1", "--student-epochs", "2", "--runs", "1",
]  # fmt: skip
OTHERS = {
    "interactions": (["--teacher.arch", "lenet5_teacher", "--adaptive.alphas", "[0.5]"], 2 + 2 + 18),
    "sensitivity": (
        [
            "--teacher.arch", "lenet5_teacher", "--vary",
            "{baselines: [TraditionalKD, HPM-KD-noAdaptive], kd.temperature: [2, 4], kd.alpha: [0.5, 0.9]}",
        ],
        1 + 9,
    ),
    "teachers": (
        [
            "--teacher.arch", "lenet5", "--teacher.channels", "[5, 10, 30]", "--adaptive.alphas", "[0.5]",
            "--kd_budget.students", "1", "--vary",
            "{baselines: [HPM-KD, HPM-KD-uniform, HPM-KD-confidence, KD-Ensemble, KD-Budget], "
            "hpmkd.teachers: [1, 2, 3]}",
        ],
        3 + 15,  # one teacher, however several are weighted, is one student
    ),
    # Students without a teacher and with one under three conditions, and with a clean teacher under two of them.
    "imbalance": (
        ["--teacher.arch", "lenet5_teacher", "--baselines", "Direct", "TraditionalKD", "--data.imbalance",
         "[null, exp2, evenexp2]"],
        3 + 3 * 2 + 2,
    ),
    "noise": (
        ["--teacher.arch", "lenet5_teacher", "--baselines", "Direct", "TraditionalKD", "--data.label_noise",
         "[null, sym0.2, asym0.4]"],
        3 + 3 * 2 + 2,
    ),
    "ratios": (
        ["--teacher.arch", "lenet5_teacher", "--student.channels", "null", "--ratios", "[4, 10]", "--adaptive.alphas",
         "[0.5]"],
        1 + 2 + 8,
    ),
    "costs": (
        [
            "--teacher.arch", "lenet5_teacher", "--teacher.channels", "null", "--student.channels", "[10, 20, 100]",
            "--adaptive.alphas", "[0.5]", "--vary",
            "{baselines: [Direct, TraditionalKD], fit.student_epochs: [1, 2, 4]}",
        ],
        1 + 7,
    ),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("mode", OTHERS)
def test_every_other_mode_killed_and_continued(tmp_path: Path, cache_dir: Path, small_ray: None, mode: str) -> None:
    """Nothing is trained twice, and its section is there; each value makes another student, but for those that the
    definitions make equal: all four off is plain distillation, one teacher is weighted in one way alone."""
    output, (flags, models) = tmp_path / "out", OTHERS[mode]
    found = killed_and_continued(output, cache_dir, ["--mode", f"{mode}_cpu", *COMMON, *flags], models)
    assert mode in {section.name for section in gather(output).sections}
    groups: dict[str, set[str]] = {}
    for name, key in found.items():
        if name.startswith("student"):
            groups.setdefault(key, set()).add(name.split("_")[2])
    assert [names for names in groups.values() if len(names) > 1] == ALIKE.get(mode, [])
    if mode in ("imbalance", "noise"):
        assert len(groups) == 8, "each condition makes other students, and so does a clean teacher"
        assert main(["measure", str(output)]) == 0
        assert len(list((output / "memorised").glob("*.json"))) == (8 if mode == "noise" else 0)


ALIKE = {
    "interactions": [{"TraditionalKD", "HPM-KD-noChain-noMultiTeacher-noMetaTemp-noAdaptive"}],
    "teachers": [{"TraditionalKD", "KD-Ensemble-M1"}],
}


SEEN = [
    "--mode", "representations_cpu", "--datasets", "Digits", "--teacher.arch", "lenet5_teacher",
    "--baselines", "Direct", "TraditionalKD", "KD-Ensemble", "--train-images", "200", "--teacher-epochs", "1",
    "--student-epochs", "1", "--runs", "3",
]  # fmt: skip
SEEN_MODELS = 2 + 9


@pytest.mark.slow
def test_representations_killed_and_continued(tmp_path: Path, cache_dir: Path, small_ray: None) -> None:
    """They are there at the end by themselves; what is there is not made again, and what is lost is."""
    output = tmp_path / "out"
    killed_and_continued(output, cache_dir, SEEN, SEEN_MODELS)
    done = {path.name: path.read_bytes() for path in (output / "representations").glob("*.json")}
    assert len(done) == SEEN_MODELS
    (output / "representations" / "teacher_Digits_2.json").unlink()
    assert restore(output) == 0
    after = {path.name: path.read_bytes() for path in (output / "representations").glob("*.json")}
    assert {name for name in after if after[name] != done[name]} <= {"teacher_Digits_2.json"}
    section = {one.name: one for one in gather(output).sections}["representations"]
    assert "from another seed has a CKA of" in section.sentences[1]
    assert "differ by the seed alone have a CKA of" in section.sentences[2]
