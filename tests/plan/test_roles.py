"""Roles: what each says of its files is what the rest of the code does with them."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.builders import make_config, make_jobs

from hpmkd.plan.roles import NETWORK_SUFFIX, SUFFIXES, Role
from hpmkd.store.model_file import ModelHandler
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.result_file import HANDLERS, handler_of


def test_every_ending_has_a_handler_and_every_handler_an_ending() -> None:
    assert set(SUFFIXES) == set(HANDLERS)
    for role in Role:
        assert isinstance(HANDLERS[role.suffix], ModelHandler) == role.is_network == (role.suffix == NETWORK_SUFFIX)


def test_what_can_be_rebuilt_is_not_shared_and_has_no_weights() -> None:
    for role in Role:
        assert not (role.is_rebuildable and (role.is_network or role.is_shareable))


@pytest.mark.parametrize("value", ["tables", "", None, 3, "Teacher", ["teacher"]])
def test_what_is_no_role(value: object) -> None:
    assert Role.of(value) is None


def test_values_stand_in_names_metadata_and_recipes_as_plain_text(tmp_path) -> None:
    jobs = make_jobs(make_config(kd__logits="cached"))
    assert {job.role for job in jobs.values()} == set(Role)
    output = OutputDir(tmp_path)
    output.models.mkdir()
    for job in jobs.values():
        assert job.key.startswith(f"{job.role.value}_")
        assert type(job.recipe()["role"]) is str
        assert Role.of(job.recipe()["role"]) is job.role
        assert handler_of(output.model_file(job)) is HANDLERS[job.role.suffix]
        output.model_file(job).touch()
    assert {path.name for path in output.model_files()} == {job.file_name for job in jobs.values()}


def test_names_of_0_1_are_still_understood(tmp_path: Path) -> None:
    assert (Role.of("choice"), Role.of("table")) == (Role.SEARCH, Role.LOGITS)
    output = OutputDir(tmp_path)
    output.models.mkdir()
    names = {"choice_Digits.json", "table_teacher_Digits.npy", "teacher_Digits.pt"}
    for name in (*names, "teacher_Digits.pt.json", "table_teacher_Digits.npy.json", "other.json"):
        (output.models / name).touch()
    assert {path.name for path in output.model_files()} == names
