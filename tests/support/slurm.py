"""A SLURM of one machine, from the system's packages, started and ended by a test."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

_NEEDED = ("slurmctld", "slurmd", "sbatch", "scontrol", "squeue", "srun")
_SECONDS = 60.0
_CONFIG = """
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
SlurmctldPort={controller}
AuthType=auth/none
CredType=cred/none
AuthInfo=cred_expire=6
SlurmctldPidFile={base}/slurmctld.pid
SlurmdPidFile={base}/slurmd.%n.pid
SlurmdSpoolDir={base}/spool.%n
StateSaveLocation={base}/state
SlurmctldLogFile={base}/slurmctld.log
SlurmdLogFile={base}/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
KillWait=30
MinJobAge=600
SchedulerParameters=batch_sched_delay=1,sched_interval=2
{nodes}
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP OverSubscribe=FORCE
"""


def refused() -> str | None:
    """Why there is none here; None where there is."""
    lacking = [name for name in _NEEDED if shutil.which(name) is None]
    return f"there is no {', '.join(lacking)} (Debian: slurmctld slurmd slurm-client)" if lacking else None


@dataclass
class Slurm:
    """It; its files lie in `base`."""

    base: Path

    def call(self, *words: str) -> str:
        """Runs one of its programs; what it printed."""
        done = subprocess.run(
            words, env=self.environment, cwd=self.base, capture_output=True, text=True, check=False, timeout=_SECONDS
        )
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}{self.logs()}"
        return done.stdout

    @property
    def environment(self) -> dict[str, str]:
        """With which its programs find it."""
        return {**os.environ, "SLURM_CONF": str(self.base / "slurm.conf")}

    def job(self, number: str) -> dict[str, str]:
        """What it says of a job."""
        return dict(word.split("=", 1) for word in self.call("scontrol", "show", "job", number).split() if "=" in word)

    def wait(self, number: str, states: Sequence[str], seconds: float) -> dict[str, str]:
        """Until the job is in one of these states."""
        end = time.monotonic() + seconds
        while (found := self.job(number))["JobState"] not in states:
            assert time.monotonic() < end, f"{found}{self.logs()}"
            time.sleep(0.5)
        return found

    def logs(self) -> str:
        """Of everything, for a failure."""
        return "".join(f"\n--- {path}\n{path.read_text()[-3000:]}" for path in sorted(self.base.glob("*.log")))


def _end_jobs(made: Slurm) -> None:
    """What has detached itself from its job, as Ray's daemons do: a SLURM without control groups loses sight of it."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            mine = process.pid != os.getpid() and process.environ().get("SLURM_CONF") == made.environment["SLURM_CONF"]
            if mine:
                process.kill()


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def slurm(base: Path, nodes: int = 1, cores: int = 2) -> Iterator[Slurm]:
    """A controller and so many nodes, all on this machine."""
    host = socket.gethostname()
    lines = [
        f"NodeName=n{number} NodeHostname={host} NodeAddr=127.0.0.1 Port={_free_port()} CPUs={cores} State=UNKNOWN"
        for number in range(nodes)
    ]
    text = _CONFIG.format(
        host=host, user=getpass.getuser(), base=base, controller=_free_port(), nodes="\n".join(lines)
    )  # fmt: skip
    (base / "slurm.conf").write_text(text)
    (base / "cgroup.conf").write_text("CgroupPlugin=autodetect\nIgnoreSystemd=yes\n")
    (base / "state").mkdir()
    made = Slurm(base)
    programs = [["slurmctld", "-D"], *(["slurmd", "-D", "-N", f"n{number}"] for number in range(nodes))]
    quiet = subprocess.DEVNULL
    running = [
        subprocess.Popen(words, env=made.environment, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True)
        for words in programs
    ]
    try:
        end = time.monotonic() + _SECONDS
        while made.call("sinfo", "-h", "-o", "%T", "-N").split() != ["idle"] * nodes:
            assert time.monotonic() < end, made.logs()
            time.sleep(0.5)
        yield made
    finally:
        for number in subprocess.run(
            ["squeue", "-h", "-o", "%i"], env=made.environment, capture_output=True, text=True, check=False
        ).stdout.split():
            subprocess.run(["scancel", "--signal=KILL", "--full", number], env=made.environment, check=False)
        for one in reversed(running):
            one.send_signal(signal.SIGTERM)
            try:
                one.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(one.pid, signal.SIGKILL)
                one.wait()
        _end_jobs(made)
