"""HPM-KD: its components alone, and what each switch does to the weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from builders import STUDENT, TEACHER, make_config, make_jobs
from test_methods import HPARAMS, numpy, outputs, softmax
from test_train import HPM, make, same

from hpmkd.architecture import geometric_sizes, parameter_count
from hpmkd.errors import UsageError
from hpmkd.job import Job
from hpmkd.methods import build_distiller, lineages
from hpmkd.methods.mixture import Attention, Confidence, Uniform, log_mixture
from hpmkd.methods.temperature import SCHEDULES, Cosine
from hpmkd.methods.variants import WORDS
from hpmkd.output import Output
from hpmkd.store.model_file import verify
from hpmkd.trial import run_job

NARROW = {"hpmkd__chain_length": 1, "hpmkd__gate_steps": 20, "adaptive__temperatures": [8.0], "adaptive__alphas": [0.5]}
OFF = "HPM-KD-noChain-noMultiTeacher-noMetaTemp-noAdaptive"


def test_all_switches_off_is_traditional_kd_bit_for_bit() -> None:
    jobs = make_jobs(make_config(baselines=["TraditionalKD", OFF]))
    kd, hpm = jobs["student_Digits_TraditionalKD_run1"], jobs[f"student_Digits_{OFF}_run1"]
    assert (kd.teachers, kd.seed, kd.fit, kd.hparams) == (hpm.teachers, hpm.seed, hpm.fit, hpm.hparams)
    first, second = make("TraditionalKD"), make("HPM-KD")
    assert list(first.epochs())[-1].terms == list(second.epochs())[-1].terms
    same(first, second)


@pytest.fixture(scope="module")
def weights(cache_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Baseline -> identity of the weights of its student, trained through the plan on real Digits."""
    words = [f"HPM-KD-{word}" for word in WORDS]
    entries = ["TraditionalKD", "KD-Ensemble", "HPM-KD", OFF, *words]
    config = make_config(cache_dir, baselines=entries, **NARROW)
    output, threads = Output(tmp_path_factory.mktemp("hpm")), torch.get_num_threads()
    found = {}
    for job in make_jobs(config).values():
        assert list(run_job(job, output, config.data, torch.device("cpu")))[-1].status == "trained"
        if job.role == "student":
            found[str(job.baseline)] = verify(output.model_file(job)).metadata["weights_sha256"]
    torch.set_num_threads(threads)
    return found


def test_every_switch_that_should_changes_the_weights_and_the_others_do_not(weights: dict[str, str]) -> None:
    assert weights[OFF] == weights["TraditionalKD"]
    without_effect = {"HPM-KD-noParallel", "HPM-KD-noSharedMemory"}
    assert {weights[name] for name in without_effect} == {weights["HPM-KD"]}
    others = {name: value for name, value in weights.items() if name not in without_effect | {OFF}}
    assert len(set(others.values())) == len(others) == 11


def test_names_are_canonical() -> None:
    def name(*entries: str, **config: Any) -> list[str]:
        return [one.label for one in lineages(make_config(baselines=list(entries), **config))]

    assert name("HPM-KD-noMetaTemp-noChain") == ["HPM-KD-noChain-noMetaTemp"]
    assert name("HPM-KD", hpmkd__meta_temperature=False) == ["HPM-KD-noMetaTemp"]
    assert name("HPM-KD-noMetaTemp", hpmkd__meta_temperature=False) == ["HPM-KD-noMetaTemp"]
    assert name("HPM-KD-noMultiTeacher-uniform") == ["HPM-KD-noMultiTeacher"]
    assert name("HPM-KD", hpmkd__parallel=False, hpmkd__schedule="loss") == ["HPM-KD-lossTemp-noParallel"]


@pytest.mark.parametrize(
    ("entries", "match"),
    [
        (["HPM-KD-noFun"], "unknown switch 'noFun'"),
        (["HPM-KD-uniform-confidence"], "twice"),
        (["HPM-KD-noChain-noMetaTemp", "HPM-KD-noMetaTemp-noChain"], "the same baseline twice"),
        (["HPM-KDx"], "unknown baseline"),
        (["TraditionalKD-noChain"], "unknown baseline"),
    ],
)
def test_names_that_mean_nothing(entries: list[str], match: str) -> None:
    with pytest.raises(UsageError, match=match):
        lineages(make_config(baselines=entries))


def _nets(job: Job) -> list[str]:
    return [parent.key for parent in job.teachers if parent.role != "choice"]


