"""Which round is restored, and that Tune's state is trusted only when it is what was written."""

from __future__ import annotations

import json
import os
import pickle
import random
from pathlib import Path
from types import SimpleNamespace

import pytest
from ray import cloudpickle, tune
from ray.tune.experiment import Trial
from support.plans import Raises, plan

from hpmkd.audit.sweep_dir import Sweep
from hpmkd.cluster.resources import Shares, TrialResources
from hpmkd.config.sweep import DataConfig, SweepConfig
from hpmkd.plan.roles import Role
from hpmkd.plan.schedule import Places
from hpmkd.store.output_dir import OutputDir, trial_folder
from hpmkd.sweep.searcher import DependencySearcher, JobQueue
from hpmkd.sweep.signed_state import SIGNATURE, StateSigner, sign, signing_key
from hpmkd.sweep.tune_run import _trainable, finish_round, name_folder, restorable, rounds, sweep_key

STATES = ("tuner.pkl", "experiment_state-1.json", "searcher-state-1.pkl")


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    """A sweep whose newest round, the 1001st, was interrupted."""
    config = SweepConfig(datasets=["D0"], baselines=["Direct"], data=DataConfig(cache_dir=str(tmp_path / "cache")))
    made = Sweep(config, OutputDir(tmp_path / "out"), plan(1, ["Direct"], 1))
    (made.output.tune / "round000").mkdir(parents=True)
    folder = made.output.tune / "round1000"
    folder.mkdir()
    (folder / "tuner.pkl").write_bytes(pickle.dumps({"a": list(range(200))}))
    for name in STATES[1:]:
        (folder / name).write_text(json.dumps({"b": list(range(200))}))
    sign(folder, sweep_key(made))
    finish_round(made)
    mark = folder / "hpmkd-round.json"
    mark.write_text(json.dumps({**json.loads(mark.read_text()), "finished": False}))
    return made


def newest(sweep: Sweep) -> Path:
    return rounds(sweep.output.tune)[-1]


def test_what_names_a_folder_is_small_in_the_state_of_each_trial(sweep: Sweep) -> None:
    """Tune keeps a pickle of it per trial: with the sweep's jobs in it, thousands of trials would fill the memory."""
    search = DependencySearcher(JobQueue(sweep.jobs, set(), lambda job: True, Places.alike(1)))
    search.grid = {"dataset": ["D0"], "baseline": ["Direct"], "run": [1]}
    config = search.suggest("a")
    assert name_folder(SimpleNamespace(config=config)) == trial_folder(sweep.jobs[0])
    assert len(cloudpickle.dumps(name_folder)) < 100


def test_rounds_are_ordered_by_number(sweep: Sweep) -> None:
    (sweep.output.tune / "round999").mkdir()
    (sweep.output.tune / "round-old").mkdir()
    assert [path.name for path in rounds(sweep.output.tune)] == ["round000", "round999", "round1000"]


def test_an_unfinished_round_is_restored(sweep: Sweep) -> None:
    assert restorable(sweep) == (newest(sweep), "")


@pytest.mark.parametrize("years", [-1, 1])
def test_clocks_do_not_matter(sweep: Sweep, years: int) -> None:
    for path in [sweep.output.tune / "round000", newest(sweep), *newest(sweep).iterdir()]:
        os.utime(path, (path.stat().st_atime, path.stat().st_mtime + years * 366 * 86400))
    assert restorable(sweep) == (newest(sweep), "")


def test_a_finished_one_is_not(sweep: Sweep) -> None:
    finish_round(sweep)
    assert restorable(sweep) == (None, "")


def test_no_round_nothing_to_restore(tmp_path: Path, sweep: Sweep) -> None:
    assert restorable(Sweep(sweep.config, OutputDir(tmp_path / "new"), sweep.jobs)) == (None, "")


@pytest.mark.parametrize("name", [*STATES, "hpmkd-round.json", SIGNATURE])
def test_whatever_is_not_as_it_was_written_is_set_aside_unread(sweep: Sweep, name: str, tmp_path: Path) -> None:
    path, chance = newest(sweep) / name, random.Random(name)
    whole, witness = path.read_bytes(), tmp_path / "executed"
    torn = [whole[: chance.randrange(len(whole))] for _ in range(20)]
    foreign = [b"", b"{", b"[]", b"null", chance.randbytes(300), pickle.dumps(Raises(witness))]
    for content in [None, *torn, *foreign]:
        path.unlink() if content is None else path.write_bytes(content)
        found, why = restorable(sweep)
        assert found is None
        assert str(newest(sweep)) in why
    assert not witness.exists(), "nothing in it was executed"
    path.write_bytes(whole)
    assert restorable(sweep)[0] is not None, "and nothing of it was changed"


def test_every_flipped_byte_is_seen(sweep: Sweep) -> None:
    chance = random.Random(0)
    for name in STATES:
        path = newest(sweep) / name
        whole = path.read_bytes()
        for _ in range(20):
            data = bytearray(whole)
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
            path.write_bytes(data)
            assert restorable(sweep)[0] is None
        path.write_bytes(whole)


