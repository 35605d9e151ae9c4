"""Meta temperature: each schedule against its formula."""

from __future__ import annotations

import pytest
import torch

from hpmkd.methods.multi_teacher.temperature import SCHEDULES, Cosine


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
    for _ in range(8_000):
        last = float(schedule(0.0, torch.tensor(0.6)))
    assert last == pytest.approx(2.0, abs=0.05)
