"""The searcher alone: any grid, any order of endings, any failures."""

from __future__ import annotations

import random
from fractions import Fraction
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from ray import cloudpickle
from ray.tune.search import Searcher
from support.plans import plan

from hpmkd.plan.catalog import BASELINES
from hpmkd.plan.job import Job
from hpmkd.plan.roles import Role
from hpmkd.plan.schedule import Places
from hpmkd.store.output_dir import trial_folder
from hpmkd.sweep.searcher import DependencySearcher, JobQueue, QueueSync

BASELINES = list(BASELINES)


def grid(jobs: tuple[Job, ...]) -> dict[str, Any]:
    """What Tune hands over as the parameter space."""
    students = [job for job in jobs if job.role == "student"]
    values = {
        "dataset": sorted({job.data.name for job in jobs}),
        "baseline": sorted({job.baseline for job in students if job.baseline}),
        "run": sorted({job.run for job in students if job.run}),
    }
    return {name: {"grid_search": value} for name, value in values.items()}


def play(
    jobs: tuple[Job, ...], done: set[str], failing: set[str], concurrent: int | dict[Role, int], seed: int
) -> list[str]:
    """Lets made-up trials end in random order; returns the keys in the order in which they were given.

    `concurrent`: so many of all roles or of each fill the machine.
    """
    files = set(done)
    places = Places.alike(concurrent) if isinstance(concurrent, int) else Places(concurrent)
    queue = JobQueue(jobs, done, lambda job: job.key in files, places)
    search = DependencySearcher(queue)
    search.set_search_properties(None, None, grid(jobs))
    chance, order, running, count = random.Random(seed), [], {}, 0
    while True:
        answer = search.suggest(f"t{count}")
        if isinstance(answer, dict):
            job = queue.jobs[answer["job"]]
            assert (answer["folder"], answer["role"]) == (trial_folder(job), job.role)
            assert all(parent.key in files for parent in job.parents), "given before its parents were there"
            order.append(job.key)
            running[f"t{count}"] = job.key
            count += 1
            taken = sum(Fraction(1, places.side_by_side[queue.jobs[key].role]) for key in running.values())
            assert taken <= 1, "more than the machine has room for"
            continue
        if answer == Searcher.FINISHED and not running:
            return order
        assert running, "None with nothing running: Tune would wait for ever"
        trial = chance.choice(sorted(running))
        key = running.pop(trial)
        if key not in failing:
            files.add(key)
        search.on_trial_complete(trial_id=trial, result=None, error=key in failing)


@settings(max_examples=60)
@given(
    st.integers(1, 2),
    st.lists(st.sampled_from(BASELINES), min_size=1, unique=True),
    st.integers(1, 3),
    st.integers(1, 5) | st.fixed_dictionaries({role: st.integers(1, 7) for role in Role}),
    st.integers(0, 2**16),
    st.data(),
)
def test_gives_every_job_once_and_drops_only_descendants_of_failed_ones(
    datasets: int, baselines: list[str], runs: int, concurrent: int | dict[Role, int], seed: int, data: Any
) -> None:
    jobs = plan(datasets, baselines, runs)
    keys = [job.key for job in jobs]
    failing = data.draw(st.sets(st.sampled_from(keys)))
    done = data.draw(st.sets(st.sampled_from(keys))) - failing
    order = play(jobs, done, failing, concurrent, seed)
    lost: set[str] = set()
    for job in jobs:
        if any(parent.key in failing | lost and parent.key not in done for parent in job.parents):
            lost.add(job.key)
    assert len(order) == len(set(order))
    assert set(order) == set(keys) - done - lost


@settings(max_examples=40)
@given(st.integers(1, 6), st.lists(st.integers(0, 15), max_size=12), st.integers(0, 20))
def test_equal_shares_are_a_plain_count(concurrent: int, live: list[int], place: int) -> None:
    jobs = plan(1, ["Direct", "TAKD"], 5)
    queue = JobQueue(jobs, set(), lambda job: True, Places.alike(concurrent))
    queue.live = {str(number): jobs[which % len(jobs)].key for number, which in enumerate(live)}
    queue.not_begun = set(queue.live)
    assert queue.full == (len(live) >= concurrent)
    assert queue.fits(jobs[place % len(jobs)]) == (len(live) < concurrent)


