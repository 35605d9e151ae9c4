"""Recorded steps do what steps do, one after the other; and a device without bf16 scales its gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from support.tapes import StandInTape, in_memory, record_steps
from support.trainings import HPM, flat, make, same, saved

from hpmkd.training import device
from hpmkd.training.cuda_graph import _WARM, GraphedStep
from hpmkd.training.train import Training


class FakeTape(StandInTape):
    """One that says which there are, and may refuse to record."""

    made: list[FakeTape]
    error: str | None = None

    def __init__(self) -> None:
        super().__init__()
        self.made.append(self)

    def record(self, work: Callable[[], None]) -> None:
        if self.error is not None:
            raise RuntimeError(self.error)
        super().record(work)


@pytest.fixture
def tape(monkeypatch: pytest.MonkeyPatch) -> type[FakeTape]:
    monkeypatch.setattr(FakeTape, "made", [], raising=False)
    monkeypatch.setattr(FakeTape, "error", None)
    return FakeTape


def graphed(tape: type[FakeTape], *given: Any, **more: Any) -> Training:
    """A training whose steps are recorded, and whose learning rate lies in memory, as on a GPU."""
    return record_steps(in_memory(make(*given, **more)), tape)


def close(one: Training, other: Training) -> None:
    """Weights of both, but for what float32 makes of a learning rate that was a Python number."""
    states = [flat(training.model.state_dict()) for training in (one, other)]
    for name, value in states[0].items():
        assert torch.allclose(value, states[1][name], rtol=1e-4, atol=1e-5), name


@pytest.mark.parametrize(
    ("method", "more"),
    [
        ("Direct", {}),
        pytest.param("Direct", {"label_smoothing": 0.1, "mixup": 0.4}, marks=pytest.mark.slow),
        ("TraditionalKD", {}),
        ("TraditionalKD", {"hparams": {"kd.until": 0.5}}),
        pytest.param("FitNets", {}, marks=pytest.mark.slow),
        ("AT", {}),
        pytest.param("HPM-KD", {"count": 2, "hparams": {"hpmkd.weighting": "confidence"}}, marks=pytest.mark.slow),
        pytest.param(
            "HPM-KD",
            {"hparams": {"hpmkd.schedule": "cosine", "hpmkd.t_high": 1.5, "hpmkd.t_low": 0.5}},
            marks=pytest.mark.slow,
        ),
        ("HPM-KD", {"hparams": {"hpmkd.schedule": "loss", "hpmkd.t_high": 1.5, "hpmkd.t_low": 0.5}}),
    ],
)
def test_recorded_steps_are_steps(tape: type[FakeTape], method: str, more: dict[str, Any]) -> None:
    one, other = make(method, epochs=4, **more), graphed(tape, method, epochs=4, **more)
    for plain, recorded in zip(one.epochs(), other.epochs(), strict=True):
        assert recorded.train_loss == pytest.approx(plain.train_loss, rel=1e-4)
        for name, term in plain.terms.items():
            assert recorded.terms[name] == pytest.approx(term, rel=1e-3, abs=1e-6), name
    close(one, other)
    assert isinstance(other.step, GraphedStep)
    assert other.step.fallback == ""
    steps = 4 * len(one.batches.bounds())
    assert sum(part.warmed + part.played for part in tape.made) == steps
    assert sum(part.played for part in tape.made) > 0


def test_one_recording_for_each_size_and_for_with_and_without_teachers(tape: type[FakeTape]) -> None:
    training = graphed(tape, "TraditionalKD", epochs=12, hparams={"kd.until": 0.5})
    sizes = {end - start for start, end in training.batches.bounds()}
    list(training.epochs())
    assert len(tape.made) == 2 * len(sizes)
    for part in tape.made:
        assert (part.warmed, part.recorded) == (_WARM, 1)


def test_what_cannot_be_recorded_is_done_step_by_step(tape: type[FakeTape], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tape, "error", "operation not permitted when stream is capturing\nmore")
    one, other = make(epochs=4), graphed(tape, epochs=4)
    list(one.epochs())
    with pytest.warns(UserWarning, match="operation not permitted when stream is capturing$"):
        list(other.epochs())
    close(one, other)
    assert isinstance(other.step, GraphedStep)
    assert other.step.fallback == "operation not permitted when stream is capturing"
    assert sum(part.played for part in tape.made) == 0


@pytest.mark.parametrize(
    "error", ["CUDA out of memory. Tried to allocate 2 GiB", "CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"]
)
def test_a_lack_of_memory_is_no_reason_for_single_steps(
    tape: type[FakeTape], error: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They would need as much; the trial is tried again with a larger share."""
    monkeypatch.setattr(tape, "error", error)
    with pytest.raises(RuntimeError, match="CU"):
        list(graphed(tape, epochs=4).epochs())


def test_the_attention_is_trained_by_recorded_steps(tape: type[FakeTape]) -> None:
    more: Any = {"count": 2, "hparams": {**HPM, "hpmkd.weighting": "attention", "hpmkd.gate_steps": 9}}
    one, other = make("HPM-KD", epochs=1, **more), graphed(tape, "HPM-KD", epochs=1, **more)
    list(one.epochs())
    list(other.epochs())
    prepared = tape.made[0]
    assert (prepared.warmed, prepared.recorded, prepared.played) == (_WARM, 1, 9 - _WARM)
    close(one, other)
    for name, value in flat(one.distiller.state_dict()).items():
        assert torch.allclose(value, flat(other.distiller.state_dict())[name], rtol=1e-4, atol=1e-5), name


def test_an_attention_that_cannot_be_recorded_is_trained_all_the_same(
    tape: type[FakeTape], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tape, "error", "operation not permitted")
    more: Any = {"count": 2, "hparams": {**HPM, "hpmkd.weighting": "attention", "hpmkd.gate_steps": 9}}
    one, other = make("HPM-KD", epochs=2, **more), graphed(tape, "HPM-KD", epochs=2, **more)
    list(one.epochs())
    with pytest.warns(UserWarning, match="operation not permitted"):
        list(other.epochs())
    close(one, other)


def test_two_stages_are_not_recorded() -> None:
    assert make("FitNets").distiller.recordable
    assert not make("FitNets", hparams={"fitnets.schedule": "two_stage"}).distiller.recordable


def test_without_bf16_gradients_are_scaled_and_the_scale_is_resumed(monkeypatch: pytest.MonkeyPatch) -> None:
    """fp16 on the CPU stands for a GPU without bf16."""
    monkeypatch.setattr(device, "half", lambda device: torch.float16)
    training = make(precision="bf16", epochs=4)
    assert training.step.scaler.is_enabled()
    results = training.epochs()
    losses = [next(results).train_loss, next(results).train_loss]
    assert losses[1] < losses[0]
    state = saved(training)
    assert state["scaler"]["scale"] > 1
    other = make(precision="bf16", epochs=4)
    other.load_state_dict(state)
    list(results)
    list(other.epochs())
    same(training, other)


def test_bf16_where_the_gpu_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the generation of the A100 on."""
    for generation, kind in (((9, 0), torch.bfloat16), ((8, 0), torch.bfloat16), ((7, 5), torch.float16)):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda where, generation=generation: generation)
        assert device.half(torch.device("cuda")) == kind
    assert device.half(torch.device("cpu")) == torch.bfloat16
    assert not make(precision="bf16").step.scaler.is_enabled()
