"""The training loop: resumed equals uninterrupted, bit for bit."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from support.builders import make_fit
from support.trainings import CASES, RESNET, make, same, saved

from hpmkd.errors import Diverged
from hpmkd.plan.work import validation_period
from hpmkd.training.evaluate import evaluate
from hpmkd.training.optim import learning_rate


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(("method", "more"), CASES)
@pytest.mark.parametrize("stop", [1, 2])
def test_resumed_is_uninterrupted_bit_for_bit(method: str, more: dict[str, Any], stop: int) -> None:
    whole = make(method, **more)
    results = list(whole.epochs())
    first = make(method, **more)
    for result in first.epochs():
        if result.epoch == stop:
            break
    second = make(method, **more)
    for parameter in second.model.parameters():  # whatever the fresh model holds must not matter
        torch.nn.init.ones_(parameter)
    second.load_state_dict(saved(first))
    rest = list(second.epochs())
    same(whole, second)
    assert [(one.epoch, one.train_loss, one.lr) for one in rest] == [
        (one.epoch, one.train_loss, one.lr) for one in results[stop:]
    ]
    assert second.train_seconds > first.train_seconds


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_state_from_another_device_goes_on(optimizer: str) -> None:
    """A GPU's optimiser is fused and has its learning rate in memory: neither must come over to the CPU."""
    one, other = make(epochs=4, optimizer=optimizer), make(epochs=4, optimizer=optimizer)
    results = one.epochs()
    next(results)
    state = saved(one)
    for group in state["optimizer"]["param_groups"]:
        forged = {"lr": torch.tensor(group["lr"]), "fused": True, "foreach": False, "capturable": True}
        group |= {name: value for name, value in forged.items() if name in group}
    other.load_state_dict(state)
    list(results)
    list(other.epochs())
    same(one, other)


def test_it_learns_and_methods_differ() -> None:
    """The loss falls, and no two methods end with the same weights."""
    ends = {}
    for method in ("Direct", "TraditionalKD", "FitNets", "AT"):
        training = make(method, epochs=6)
        losses = [result.train_loss for result in training.epochs()]
        assert losses[-1] < losses[0]
        ends[method] = torch.cat([parameter.detach().flatten() for parameter in training.model.parameters()])
    values = list(ends.values())
    assert all(not torch.equal(a, b) for i, a in enumerate(values) for b in values[:i])


def test_the_teacher_is_frozen_in_eval_mode() -> None:
    training = make("FitNets", teacher=RESNET)
    (teacher,) = training.teachers
    teacher = teacher.network
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    list(training.epochs())
    assert not teacher.training
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())
    assert all(parameter.grad is None for parameter in teacher.parameters())


def test_teacher_and_student_see_the_same_view() -> None:
    training = make()
    seen: dict[str, list[torch.Tensor]] = {"student": [], "teacher": []}
    training.model.register_forward_pre_hook(lambda part, given: seen["student"].append(given[0].clone()))
    training.teachers[0].network.register_forward_pre_hook(lambda part, given: seen["teacher"].append(given[0].clone()))
    training._train_epoch()
    assert len(seen["teacher"]) == len(seen["student"]) == 3
    for ours, theirs in zip(seen["student"], seen["teacher"], strict=True):
        assert torch.equal(ours, theirs)


def test_helper_modules_are_trained() -> None:
    training = make("FitNets")
    before = training.distiller.regressor[0].weight.clone()
    next(training.epochs())
    assert not torch.equal(training.distiller.regressor[0].weight, before)


def test_epoch_results_are_means_over_images() -> None:
    training = make("TraditionalKD", lr=1e-12)
    result = next(training.epochs())
    assert result.train_loss == pytest.approx(sum(result.terms.values()))
    assert set(result.terms) == {"ce", "kd"}
    again = make("TraditionalKD", lr=1e-12, batch_size=81)
    assert next(again.epochs()).terms["ce"] == pytest.approx(result.terms["ce"], rel=1e-4)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_an_infinite_loss_is_divergence(optimizer: str) -> None:
    with pytest.raises(Diverged, match=r"epoch [12]: the training loss is (nan|inf)"):
        list(make("Direct", optimizer=optimizer, lr=1e30).epochs())


def test_learning_rates_at_their_ends() -> None:
    cosine = make_fit(epochs=10, lr=0.1)
    assert learning_rate(cosine, 0) == 0.1
    assert learning_rate(cosine, 5) == pytest.approx(0.05)
    assert learning_rate(cosine, 9) == pytest.approx(0.05 * (1 + math.cos(math.pi * 0.9)))
    step = make_fit(epochs=10, lr=0.1, schedule="step", milestones=(0.5, 0.8))
    assert [learning_rate(step, epoch) for epoch in (0, 4, 5, 7, 8, 9)] == pytest.approx(
        [0.1, 0.1, 0.01, 0.01, 0.001, 0.001]
    )
    assert learning_rate(make_fit(schedule="constant", lr=0.3), 2) == 0.3


def test_evaluation_against_one_image_at_a_time() -> None:
    training = make("Direct")
    list(training.epochs())
    model, images = training.model, training.validation
    model.train()
    found = evaluate(model, images, training.normalise)
    assert model.training
    model.eval()
    right = 0
    for index in range(len(images)):
        logits = model(training.normalise(images.pixels[index : index + 1])).logits
        right += int(logits.argmax()) == int(images.labels[index])
    assert found == 100 * right / len(images)
    evaluate(model, images, training.normalise)
    assert not model.training


def test_validation_takes_a_tenth_of_the_time_at_most() -> None:
    assert validation_period(45_000, 5_000) == 1
    assert validation_period(2_500, 5_000) == 7
    for train, validation in ((1, 1), (300, 144), (5_000, 6_000), (10_000, 5_000)):
        period = validation_period(train, validation)
        assert validation / (3 * train) / period <= 0.1 + 1e-9
        assert period == 1 or validation / (3 * train) / (period - 1) > 0.1


def test_epochs_between_are_not_validated_and_the_last_one_is() -> None:
    training = make(epochs=5)
    training.period = 2
    looked = [math.isfinite(result.validation_accuracy_pct) for result in training.epochs()]
    assert looked == [False, True, False, True, True]
    often = make(epochs=5)
    often.period = 1
    list(often.epochs())
    same(training, often)


def test_a_part_of_the_recipe_ends_with_a_validation() -> None:
    training = make(epochs=5)
    training.period = 4
    results = list(training.epochs(3))
    assert [result.epoch for result in results] == [1, 2, 3]
    assert math.isfinite(results[-1].validation_accuracy_pct)
    assert [result.epoch for result in training.epochs()] == [4, 5]