def test_parents_of_each_combination() -> None:
    entries = ["HPM-KD", "HPM-KD-noChain", "HPM-KD-noMultiTeacher", "KD-Ensemble"]
    jobs = make_jobs(make_config(baselines=entries, hpmkd__teachers=3, hpmkd__chain_length=2))
    parents = {name: _nets(jobs[f"student_Digits_{name}_run1"]) for name in entries}
    teachers = ["teacher_Digits", "teacher_Digits_2", "teacher_Digits_3"]
    chain = ["assistant_Digits_HPM-KD_1", "assistant_Digits_HPM-KD_2"]
    assert parents["HPM-KD"] == teachers + chain
    assert parents["HPM-KD-noChain"] == parents["KD-Ensemble"] == teachers
    assert parents["HPM-KD-noMultiTeacher"] == chain[-1:]
    assert [one.key for one in jobs[chain[1]].teachers] == chain[:1]
    assert len({jobs[key].seed for key in teachers}) == 3
    large, small = (parameter_count(jobs[key].model) for key in ("teacher_Digits", "student_Digits_HPM-KD_run1"))
    for key, size in zip(chain, geometric_sizes(large, small, 3), strict=True):
        assert parameter_count(jobs[key].model) == pytest.approx(size, rel=0.05)


@pytest.mark.parametrize(("teacher", "count"), [("lenet5_teacher", 1), ("resnet56", 1), ("lenet5_student", 0)])
def test_automatic_chain_length(teacher: str, count: int) -> None:
    """L = ln(ratio) / ln 4 steps: a ratio of 11 makes two, one of 1 none."""
    jobs = make_jobs(make_config(baselines=["HPM-KD"], teacher__arch=teacher))
    assert sum(job.role == "assistant" for job in jobs.values()) == count


@pytest.mark.parametrize("kind", sorted(SCHEDULES))
def test_temperatures_start_high(kind: str) -> None:
    schedule = SCHEDULES[kind](6.0, 2.0)
    assert float(schedule(0.0, torch.tensor(2.3))) == pytest.approx(6.0)


def test_cosine_temperature_at_its_ends_and_in_the_middle() -> None:
    assert [Cosine(6.0, 2.0)(s, torch.zeros(())) for s in (0.0, 0.5, 1.0)] == pytest.approx([6.0, 4.0, 2.0])


def test_loss_based_temperature_follows_the_loss() -> None:
    schedule = SCHEDULES["loss"](6.0, 2.0)
    seen = [float(schedule(0.0, torch.tensor(2.0)))]
    seen += [float(schedule(0.0, torch.tensor(1.0))) for _ in range(2000)]
    assert seen[-1] == pytest.approx(4.0, abs=1e-3)
    assert sorted(seen, reverse=True) == seen
    for _ in range(3000):
        last = float(schedule(0.0, torch.tensor(0.0)))
    assert last == pytest.approx(2.0, abs=1e-3)
    assert float(schedule(0.0, torch.tensor(1e4))) <= 6.0


def test_convergence_based_temperature_falls_when_nothing_is_learnt_any_more() -> None:
    schedule = SCHEDULES["convergence"](6.0, 2.0)
    falling = [float(schedule(0.0, torch.tensor(2.0 * 0.998**step))) for step in range(600)]
    assert falling[300] == pytest.approx(6.0, abs=0.2)
    for _ in range(20_000):
        last = float(schedule(0.0, torch.tensor(0.6)))
    assert last == pytest.approx(2.0, abs=0.05)


def logits(*shape: int, seed: int = 0) -> torch.Tensor:
    return 3 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_mixture_against_numpy() -> None:
    z, a = logits(3, 6, 4), torch.softmax(logits(6, 3, seed=1), 1)
    expected = sum(a[:, m, None].numpy() * softmax(z[m].numpy() / 2.5) for m in range(3))
    assert np.allclose(log_mixture(a.log(), list(z), 2.5).exp().numpy(), expected, rtol=1e-5)


def test_confidence_against_its_formula() -> None:
    z, target = logits(3, 6, 4), torch.arange(6) % 4
    ce = np.stack([-np.log(softmax(part.numpy())[np.arange(6), target.numpy()]) for part in z], 1)
    expected = (1 - np.exp(ce) / np.exp(ce).sum(1, keepdims=True)) / 2
    assert np.allclose(Confidence()(list(z), target).exp().numpy(), expected, rtol=1e-4)
    assert torch.equal(Confidence()([z[0]], target), torch.zeros(6, 1))


@pytest.mark.parametrize(
    "mixture", [Uniform(), Confidence(), Attention(3, 4, 0.1, 5)], ids=lambda one: type(one).__name__
)
def test_weights_sum_to_one(mixture: torch.nn.Module) -> None:
    weights = mixture(list(logits(3, 6, 4)), torch.arange(6) % 4).exp()
    assert weights.shape == (6, 3)
    assert torch.allclose(weights.sum(1), torch.ones(6))
    assert (weights >= 0).all()


