"""Hosts in namespaces: each has an address, a name, processes, a home, a temp folder and a cache of its own.

They share the file system for reading, as machines with the same installation do, and what `shared` names. All of it
is made and removed without a trace outside, and needs no rights beyond namespaces: where those are not permitted,
`refused` says why. The death of a host is that of its first process: the system kills all others of the host with it.
"""

from __future__ import annotations

import functools
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHARED = "/mnt/shared"
_NETWORK = "10.77.0"
_NEEDED = ("unshare", "nsenter", "ip", "mount", "hostname")
_SECONDS = 60.0
_READY = "ready"

# Of a host, run as its first process: files of its own, then nothing more until it is killed.
_HOST = """
mount --make-rprivate /
mount -t tmpfs tmpfs /mnt
mkdir /mnt/shared /mnt/home /mnt/cache
for folder in home cache; do mount --bind {own}/$folder /mnt/$folder; done
{mounts}
{keep}
mount --rbind {own}/tmp /tmp
mount -t tmpfs -o size=1g tmpfs /dev/shm
hostname {name}
ip link set lo up
echo {ready}
while sleep 3600; do :; done  # the shell buries orphans
"""


def _call(words: Sequence[str], **more: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=_SECONDS, **more)  # type: ignore[call-overload,no-any-return]


@functools.cache
def refused() -> str | None:
    """Why there are no namespaces here; None where there are."""
    lacking = [name for name in _NEEDED if shutil.which(name) is None]
    if lacking:
        return f"there is no {', '.join(lacking)}"
    made = "ip link add bridge0 type bridge && ip link add left type veth peer name right && mount -t tmpfs tmpfs /mnt"
    done = _call([*_UNSHARE, "sh", "-ec", made])
    return None if done.returncode == 0 else f"namespaces are not permitted ({done.stderr.strip() or done.returncode})"


_UNSHARE = ["unshare", "--map-root-user", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]


def _first_child(process: subprocess.Popen[str]) -> int:
    """The process in the new namespaces, by its number here."""
    end = time.monotonic() + _SECONDS
    while time.monotonic() < end:
        found = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        if found:
            return int(found[0])
        time.sleep(0.01)
    raise TimeoutError(f"{process.args}: no child")


def _started(words: Sequence[str]) -> tuple[subprocess.Popen[str], int]:
    with tempfile.TemporaryFile() as errors:  # where `unshare` complains of its own death
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True)
    assert process.stdout is not None
    said = process.stdout.readline().strip()
    if said != _READY:
        raise RuntimeError(f"{words[-1]}: {said or 'ended'} (exit code {process.poll()})")
    return process, _first_child(process)


