"""Mutual learning: its terms, whom each of them moves, and that it goes on from a checkpoint."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support.builders import STUDENT
from support.losses import numpy, softmax

from hpmkd.methods.build import build_distiller
from hpmkd.methods.online.dml import DML
from hpmkd.models import ModelOutput, build

CHANCE = np.random.default_rng(4)


def kl(p: np.ndarray, q: np.ndarray) -> float:
    return float((p * np.log(p / q)).sum(1).mean())


def made(weight: float = 2.0) -> DML:
    found = build_distiller("DML", {"dml.weight": weight}, STUDENT, (), 3)
    assert isinstance(found, DML)
    return found


def test_terms_are_those_of_the_paper_and_each_moves_one_network() -> None:
    """Zhang et al. 2018, equations 5 to 8: gradients are w (q - p) / N of each divergence, and of no other network."""
    a, b = (torch.tensor(CHANCE.normal(size=(5, 4)) * 2, requires_grad=True) for _ in range(2))
    target = torch.tensor([0, 1, 2, 3, 0])
    terms = made().loss(ModelOutput(a), [ModelOutput(b)], target, 0.3)
    q, p, each = softmax(numpy(a)), softmax(numpy(b)), np.arange(5)
    expected = {
        "ce": -np.log(q[each, target]).mean(), "kd": 2 * kl(p, q),
        "peer_ce": -np.log(p[each, target]).mean(), "peer_kd": 2 * kl(q, p),
    }  # fmt: skip
    assert {key: value.item() for key, value in terms.items()} == pytest.approx(expected, rel=1e-9)
    (terms["kd"] + terms["peer_kd"]).backward()
    assert a.grad is not None
    assert b.grad is not None
    assert np.allclose(numpy(a.grad), 2 * (q - p) / 5)
    assert np.allclose(numpy(b.grad), 2 * (p - q) / 5)


def test_the_other_network_starts_elsewhere_and_is_part_of_the_checkpoint() -> None:
    one = made()
    (peer,) = one.peers
    own, student = peer.state_dict(), build(STUDENT, 3).state_dict()
    assert own.keys() == student.keys()
    assert any(not torch.equal(own[key], student[key]) for key in own)
    assert {f"peer.{key}" for key in own} == one.state_dict().keys()
    assert all(torch.equal(a, b) for a, b in zip(made().peer.parameters(), one.peer.parameters(), strict=True))
