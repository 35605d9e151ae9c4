"""Limits and variables with which Ray would end this process without a word."""

from __future__ import annotations

import resource

import pytest

from hpmkd.cluster import environment
from hpmkd.cluster.environment import need_address_space, need_sound_variables
from hpmkd.errors import EnvironmentProblem


@pytest.fixture(autouse=True)
def usual(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of Ray in the environment."""
    for name in [name for name in environment.os.environ if name.startswith("RAY_")]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize(("limit", "enough"), [(2**30, False), (3 * 2**30, False), (2**40, True), (-1, True)])
def test_a_limit_on_addresses_is_told_before_ray_dies_of_it(
    limit: int, enough: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda which: (limit, limit))
    if enough:
        need_address_space()
        return
    with pytest.raises(EnvironmentProblem, match="ulimit -v") as caught:
        need_address_space()
    assert caught.value.found == f"{limit / 2**30:.1f} GiB"


@pytest.mark.parametrize("value", ["{", "[1]", "", "3", "[" * 100_000])
def test_a_job_config_that_is_none(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", value)
    with pytest.raises(EnvironmentProblem, match="RAY_JOB_CONFIG_JSON_ENV_VAR") as caught:
        need_sound_variables()
    assert len(str(caught.value)) < 500


def test_what_ray_reads_in_cpp_is_tried_in_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray's import dies there of a value that is no number; the sound one beside it is not blamed."""
    monkeypatch.setenv("RAY_memory_usage_threshold", "abc")
    monkeypatch.setenv("RAY_memory_monitor_refresh_ms", "250")
    with pytest.raises(EnvironmentProblem) as caught:
        need_sound_variables()
    assert caught.value.found == "RAY_memory_usage_threshold=abc"
    assert caught.value.exit_code == 3


def test_sound_variables_are_none_of_our_business(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")
    monkeypatch.setenv("RAY_memory_usage_threshold", "0.9")
    need_sound_variables()


def test_without_such_variables_no_process_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment.subprocess, "run", lambda *words, **more: pytest.fail("it takes seconds"))
    monkeypatch.setenv("RAY_BACKEND_LOG_LEVEL", "zzz")
    need_sound_variables()