@dataclass
class Host:
    """One of them; `address` is its own, `inside` how to call a program there."""

    name: str
    address: str
    process: subprocess.Popen[str]
    first: int
    own: Path
    begun: list[subprocess.Popen[str]] = field(default_factory=list)

    def _words(self, words: Sequence[str], env: Mapping[str, str]) -> list[str]:
        usual = {"HOME": "/mnt/home", "XDG_CACHE_HOME": "/mnt/cache", "TMPDIR": "/tmp", "PYTHONPATH": str(ROOT)}
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        told = [f"{name}={value}" for name, value in {**kept, **usual, **env}.items()]
        enter = ["nsenter", "--target", str(self.first), "--user", "--preserve-credentials"]
        return [*enter, "--net", "--mount", "--uts", "--pid", "env", "-C", "/mnt/home", "-i", *told, *words]

    def run(self, *words: str, seconds: float = 300.0, **env: str) -> subprocess.CompletedProcess[str]:
        """Runs a program to its end."""
        return subprocess.run(
            self._words(words, env), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
            timeout=seconds,
        )  # fmt: skip

    def start(self, log: Path, *words: str, **env: str) -> subprocess.Popen[str]:
        """Starts a program, whose output goes to a file."""
        with log.open("w") as output:
            process = subprocess.Popen(
                self._words(words, env), stdin=subprocess.DEVNULL, stdout=output, stderr=output, text=True
            )
        self.begun.append(process)
        return process

    def python(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Runs this Python to its end."""
        return self.run(sys.executable, *words, **more)

    def ray(self, *words: str, **env: str) -> str:
        """Runs the command `ray`; what it printed."""
        done = self.python("-m", "ray.scripts.scripts", *words, **env)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def kill(self) -> None:
        """As if its power were cut."""
        os.kill(self.first, signal.SIGKILL)
        self.process.wait(_SECONDS)
        for one in self.begun:
            one.wait(_SECONDS)


@dataclass
class Hosts:
    """What they are joined by."""

    base: Path
    process: subprocess.Popen[str]
    first: int
    shared: Path
    there: list[Host] = field(default_factory=list)
    count: int = 0

    def _inside(self) -> list[str]:
        enter = ["nsenter", "--target", str(self.first), "--user", "--preserve-credentials"]
        return [*enter, "--net", "--mount", "--pid"]

    def _do(self, *commands: str) -> None:
        for command in commands:
            done = _call([*self._inside(), *shlex.split(command)])
            assert done.returncode == 0, f"{command}: {done.stderr}"

    def add(self, name: str, sees_shared: bool = True) -> Host:
        """Another host, joined to the others.

        Args:
            name: of the host; one that was there comes back with the files that it had.
            sees_shared: whether the shared folder is mounted there; else an empty one of its own.
        """
        self.count += 1
        number, own = self.count, self.base / name
        for folder in ("home", "cache", "tmp"):
            (own / folder).mkdir(parents=True, exist_ok=True)
        mounts = f"mount --bind {self.shared} {SHARED}" if sees_shared else ""
        text = _HOST.format(own=own, name=name, mounts=mounts, keep=_kept(own), ready=_READY)
        unshare = ["unshare", "--net", "--mount", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc"]
        process, first = _started([*self._inside(), *unshare, "bash", "-ec", text])
        first = _deepest(first)
        host = Host(name, f"{_NETWORK}.{number}", process, first, own)
        self.there.append(host)
        line = next(one for one in Path(f"/proc/{first}/status").read_text().splitlines() if one.startswith("NSpid:"))
        seen = line.split()[-2]  # its number among the joining processes
        self._do(
            f"ip link add port{number} type veth peer name eth{number}", f"ip link set port{number} master bridge0 up",
            f"ip link set eth{number} netns {seen}",
        )  # fmt: skip
        for command in (f"ip addr add {host.address}/24 dev eth{number}", f"ip link set eth{number} up"):
            done = host.run(*shlex.split(command))
            assert done.returncode == 0, done.stderr
        return host

    def end(self) -> None:
        """Of all hosts, and of every process on them."""
        os.kill(self.first, signal.SIGKILL)
        self.process.wait(_SECONDS)
        for host in self.there:
            host.process.wait(_SECONDS)
            for one in host.begun:
                one.wait(_SECONDS)


def _deepest(first: int) -> int:
    """`nsenter --pid` starts `unshare` by a fork, and that the host's first process."""
    while True:
        status = Path(f"/proc/{first}/status").read_text()
        line = next(one for one in status.splitlines() if one.startswith("NSpid:"))
        if line.split()[-1] == "1":
            return first
        first = int(Path(f"/proc/{first}/task/{first}/children").read_text().split()[0])


def _kept(own: Path) -> str:
    """Binds of what lies in the temp folder and is needed on a host: this code and this Python."""
    lines = []
    for path in {ROOT, Path(sys.prefix), Path(sys.base_prefix)}:
        if path.is_relative_to("/tmp"):
            place = own / "tmp" / path.relative_to("/tmp")
            lines.append(f"mkdir -p {place} && mount --rbind {path} {place}")
    return "\n".join(lines)


@contextmanager
def hosts(base: Path) -> Iterator[Hosts]:
    """Hosts below a folder; all of them end with the body.

    Raises:
        RuntimeError: see `refused`, which is to be asked first.
    """
    shared = base / "shared"
    shared.mkdir(parents=True)
    first_steps = "ip link set lo up && ip link add bridge0 type bridge && ip link set bridge0 up"
    process, first = _started([*_UNSHARE, "bash", "-ec", f"{first_steps}; echo {_READY}; exec sleep infinity"])
    made = Hosts(base, process, first, shared)
    try:
        yield made
    finally:
        made.end()