def test_a_state_that_somebody_else_has_signed_is_not_read(sweep: Sweep, tmp_path: Path) -> None:
    """An output from elsewhere may hold a pickle that runs code, with hashes that fit."""
    (newest(sweep) / "tuner.pkl").write_bytes(pickle.dumps(Raises(tmp_path / "executed")))
    sign(newest(sweep), signing_key(tmp_path / "somebody else's"))
    found, why = restorable(sweep)
    assert found is None
    assert "not written by you on this machine" in why


def test_a_state_file_that_came_later_is_not_read(sweep: Sweep) -> None:
    (newest(sweep) / "experiment_state-2.json").write_text("{}")
    assert restorable(sweep)[0] is None


def test_another_version_of_ray_starts_afresh(sweep: Sweep) -> None:
    mark = newest(sweep) / "hpmkd-round.json"
    mark.write_text(json.dumps({**json.loads(mark.read_text()), "versions": "hpmkd 0.0, ray 1.0, python 3.6"}))
    found, why = restorable(sweep)
    assert found is None
    assert "ray 1.0" in why


def test_neither_moved_nor_of_another_plan(sweep: Sweep, tmp_path: Path) -> None:
    assert restorable(Sweep(sweep.config, sweep.output, plan(1, ["Direct"], 2))) == (None, "")
    moved = tmp_path / "moved"
    moved.mkdir()
    sweep.output.tune.rename(moved / "tune")
    assert restorable(Sweep(sweep.config, OutputDir(moved), sweep.jobs)) == (None, "")


def test_the_seal_follows_what_tune_writes(sweep: Sweep) -> None:
    signer = StateSigner(newest(sweep), sweep_key(sweep))
    (newest(sweep) / STATES[1]).write_text("[1]")
    assert restorable(sweep)[0] is None
    signer.on_step_begin(0, [])
    assert restorable(sweep)[0] is not None
    before = (newest(sweep) / SIGNATURE).stat().st_ino
    signer.on_step_begin(1, [])
    assert (newest(sweep) / SIGNATURE).stat().st_ino == before, "nothing new, nothing written"


def test_files_of_a_restored_round_are_signed_without_a_look_into_the_folder(
    sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes on under a new name; the folder is read until that is known, and not at each step of thousands."""
    signer, listed, list_folder = StateSigner(newest(sweep), sweep_key(sweep)), [Path()], os.listdir

    def counted(folder: Path) -> list[str]:
        listed.append(folder)
        return list_folder(folder)

    monkeypatch.setattr("hpmkd.sweep.signed_state.os.listdir", counted)
    signer.on_step_begin(0, [])
    for name in ("experiment_state-2.json", "searcher-state-2.pkl", "search_gen_state-2.json", *STATES):
        (newest(sweep) / name).write_text("[2]")
        assert restorable(sweep)[0] is None
        listed.clear()
        signer.on_step_begin(1, [])
        read = len(listed)
        assert restorable(sweep)[0] is not None
    signer.on_step_begin(2, [])
    assert (read, len(listed)) == (1, 2), "once by a signature, once by the question whether it can be restored"


def test_without_a_key_nothing_is_restored_and_nothing_fails(sweep: Sweep, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert signing_key(tmp_path / "file") == b""
    StateSigner(newest(sweep), b"").update()
    (tmp_path / "cache" / "key").unlink()
    assert restorable(sweep)[0] is None, "signed with the key of before"


def gpu(count: int) -> TrialResources:
    return TrialResources(1, 1 / count, "cuda", count)


def test_a_trial_asks_for_the_share_of_its_role_and_after_a_restore_for_the_new_one(sweep: Sweep) -> None:
    """Tune resolves it from the config; of a restored trial, too, once the round's trainable is known."""

    def register(shares: Shares) -> None:
        tune.register_trainable("train_model", _trainable(sweep, shares))

    def resolved(trial: Trial) -> list[dict[str, float]]:
        trial.create_placement_group_factory()
        assert trial.placement_group_factory is not None
        return trial.placement_group_factory.bundles

    register(Shares(gpu(8), {Role.TEACHER: gpu(4)}))
    teacher, student = (Trial("train_model", config={"job": "a", "role": role}) for role in ("teacher", "student"))
    assert resolved(teacher) == [{"CPU": 1, "GPU": 0.25}]
    assert resolved(student) == [{"CPU": 1, "GPU": 0.125}]
    state, _ = teacher.get_json_state()
    register(Shares(gpu(8), {Role.TEACHER: gpu(2)}))
    restored = Trial.from_json_state(state)
    assert resolved(restored) == [{"CPU": 1, "GPU": 0.5}]
    assert resolved(teacher.reset()) == [{"CPU": 1, "GPU": 0.5}]
    register(Shares(TrialResources(2, 0, "cpu", 3)))
    assert resolved(restored) == [{"CPU": 2}]


def test_how_shares_are_resolved_is_pickled_without_the_plan(sweep: Sweep) -> None:
    """Tune keeps it with each trial and in the output: with paths in it, an output that was moved would not do."""
    trainable = _trainable(sweep, Shares(gpu(8), {Role.TEACHER: gpu(4)}))
    state = cloudpickle.dumps(trainable._resources)
    assert len(state) < 600
    assert str(sweep.output.root).encode() not in state
    assert cloudpickle.loads(state)({"role": "teacher"}) == trainable._resources({"role": "teacher"})
