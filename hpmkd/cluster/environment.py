"""Limits and variables of this process with which Ray ends it without a word; looked at before Ray is imported."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Collection

from hpmkd.data.source.listing import named, shown
from hpmkd.errors import EnvironmentProblem
from hpmkd.files import parse_json
from hpmkd.hardware import address_space_gib

_ADDRESSES_GIB = 4
_JOB_CONFIG = "RAY_JOB_CONFIG_JSON_ENV_VAR"
_SECONDS = 60.0


def need_address_space() -> None:
    """Ray and torch reserve far more addresses than they use memory.

    Raises:
        EnvironmentProblem: the limit leaves too few of them.
    """
    limit = address_space_gib()
    if limit is not None and limit < _ADDRESSES_GIB:
        raise EnvironmentProblem(
            "Ray and torch: the limit on the address space (ulimit -v) is too small",
            expected=f"at least {_ADDRESSES_GIB} GiB for each process, on a machine with a GPU no limit",
            found=f"{limit:.1f} GiB",
            todo="raise it (ulimit -v unlimited), or limit the memory of the whole job or container instead",
        )


def need_sound_variables() -> None:
    """Variables of the environment by which people set Ray.

    Raises:
        EnvironmentProblem: one of them is not what Ray reads there.
    """
    _check_job_config()
    # Those of Ray's own parts, in C++, have names in small letters; what is no number there ends the process.
    inner = [name for name in os.environ if name.startswith("RAY_") and name[4:5].islower()]
    if not inner or _imports(inner):
        return
    wrong = [name for name in inner if not _imports([name])] or inner
    raise EnvironmentProblem(
        f"Ray: cannot be imported with {named(wrong)} as set in the environment",
        expected="values of the kind that Ray has there: a number, true or false",
        found=named(f"{name}={os.environ[name][:80]}" for name in wrong),
        todo="correct or unset " + ("this variable" if len(wrong) == 1 else "these variables"),
    )


def _check_job_config() -> None:
    text = os.environ.get(_JOB_CONFIG)
    if text is None:
        return
    try:
        fault = "" if isinstance(parse_json(text), dict) else "JSON, but no object"
    except ValueError as error:
        fault = str(error)
    if fault:
        raise EnvironmentProblem(
            f"{_JOB_CONFIG} in the environment: not what Ray can read",
            expected="a JSON object, as ray job submit writes it",
            found=f"{shown(text[:80])} ({fault})",
            todo="correct or unset this variable",
        )


def _imports(names: Collection[str]) -> bool:
    """Whether a process of its own imports Ray with these variables, of all that set its parts."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_") or name in names}
    try:
        done = subprocess.run([sys.executable, "-c", "import ray"], env=kept, capture_output=True, timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        return True  # a busy machine says nothing about the variables
    return done.returncode == 0