def of_roles(live: list[str]) -> tuple[JobQueue, dict[str, Job]]:
    """Two teachers fill the machine, or eight of any other role; these run."""
    jobs = {job.key: job for job in plan(2, ["Direct"], 9)}
    queue = JobQueue(tuple(jobs.values()), set(), lambda job: True, Places(dict.fromkeys(Role, 8) | {Role.TEACHER: 2}))
    queue.live = {str(number): key for number, key in enumerate(live)}
    return queue, jobs


def students(count: int) -> list[str]:
    return [f"student_D0_Direct_run{run}" for run in range(1, count + 1)]


def test_a_role_takes_as_much_room_as_it_needs() -> None:
    queue, jobs = of_roles(["teacher_D0", *students(3)])
    assert queue.fits(jobs[students(4)[-1]])
    assert not queue.fits(jobs["teacher_D1"])
    assert not queue.full
    queue, jobs = of_roles(["teacher_D0", *students(4)])
    assert queue.full
    queue, jobs = of_roles(students(4))
    assert queue.fits(jobs["teacher_D0"])


def test_what_is_too_large_now_is_not_overtaken() -> None:
    """Else students would take each place that becomes free, and the longest path would begin last."""
    queue, jobs = of_roles(students(5))
    queue.done, queue.given = {"teacher_D0"}, set(students(5))
    search = DependencySearcher(queue)
    search.set_search_properties(None, None, grid(tuple(jobs.values())))
    assert search.suggest("a") is None
    queue.finished("0")
    answer = search.suggest("a")
    assert isinstance(answer, dict)
    assert answer["job"] == "teacher_D1"
    assert search.suggest("b") is None, "full"


def test_small_ones_wait_for_a_large_one_that_finds_no_room() -> None:
    """Half of two GPUs may be free with no half free on either; what becomes free must not go to the small ones."""
    queue, jobs = of_roles(["teacher_D0", *students(3)])
    queue.not_begun = {"0"}
    assert not queue.fits(jobs[students(4)[-1]])
    queue.not_begun = {"1", "2"}
    assert queue.fits(jobs[students(4)[-1]])


def test_longest_path_goes_first() -> None:
    jobs = plan(1, ["Direct", "TAKD"], 2)
    order = play(jobs, set(), set(), 1, 0)
    assert order[:2] == ["teacher_D0", "logits_teacher_D0"]


def test_the_queue_follows_the_trials_that_tune_has() -> None:
    """After a restore a job may run that the searcher never gave, and one it gave may be unknown to Tune."""

    class Trial:
        def __init__(self, trial_id: str, key: str, over: bool) -> None:
            self.trial_id, self.config, self.over = trial_id, {"job": key}, over
            self.status = "TERMINATED" if over else "PENDING"

        def is_finished(self) -> bool:
            return self.over

    jobs = plan(1, ["Direct"], 2)
    queue = JobQueue(jobs, set(), lambda job: False, Places.alike(8))
    queue.live = {"gone": "teacher_D0"}
    first, second, third = (job.key for job in jobs)
    QueueSync(queue).on_step_begin(0, [Trial("a", first, True), Trial("b", second, False)])
    assert queue.live == {"b": second}
    assert queue.not_begun == {"b"}
    assert queue.left == len(jobs) - 2
    search = DependencySearcher(queue)
    search.set_search_properties(None, None, grid(jobs))
    answer = search.suggest("c")
    assert isinstance(answer, dict)
    assert answer["job"] == third


