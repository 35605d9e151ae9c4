"""One sweep per output, whoever starts it, and however it ends."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hpmkd.errors import Locked
from hpmkd.lock import locked
from hpmkd.output import Output

HOLD = """
import sys, time, pathlib
from hpmkd.lock import locked
from hpmkd.output import Output
with locked(Output(pathlib.Path(sys.argv[1]))):
    print("held", flush=True)
    time.sleep(60)
"""


def test_another_process_is_named_and_its_death_frees_the_lock(tmp_path: Path) -> None:
    output = Output(tmp_path / "new")
    with subprocess.Popen([sys.executable, "-c", HOLD, str(output.root)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(Locked, match=f"process {holder.pid} on ") as caught, locked(output):
            pytest.fail("two hold it")
        assert caught.value.exit_code == 11
        holder.send_signal(signal.SIGKILL)
    with locked(output):
        pass


def test_an_owner_file_that_is_torn_is_no_error(tmp_path: Path) -> None:
    output = Output(tmp_path)
    with locked(output):
        (owner,) = tmp_path.glob(".sweep.owner*")
        owner.write_text("{")
        with pytest.raises(Locked, match="left no name"), locked(output):
            pytest.fail("two hold it")
    assert not owner.exists()


def test_freed_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="mine"), locked(Output(tmp_path)):
        raise ValueError("mine")
    with locked(Output(tmp_path)):
        pass
