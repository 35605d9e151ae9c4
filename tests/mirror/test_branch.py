"""A node that does not see the output: it gets what it needs, and what it makes is in the mirror."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from support.s3 import BUCKET, S3Server, every, for_a_while, sometimes
from support.sweeps import flip, weights

from hpmkd.audit.sweep_dir import open_sweep
from hpmkd.errors import MirrorProblem
from hpmkd.mirror import branch as branches
from hpmkd.mirror import claim, retries
from hpmkd.mirror.branch import Branch, Exchange, exchange_of, unreachable
from hpmkd.mirror.session import Mirror
from hpmkd.plan.job import Job
from hpmkd.store.inspection import inspect_job
from hpmkd.store.output_dir import EPOCH_FILE, EPOCH_META, OutputDir, trial_folder
from hpmkd.store.result_file import commit, load_weights


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "LONGEST_SECONDS", 0.2)
    monkeypatch.setattr(claim, "_SETTLE_SECONDS", 0.05)
    monkeypatch.setattr(branches, "_WAIT_SECONDS", 5.0)
    monkeypatch.setattr(branches, "_ANSWER_SECONDS", 3.0)
    branches._opened.cache_clear()


class World:
    """An output, its mirror, and a node elsewhere."""

    def __init__(self, out: Path, s3: S3Server, far: Path) -> None:
        self.s3, self.output, self.far = s3, OutputDir(out), OutputDir(far)
        self.exchange = exchange_of(self.output, s3.uri(), "the driver's")
        self.jobs = open_sweep(out).by_key
        self.student = next(job for job in self.jobs.values() if job.parents)

    def copy(self) -> None:
        mirror = Mirror(self.output, self.exchange.uri)
        mirror.start()
        assert mirror.close(60.0) == []

    def branch(self, name: str = "") -> Branch:
        return Branch(OutputDir(self.far.root / name), self.exchange)


@pytest.fixture
def world(out: Path, s3: S3Server, tmp_path: Path) -> World:
    made = World(out, s3, tmp_path / "far")
    made.copy()
    return made


def save(number: int) -> Callable[[Path], None]:
    """As a training does; only the names and numbers matter here."""

    def write(folder: Path) -> None:
        (folder / EPOCH_FILE).write_bytes(b"state" * number)
        (folder / EPOCH_META).write_text(json.dumps({"epoch": number, "steps": 0}))

    return write


def states(s3: S3Server) -> list[str]:
    return sorted(name.split("/")[3] for name in s3.names() if name.endswith(EPOCH_META))


def test_what_a_job_needs(world: World) -> None:
    branch = world.branch()
    branch.begin()
    assert open_sweep(world.far.root).by_key.keys() == world.jobs.keys()
    branch.fetch(world.student)
    assert all(inspect_job(parent, world.far).good for parent in world.student.parents)
    assert not inspect_job(world.student, world.far).good, "nobody needs it there"
    world.s3.asked.clear()
    world.branch().begin()
    assert world.s3.asked.total() == 0, "it is there"


def test_a_node_that_sees_the_output_fetches_and_sends_nothing(world: World) -> None:
    world.far.root.mkdir()
    world.far.home_file.write_text(world.exchange.home)
    branch = world.branch()
    assert not branch.is_needed
    branch.begin()
    branch.keep_state(world.student, save(1))
    assert world.far.checkpoint_folders(world.student), "it is kept all the same"
    branch.send_result(world.student)
    assert not world.far.checkpoint_folders(world.student)
    assert not world.far.config_file.exists()
    assert states(world.s3) == []


def test_the_plan_of_an_earlier_start_is_replaced(world: World) -> None:
    """And waited for, where the driver has not copied it yet."""
    world.far.root.mkdir()
    world.far.config_file.write_text("runs: 7\n")
    world.output.config_file.write_text(world.output.config_file.read_text() + "# more\n")
    world.exchange = exchange_of(world.output, world.s3.uri(), "the driver's")
    later = threading.Timer(0.5, world.copy)
    later.start()
    world.branch().begin()
    later.join()
    assert world.far.config_file.read_bytes() == world.output.config_file.read_bytes()


def test_a_plan_that_does_not_come(world: World) -> None:
    world.exchange = Exchange(world.s3.uri(), "x", {"sweep.yaml": "0" * 64})
    with pytest.raises(MirrorProblem, match=r"sweep\.yaml is not this sweep's"):
        world.branch().begin()


def test_a_parent_that_was_trained_again(world: World) -> None:
    """The one that lies there counts, whatever is here."""
    branch, teacher = world.branch(), next(one for one in world.student.parents if one.role.is_network)
    branch.fetch(world.student)
    header, state = load_weights(world.output.model_file(teacher))
    again = {name: value + 1 if value.is_floating_point() else value for name, value in state.items()}
    commit(world.output.model_file(teacher), again, header.accuracy, header.train_time, header.metadata)
    world.copy()
    branch.fetch(world.student)
    assert weights(world.far.root)[teacher.file_name] == weights(world.output.root)[teacher.file_name]


def test_a_parent_that_is_damaged_here(world: World) -> None:
    branch, teacher = world.branch(), world.student.parents[0]
    branch.fetch(world.student)
    flip(world.far.model_file(teacher))
    branch.fetch(world.student)
    assert inspect_job(teacher, world.far).good


def test_a_parent_that_is_damaged_there(world: World) -> None:
    teacher = world.student.parents[0]
    key = f"run7/models/{teacher.file_name}"
    world.s3.client.put_object(Bucket=BUCKET, Key=key, Body=b"damaged")
    world.s3.client.delete_object(Bucket=BUCKET, Key=f"{key}.json")
    with pytest.raises(MirrorProblem, match=f"no whole {teacher.file_name}"):
        world.branch().fetch(world.student)
    assert not world.far.model_file(teacher).exists()


def test_states_go_from_node_to_node(world: World) -> None:
    one, other = world.branch("one"), world.branch("other")
    for number in (1, 2, 3):
        one.keep_state(world.student, save(number))
    assert states(world.s3) == ["checkpoint_000002_00000000", "checkpoint_000003_00000000"]
    assert len(one.output.checkpoint_folders(world.student)) == 2
    other.fetch(world.student)
    found = other.output.checkpoint_folders(world.student)
    assert {path.name for path in found} == set(states(world.s3))
    assert (max(found) / EPOCH_FILE).read_bytes() == b"state" * 3
    other.keep_state(world.student, save(4))
    assert states(world.s3) == ["checkpoint_000003_00000000", "checkpoint_000004_00000000"]


def test_states_of_parts_do_not_meet(world: World) -> None:
    """As those of a tuning's candidates."""
    one, other = world.branch("one"), world.branch("other")
    for number in (1, 2, 3):
        one.keep_state(world.student, save(number), "a_")
        one.keep_state(world.student, save(number + 10), "b_")
    kept = [path.name[11:19] for path in sorted(one.states(world.student))]
    assert kept == ["a_000002", "a_000003", "b_000012", "b_000013"]
    other.fetch(world.student, "b_")
    assert {path.name[11:19] for path in other.states(world.student)} == {"b_000012", "b_000013"}