def test_state_survives_save_and_restore(tmp_path: Path) -> None:
    first, second = DependencySearcher(), DependencySearcher()
    first.set_search_properties(None, None, grid(plan(2, ["AT"], 3)))
    first.save(str(tmp_path / "state"))
    second.restore(str(tmp_path / "state"))
    assert second.grid == first.grid


def test_what_tune_pickles_holds_no_jobs_and_works_with_a_queue_of_its_own() -> None:
    """Tune keeps it in the output: with a plan of thousands and its paths neither a move nor a new plan would do."""
    jobs = plan(1, ["AT"], 500)
    search = DependencySearcher(JobQueue(jobs, set(), lambda job: False, Places.alike(8)))
    search.set_search_properties(None, None, grid(jobs))
    state = cloudpickle.dumps(search)
    assert len(state) < 3000
    assert b"student_D0_AT_run" not in state
    assert search.queue is not None, "the one that is pickled goes on"
    restored = cloudpickle.loads(state)
    assert restored.grid == search.grid
    assert restored.suggest("a") == Searcher.FINISHED
    restored.queue = JobQueue(jobs, set(), lambda job: False, Places.alike(8))
    assert restored.suggest("a")["job"] == "teacher_D0"
    assert search.queue.given == set(), "the other's queue is not concerned"


def test_it_leaves_no_grid_for_tune_to_copy_into_each_trial() -> None:
    space, search = grid(plan(1, ["AT"], 1000)), DependencySearcher()
    search.set_search_properties(None, None, space)
    assert len(search.grid["run"]) == 1000
    assert all(value == {"grid_search": []} for value in space.values())


def test_without_a_queue_there_is_nothing_to_do() -> None:
    search = DependencySearcher()
    assert search.suggest("x") == Searcher.FINISHED
    search.on_trial_complete("x")


def running(jobs: tuple[Job, ...], live: list[str]) -> JobQueue:
    """A queue in which all parents are there and some jobs run."""
    queue = JobQueue(jobs, {job.key for job in jobs}, lambda job: True, Places.alike(8))
    queue.live = {str(number): key for number, key in enumerate(live)}
    return queue


def test_a_serial_baseline_is_trained_one_by_one() -> None:
    jobs = {job.key: job for job in plan(1, ["HPM-KD-noParallel", "HPM-KD", "AT"], 2)}
    names = [f"student_D0_HPM-KD-noParallel_run{run}" for run in (1, 2)]
    queue = running(tuple(jobs.values()), names[:1])
    assert not queue.ready(jobs[names[1]])
    assert queue.ready(jobs["student_D0_AT_run1"])
    assert running(tuple(jobs.values()), ["student_D0_HPM-KD_run1"]).ready(jobs["student_D0_HPM-KD_run2"])


def test_the_same_model_under_two_names_is_trained_once() -> None:
    jobs = {job.key: job for job in plan(1, ["HPM-KD-chain1", "TAKD"], 1)}
    first, second = (jobs[name] for name in ("assistant_D0_HPM-KD-chain1_1", "assistant_D0_TAKD"))
    assert first.fingerprint == second.fingerprint
    assert not running(tuple(jobs.values()), [first.key]).ready(second)
    assert running(tuple(jobs.values()), ["teacher_D0"]).ready(second)


def test_held_jobs_are_not_given_and_a_stop_gives_nothing() -> None:
    """A retry round holds back all but what failed; while the sweep is being stopped nothing new starts."""
    jobs = plan(1, ["Direct"], 3)
    keys = [job.key for job in jobs]
    held = set(keys) - {keys[2]}
    queue = JobQueue(jobs, {keys[0]}, lambda job: False, Places.alike(8), held)
    assert queue.left == 1
    search = DependencySearcher(queue)
    search.set_search_properties(None, None, grid(jobs))
    queue.stopping = True
    assert search.suggest("a") is None
    queue.stopping = False
    answer = search.suggest("a")
    assert isinstance(answer, dict)
    assert answer["job"] == keys[2]
    assert queue.left == 0
    queue.finished("a")
    assert search.suggest("b") == Searcher.FINISHED