def half_experts(count: int, seed: int) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Two teachers: one knows classes 0 to 4, the other 5 to 9; what they do not know they guess, less surely."""
    generator = torch.Generator().manual_seed(seed)
    target = torch.randint(0, 10, (count,), generator=generator)
    parts = []
    for knows in (target < 5, target >= 5):
        guess = torch.randint(0, 10, (count,), generator=generator)
        top = torch.where(knows, target, guess)
        height = torch.where(knows, 6.0, 3.0)[:, None]
        noise = torch.randn(count, 10, generator=generator)
        parts.append(noise + height * torch.nn.functional.one_hot(top, 10))
    return parts, target


def test_attention_learns_to_pick_the_teacher_that_knows() -> None:
    torch.manual_seed(0)
    gate = Attention(2, 10, 0.01, 200)
    train, test = half_experts(1000, 1), half_experts(1000, 2)
    before = gate(*test).exp()
    assert torch.allclose(before, torch.full_like(before, 0.5))
    gate.fit(*train)
    weights = gate(*test).exp()
    right = (test[1] >= 5).long()
    chosen = weights.gather(1, right[:, None])
    assert float(chosen.mean()) > 0.8
    mixed = log_mixture(weights.log(), test[0], 1.0).argmax(1)
    assert float((mixed == test[1]).float().mean()) > 0.85


def test_entropy_bonus_keeps_the_weights_even() -> None:
    spread = []
    for bonus in (0.0, 10.0):
        torch.manual_seed(0)
        gate = Attention(2, 10, bonus, 100)
        gate.fit(*half_experts(500, 1))
        spread.append(float((gate(*half_experts(500, 2)).exp()[:, 0] - 0.5).abs().mean()))
    assert spread[1] < 0.1 < spread[0]


def test_gradients_go_where_they_should() -> None:
    """The gate is frozen once it is trained: the student's loss reaches the student alone."""
    student, teacher, target = outputs()
    distiller = build_distiller("HPM-KD", HPARAMS | HPM | {"hpmkd.schedule": "cosine"}, STUDENT, (TEACHER, TEACHER), 3)
    known = [teacher.logits, teacher.logits.flip(0)]
    distiller.prepare(known, target)
    kept = student.logits
    kept.retain_grad()
    terms = distiller.loss(student, [teacher, teacher._replace(logits=known[1])], target, 0.5)
    sum(terms.values()).backward()
    assert kept.grad is not None
    assert kept.grad.abs().sum() > 0
    assert all(not parameter.requires_grad and parameter.grad is None for parameter in distiller.parameters())
    assert not teacher.logits.requires_grad


def test_the_loss_is_kd_on_the_mixture() -> None:
    student, teacher, target = outputs()
    second = teacher._replace(logits=teacher.logits.flip(1))
    hparams = HPARAMS | HPM | {"hpmkd.weighting": "uniform", "hpmkd.schedule": "cosine"}
    terms = build_distiller("HPM-KD", hparams, STUDENT, (TEACHER, TEACHER), 3).loss(
        student, [teacher, second], target, 1.0
    )
    T = 3.0 * 0.5  # kd.temperature times t_low at the end
    p = (softmax(numpy(teacher.logits) / T) + softmax(numpy(second.logits) / T)) / 2
    soft = (p * (np.log(p) - np.log(softmax(numpy(student.logits) / T)))).sum(1).mean()
    assert terms["kd"].item() == pytest.approx(0.7 * T * T * soft, rel=1e-4)


def test_budget_control_trains_for_what_hpm_kd_costs() -> None:
    """Against the sum by hand: extra teacher, assistant and search, shared by the students, and a student itself."""
    from hpmkd.architecture import forward_cost

    config = make_config(baselines=["HPM-KD", "KD-Budget"], fit__teacher_epochs=50, fit__student_epochs=30)
    jobs = make_jobs(config)
    assistant = jobs["assistant_Digits_HPM-KD_1"].model
    large, middle = forward_cost(jobs["teacher_Digits"].model), forward_cost(assistant)
    small = forward_cost(jobs["student_Digits_HPM-KD_run1"].model)
    search = (6 * 5 + 2 * 10) * (3 * small + large)  # six candidates to epoch 5, two of them on to 15
    rest = 50 * 3 * large + 30 * (3 * middle + large) + search
    own = 30 * (3 * small + 2 * large + middle)
    expected = round((rest / 5 + own) / (3 * small + large))
    assert jobs["student_Digits_KD-Budget_run1"].fit.epochs == expected > 60
    assert jobs["student_Digits_KD-Budget_run1"].method == "TraditionalKD"


@pytest.mark.parametrize("arch", ["lenet5_teacher", "lenet5_student", "resnet8", "resnet20"])
@pytest.mark.parametrize("shape", [(3, 32), (1, 28)])
def test_forward_cost_against_counted_multiply_adds(arch: str, shape: tuple[int, int]) -> None:
    """Counted by torch itself on a real forward pass (two operations per multiply-add)."""
    from builders import make_spec
    from torch.utils.flop_counter import FlopCounterMode

    from hpmkd.architecture import forward_cost, resolve
    from hpmkd.config import ModelConfig
    from hpmkd.models import build

    spec = resolve(ModelConfig(arch=arch), make_spec(channels=shape[0], image_size=shape[1], classes=10), "x")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        build(spec, 0).eval()(torch.zeros(1, shape[0], shape[1], shape[1]))
    assert forward_cost(spec) == counter.get_total_flops() // 2
