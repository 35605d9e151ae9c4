"""Both sides of `peers.py` do the same work."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import peers
import pyarrow.parquet as pq
import pytest
import speed
from gpu_trainings import SPEC, made_up
from peer_torchdistill import Work, make_box
from step_cost import PAIRS, settings
from support.pictures import table

from hpmkd.data.images import Splits, split


def _fails(ready: Any, queue: Any) -> None:
    raise ValueError("meant")


def test_a_process_that_fails_is_not_waited_for() -> None:
    with pytest.raises(RuntimeError, match="has failed"):
        speed.together(_fails, (), 2)


def test_without_torchdistill_it_says_what_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torchdistill", None)  # whose import fails
    assert peers.main(["--data", "nowhere"]) == 2
    assert "pip install -e '.[bench]'" in capsys.readouterr().err


@pytest.mark.parametrize("words", [[], ["--data", "x", "--methods", "CRD"], ["--data", "x", "--pairs", "resnet8"]])
def test_arguments(words: list[str]) -> None:
    with pytest.raises(SystemExit):
        peers.parsed(words)


def test_ratios_are_those_of_the_rounds_beside_the_faster_loader() -> None:
    names = ("ours", "as_shipped", "no_loaders", "loaders", "tuned_no_loaders", "tuned_loaders")
    rows = [(30, 10, 20, 5, 20, 1), (40, 16, 10, 12, 20, 1), (50, 20, 10, 11, 25, 1)]
    found = peers.summary([dict(zip(names, map(float, row), strict=True)) for row in rows])
    assert found["images_s"] == dict(zip(names, (40, 16, 10, 11, 20, 1), strict=True))
    assert found["as_shipped"] == {"median": 2.5, "smallest": 2.5, "largest": 3.0}
    assert found["two_processes"] == {"median": 4.55, "smallest": 3.33, "largest": 6.0}
    assert found["tuned"] == {"median": 2.0, "smallest": 1.5, "largest": 2.0}


@pytest.fixture(scope="module")
def splits() -> Splits:
    return split(made_up(40), SPEC)


# SP's rows have sums of 1 there and lengths of 1 here, CC compares trained projections there and the embedding here;
# VID and ReviewKD have helper modules with weights of their own, and ReviewKD's term grows from 0 here.
_OTHER = ("SP", "CC", "VID", "ReviewKD")
_SAME = [name for name in peers.NAMES if name not in (peers.CACHED, *_OTHER)]


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("method", _SAME)
def test_the_first_steps_have_the_same_loss(method: str, pair: str, splits: Splits) -> None:
    """Of the same batches, from the same weights: so networks, losses and optimisers are the same."""
    pytest.importorskip("torchdistill")
    work = Work(pair, method, 8, "")
    one = peers.make_training(work, splits, settings() | {"pkt.diagonal": True})
    box = make_box(work, splits)
    one.model.train()
    box.pre_epoch_process(epoch=0)
    for index, view in list(one.batches.draws(1, 0))[:3]:
        batch = one.batches.take(index, view)
        theirs = box.forward_process(batch.images, batch.labels, {})
        box.post_forward_process(loss=theirs)
        one.step.begin()
        one.step(index, view, 1.0, 0.0)
        assert sum(one.step.means(len(index)).values()) == pytest.approx(theirs.item(), rel=1e-3)


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("method", _OTHER)
def test_helper_modules_are_as_large(method: str, pair: str, splits: Splits) -> None:
    pytest.importorskip("torchdistill")
    work = Work(pair, method, 8, "")
    one, box = peers.make_training(work, splits), make_box(work, splits)
    ours, theirs = (
        sorted(tuple(value.shape) for group in optimizer.param_groups for value in group["params"] if value.ndim == 4)
        for optimizer in (one.optimizer, box.optimizer)
    )
    assert ours == theirs
    images, labels, more = next(iter(box.train_data_loader))
    box.post_forward_process(loss=box.forward_process(images, labels, more))


def test_processor_times_stand_beside_each_other(splits: Splits) -> None:
    pytest.importorskip("torchdistill")
    row = peers.in_turns(Work("lenet5", peers.CACHED, 8, ""), splits, 1, 1)
    times = row["us_per_image"]
    assert row["tuned"]["median"] == pytest.approx(times["tuned"] / times["ours"], rel=0.05)


@pytest.mark.slow
def test_a_run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    pytest.importorskip("torchdistill")
    for part in ("train", "test"):
        pq.write_table(table(60, size=32), tmp_path / f"{part}.parquet")
    words = ["--pairs", "lenet5", "--methods", "AT", "--images", "40", "--rounds", "1", "--batch", "16"]
    assert peers.main(["--data", str(tmp_path), *words]) == 0
    about, row = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert about["torchdistill"]
    rates = row["images_s"]
    assert row["as_shipped"]["median"] == pytest.approx(rates["ours"] / rates["as_shipped"], rel=0.05)