def test_states_that_the_driver_has_copied_are_found(world: World) -> None:
    folder = world.output.tune / "round000" / trial_folder(world.student) / "checkpoint_000005"
    world.output.model_file(world.student).unlink()
    folder.mkdir(parents=True)
    save(5)(folder)
    world.copy()
    branch = world.branch()
    branch.fetch(world.student)
    assert [path.name for path in branch.output.checkpoint_folders(world.student)] == ["checkpoint_000005"]


def test_a_state_that_cannot_be_copied_is_kept_here(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(branches, "_EPOCH_SECONDS", 0.3)
    branch = world.branch()
    branch.keep_state(world.student, save(1))
    world.s3.fault = every(1, "403", "PUT POST")
    branch.keep_state(world.student, save(2))
    assert states(world.s3) == ["checkpoint_000001_00000000"]
    assert len(branch.output.checkpoint_folders(world.student)) == 2
    world.s3.fault = lambda method, path: None
    branch.keep_state(world.student, save(3))
    assert states(world.s3) == ["checkpoint_000001_00000000", "checkpoint_000003_00000000"]


@pytest.fixture
def unmade(world: World) -> Job:
    """The student, which is made on the node: its file is neither in the output nor in the mirror."""
    job = world.student
    shutil.copytree(world.output.root, world.far.root, dirs_exist_ok=True)
    world.far.home_file.unlink(missing_ok=True)
    for path in (world.output.models, world.output.predictions):
        for file in path.glob(f"{job.key}.*"):
            file.unlink()
            world.s3.client.delete_object(Bucket=BUCKET, Key=f"run7/{path.name}/{file.name}")
    return job


@pytest.mark.parametrize(
    "fault",
    [
        lambda method, path: None, sometimes(0.3, "500"), sometimes(0.4, "torn", "PUT POST"), sometimes(0.2, "403"),
        for_a_while(3.0, "500"), for_a_while(2.0, "torn", "PUT POST"),
    ],
    ids=["well", "500", "torn", "403", "outage", "tearing"],
)  # fmt: skip
def test_a_model_reaches_the_driver(
    world: World, unmade: Job, fault: Callable[[str, str], str | None], tmp_path: Path
) -> None:
    branch = world.branch()
    branch.keep_state(unmade, save(1))
    curves = world.far.tensorboard / unmade.key / "events.out"
    curves.parent.mkdir(parents=True)
    curves.write_bytes(b"curves")
    world.s3.fault = fault
    branch.send_result(unmade)
    mirror = Mirror(world.output, world.exchange.uri)
    assert mirror.download.made_elsewhere(unmade).good
    world.s3.fault = lambda method, path: None
    assert states(world.s3) == []
    assert inspect_job(unmade, world.output).good
    answers = f"{unmade.key}.npy"
    assert (world.output.predictions / answers).read_bytes() == (world.far.predictions / answers).read_bytes()
    assert (world.output.tensorboard / unmade.key / "events.out").read_bytes() == b"curves"
    assert mirror.left() == [], "it came from there"
    mirror.close(0.0)


def test_a_network_that_stays_away_keeps_the_model_here(
    world: World, unmade: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(branches, "_SEND_SECONDS", 0.5)
    world.s3.fault = every(1, "403", "PUT POST")
    said: list[str] = []
    with pytest.raises(MirrorProblem):
        world.branch().send_result(unmade, said.append)
    assert len(said) <= 1
    assert inspect_job(unmade, world.far).good
    world.s3.fault = lambda method, path: None
    mirror = Mirror(world.output, world.exchange.uri)
    assert mirror.download.made_elsewhere(unmade).state == "missing"
    world.branch().send_result(unmade)
    assert mirror.download.made_elsewhere(unmade).good
    mirror.close(0.0)


def test_whether_a_node_can_do_without(world: World) -> None:
    assert unreachable(str(world.far.root), world.exchange) == ""
    elsewhere = Exchange(world.s3.uri().replace(BUCKET, "no-such-bucket"), "x", {"other.json": "0"})
    assert "cannot read other.json" in unreachable(str(world.far.root), elsewhere)
    assert not [name for name in world.s3.names() if ".tmp-" in name]
    world.s3.fault = every(1, "403", "PUT POST")
    assert "ACCESS_DENIED" in unreachable(str(world.far.root), world.exchange), "it can read alone"
    world.s3.fault = every(1, "403")
    assert "ACCESS_DENIED" in unreachable(str(world.far.root / "new"), world.exchange)
