"""The task file for SkyPilot: its keys, its shell, and each command of hpmkd in it."""

from __future__ import annotations

import importlib
import shlex
import shutil
import subprocess
from typing import Any

import pytest
import yaml
from support.pages import ROOT, blocks

from hpmkd.cli.main import COMMANDS
from hpmkd.cli.parser import parse
from hpmkd.config.modes import config_file
from hpmkd.errors import EXIT_UNMIRRORED

FILE = ROOT / "docs/pages/howto/skypilot.yaml"
PAGE = FILE.with_name("spot.md")
TASK: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
GIVEN = {"MIRROR": "s3://bucket/full"}


def commands() -> list[list[str]]:
    """The words behind `hpmkd` of each line of `run`, with the task's variables put in."""
    text = TASK["run"]
    for name, value in (TASK["envs"] | GIVEN).items():
        text = text.replace(f'"${name}"', value)
    assert "$" not in text
    lines = [shlex.split(line, comments=True) for line in text.splitlines()]
    return [words[1:] for words in lines if words and words[0].endswith("/hpmkd")]


def test_it_asks_for_a_spot_machine() -> None:
    """SkyPilot's own schema has been asked by hand (0.14.1); it is no dependency of the tests."""
    assert set(TASK) == {"name", "workdir", "resources", "envs", "setup", "run"}
    assert TASK["resources"]["use_spot"] is True
    assert TASK["resources"]["job_recovery"] == {"recover_on_exit_codes": [EXIT_UNMIRRORED]}
    assert TASK["envs"]["MIRROR"] is None, "a bucket of somebody's is no default"


@pytest.mark.parametrize("part", ["setup", "run"])
def test_its_shell_is_shell(part: str) -> None:
    shell = shutil.which("bash")
    if shell is None:
        pytest.skip("no bash here")
    assert TASK[part].startswith("set -e\n"), "a step that fails ends the job"
    found = subprocess.run([shell, "-n"], input=TASK[part], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stderr) == (0, "")


def test_its_commands_are_those_of_hpmkd() -> None:
    first, *rest = commands()
    request = parse(first[1:], "hpmkd run")
    assert first[0] == "run"
    assert (request.mode, request.overrides) == ("full", {"record.mirror": GIVEN["MIRROR"]})
    assert config_file("full").is_file()
    assert [words[0] for words in rest] == ["report", "mirror"]
    for name, *words in rest:
        module = importlib.import_module(COMMANDS[name].path.partition(":")[0])
        given = vars(module.build_parser(f"hpmkd {name}").parse_args(words)).values()
        assert request.output in given, "the folder that the sweep was in"


def test_the_page_and_the_file_name_the_same_launch() -> None:
    comment = [line.removeprefix("#").strip() for line in FILE.read_text().splitlines() if line.startswith("#")]
    launch = next(line for line in comment if line.startswith("sky jobs launch"))
    assert launch in "".join(blocks(PAGE, "bash")).splitlines()
    words = shlex.split(launch)
    assert (ROOT / words[3]) == FILE
    assert words[words.index("--env") + 1].partition("=")[0] in TASK["envs"]
