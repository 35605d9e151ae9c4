"""Every word in a baseline's name changes what is trained, and none changes what others share."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from support.builders import make_config, make_jobs

from hpmkd.config.overrides import value_of
from hpmkd.config.words import NUMBERS, SWITCHES
from hpmkd.plan.roles import Role
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.result_file import verify
from hpmkd.training.trial import run_job

PLAIN = "HPM-KD-noAdaptive"
ENTRIES = {
    "Direct": ("epochs1", "epochs3"),
    "TraditionalKD": ("epochs3", "T2-epochs3", "T2", "a0.3", "until0.5", "mixup0.4", "LS", "LS-lsT3", "LS-lsWeight3"),
    "DKD": ("T2", "a3", "beta2", "warmup0.5", "LS", "until0.5"),
    "DIST": ("T2", "beta1", "gamma1", "LS"),
    "MLKD": ("labels1", "weight0.5", "masked", "LS"),
    "NKD": ("T2", "gamma1", "LS"),
    "CTKD": ("a0.3", "start2", "span5", "ramp0.9", "LS"),
    "WTTM": ("gamma0.5", "beta1", "TTM", "LS"),
    "RLD": ("T2", "Tc1", "a3", "beta2", "warmup0.5", "LS"),
    "FitNets": ("beta3", "twoStage", "twoStage-hint0.7", "alone", "LS"),
    "AT": ("beta1000", "p3", "alone", "LS"),
    "SP": ("beta10", "alone"),
    "RKD": ("distance1", "angle1", "alone"),
    "CC": ("beta1", "gamma2", "order3", "neighbours", "alone"),
    "VID": ("beta3", "variance1", "alone"),
    "PKT": ("beta10", "diagonal", "alone"),
    "NST": ("beta1", "alone"),
    "OFD": ("beta1", "alone"),
    "CRD": ("beta3", "negatives9", "dimensions8", "nceT0.5", "momentum0.9", "alone"),
    "ReviewKD": ("beta3", "warmup0.9", "channels2", "alone"),
    "SimKD": ("beta3", "reduction4", "until0.5"),
    "DML": ("weight3", "epochs3"),
    "BAN": ("generations1", "generations2", "labels0.5", "T2"),
    "TAKD": ("steps2", "size50000", "T2", "LS"),
    "KD-Ensemble": ("M1", "M3", "LS"),
    "KD-Budget": ("M4", "chain0", "chain3", "students1"),
    PLAIN: ("T2", "a0.3", "chain0", "chain2", "M3", "M4", "bonus0.9", "gate3", "high3", "low0.1", "uniform-M3",
            "confidence-M3", "uniform", "confidence", "noMultiTeacher", "noMultiTeacher-chain2", "noMetaTemp",
            "lossTemp", "convergenceTemp", "epochs3", "LS", "LS-noMetaTemp", "LS-noMultiTeacher-chain0"),
    "TraditionalKD-adaptive": ("reduction2", "part1"),
}  # fmt: skip
# What no number of the words above changes in two epochs: the search's winner may be the same.
# With its search; without it, it is PLAIN. Where and when models are trained changes none of their weights.
FULL, ENGINE = "HPM-KD", ("HPM-KD-noParallel", "HPM-KD-noSharedMemory")
MAY_FIND_THE_SAME = {"TraditionalKD-adaptive-reduction2", "TraditionalKD-adaptive-part1"}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory, cache_dir: Path) -> dict[str, dict[str, str]]:
    """Method -> baseline -> identity of its student's weights (and of its search's trials), through the plan."""
    entries = [FULL, *ENGINE, *ENTRIES, *(f"{name}-{word}" for name, words in ENTRIES.items() for word in words)]
    config = make_config(
        cache_dir, baselines=entries, data__train_images=100, hpmkd__chain_length=1, adaptive__temperatures=[2.0, 8.0],
        fit__teacher_epochs=1, hpmkd__gate_steps=20, hpmkd__shared_memory=True, fit__lr=0.01,
    )  # fmt: skip
    output, threads = OutputDir(tmp_path_factory.mktemp("words")), torch.get_num_threads()
    found: dict[str, dict[str, str]] = {}
    for job in make_jobs(config).values():
        list(run_job(job, output, config.data, torch.device("cpu")))
        if job.role is Role.STUDENT:
            identity = verify(output.model_file(job)).metadata["weights_sha256"]
            name = max((one for one in ENTRIES if str(job.baseline).startswith(one)), key=len, default="")
            found.setdefault(name or PLAIN, {})[str(job.baseline)] = identity
    torch.set_num_threads(threads)
    return found


def test_every_word_changes_the_weights(weights: dict[str, dict[str, str]]) -> None:
    for name, words in ENTRIES.items():
        mine = {label: value for label, value in weights[name].items() if label not in {*MAY_FIND_THE_SAME, *ENGINE}}
        assert len(mine.keys() | MAY_FIND_THE_SAME & weights[name].keys()) == 1 + len(words) + (name == PLAIN), name
        twice = {label: value for label, value in mine.items() if list(mine.values()).count(value) > 1}
        assert twice == {}, name


def test_the_engine_changes_no_weights(weights: dict[str, dict[str, str]]) -> None:
    found = weights[PLAIN]
    assert {found[name] for name in ENGINE} == {found[FULL]}
    assert found[FULL] not in {value for label, value in found.items() if label not in {FULL, *ENGINE}}


def test_every_word_is_tried_here() -> None:
    """But for those that put back what is the default here, `noChain`, which is `chain0`, and those of tunings
    (`tests/end_to_end/test_tuning.py`)."""
    tried = {
        "".join(filter(str.isalpha, word)) for words in ENTRIES.values() for one in words for word in one.split("-")
    }
    tried |= {word for one in (PLAIN, *ENGINE) for word in one.split("-")}
    defaults = make_config()
    departing = {word for word, (key, value) in SWITCHES.items() if value_of(defaults, key) != value}
    assert tried >= (NUMBERS.keys() | departing) - {"noChain", "tuned", "trials"}
