"""A sweep on a Ray cluster of several hosts, which share a folder and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from damage import hashes
from support.hosts import ROOT, SHARED, Host, Hosts, hosts, refused

from hpmkd.store.output_dir import OutputDir

pytestmark = pytest.mark.slow

PORT = 6379


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Hosts]:
    why = refused()
    if why:
        pytest.skip(why)
    with hosts(tmp_path) as made:
        yield made


def head(world: Hosts, name: str = "a", cores: int = 1) -> Host:
    host = world.add(name)
    host.ray("start", "--head", f"--port={PORT}", *flags(host, cores), "--include-dashboard=false")
    return host


def joined(host: Host, to: Host, cores: int = 1) -> Host:
    host.ray("start", f"--address={to.address}:{PORT}", *flags(host, cores))
    return host


def flags(host: Host, cores: int) -> list[str]:
    return [f"--node-ip-address={host.address}", f"--num-cpus={cores}", "--disable-usage-stats"]


def sweep(to: Host, *more: str) -> list[str]:
    small = ["--mode", "quick", "--baselines", "Direct", "TraditionalKD"]
    epochs = [] if "--student-epochs" in more else ["--student-epochs", "2"]
    usual = [*small, *epochs, "-o", f"{SHARED}/out", "--address", f"{to.address}:{PORT}"]
    return [sys.executable, str(ROOT / "run_sweep.py"), *usual, *more]


def alone(to: Host, *more: str) -> list[str]:
    """The same on one host, and a Ray of its own."""
    words = sweep(to, *more)
    del words[(place := words.index("--address")) : place + 2]
    return words


def at_work(output: Path) -> dict[str, str]:
    """Which host has trained each network, by the records of its progress."""
    found = {}
    for path in (output / "progress").glob("[st]*.jsonl"):
        events = map(json.loads, path.read_text().splitlines())
        found[path.stem] = [one["host"] for one in events if one["event"] == "epoch"][-1]
    return found


def test_two_hosts(world: Hosts) -> None:
    """Before anything is trained it is found what a host lacks; then both train, each from images of its own."""
    a = head(world)
    b = joined(world.add("b", sees_shared=False), a)
    done = a.run(*sweep(a))
    assert done.returncode == 3, done.stdout + done.stderr
    assert f"error: node {b.address} (b): does not share {SHARED}/out\n" in done.stderr
    assert "saved" not in done.stdout
    assert not list((world.shared / "out").glob(".tmp-*"))
    b.ray("stop")
    c = joined(world.add("c"), a)
    done = a.run(*sweep(a))
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(at_work(world.shared / "out").values()) == {"a", "c"}
    assert list((world.base / "c" / "cache").rglob("Digits*.pt")), "decoded there, too"
    assert c.address in done.stdout


OWN = "/mnt/home/out"  # each host has a folder of this name


def far_sweep(to: Host, *more: str) -> list[str]:
    """Its output is seen on the driver's host alone; `SHARED` is but a second folder."""
    words = sweep(to, *more)
    words[words.index("-o") + 1] = OWN
    return [*words, "--mirror", f"{SHARED}/mirror"]


def test_two_hosts_that_share_a_mirror_alone(world: Hosts, tmp_path: Path) -> None:
    """Both train, and what one makes the other learns from."""
    a = head(world)
    b = joined(world.add("b"), a)
    done = a.run(*far_sweep(a, "--runs", "3"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert (
        f"1 node ({b.address}) without {OWN}: all that is needed and made goes through {SHARED}/mirror" in done.stdout
    )
    out = a.own / "home" / "out"
    assert set(at_work(out).values()) == {"a", "b"}
    assert not (out / ".sweep.home").exists()
    made = {path.name for path in (out / "models").iterdir()}
    assert made == {path.name for path in (world.shared / "mirror" / "models").iterdir()}
    assert len(list((out / "models").glob("*.pt"))) == 7
    assert {path.name for path in (b.own / "home" / "out" / "models").iterdir()} <= made
    assert {path.stem for path in (out / "predictions").glob("*.npy")} == {
        path.stem for path in (out / "models").glob("*.pt")
    }
    assert not list((world.shared / "mirror" / "tune").rglob("epoch.json"))
    done = a.run(*alone(a, "--runs", "3"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert hashes(OutputDir(out)) == hashes(OutputDir(world.shared / "out"))


def test_a_host_that_shares_a_mirror_alone_dies(world: Hosts, tmp_path: Path) -> None:
    """What it trained goes on elsewhere from what it had copied; and a sweep that is stopped, from its last step."""
    a = head(world)
    b = joined(world.add("b"), a)
    log, states = tmp_path / "log", world.shared / "mirror" / "tune" / "round_states"
    long = ["--student-epochs", "120", "--runs", "1"]
    words = far_sweep(a, *long, "--record.checkpoint_overhead", "1")
    process = a.start(log, *words)
    wait_for(lambda: any(states.rglob("epoch.json")), process, log)
    b.kill()
    wait_for(lambda: "continues after epoch" in log.read_text(), process, log)
    assert process.wait(600) == 0, log.read_text()
    assert "FAILED" not in log.read_text()
    assert not list(states.rglob("epoch.json"))
    done = a.run(*alone(a, *long))
    assert done.returncode == 0, done.stdout + done.stderr
    assert hashes(OutputDir(a.own / "home" / "out")) == hashes(OutputDir(world.shared / "out"))


def test_a_host_that_shares_a_mirror_alone_is_told_to_stop(world: Hosts, tmp_path: Path) -> None:
    """It saves what it has done; the next start, of the whole cluster, goes on from there."""
    a = head(world)
    joined(world.add("b"), a)
    log, states = tmp_path / "log", world.shared / "mirror" / "tune" / "round_states"
    words = far_sweep(a, "--student-epochs", "120", "--runs", "2")
    process = a.start(log, *words)
    wait_for(lambda: any(states.rglob("epoch.json")), process, log)
    a.run("pkill", "-INT", "-f", "run_sweep.py")
    assert process.wait(60) == 130, log.read_text()
    stopped = log.read_text()
    assert "stopping: saving 2 running trials" in stopped
    kept = {path.parent.parent.name for path in states.rglob("epoch.json")}
    assert len(kept) == 2
    process = a.start(log, *words)
    assert process.wait(600) == 0, log.read_text()
    assert log.read_text().count("continues after epoch") == 2, stopped + log.read_text()
    assert "FAILED" not in stopped + log.read_text()
    assert not list(states.rglob("epoch.json"))


def test_hosts_that_join_later(world: Hosts, tmp_path: Path) -> None:
    """One that lacks the output gets no work, and costs no model; one that is right trains."""
    a = head(world)
    log = tmp_path / "log"
    process = a.start(log, *sweep(a, "--student-epochs", "60", "--runs", "4"))
    wait_for(lambda: "training" in log.read_text(), process, log)
    b = joined(world.add("b", sees_shared=False), a, cores=2)
    wait_for(lambda: f"node {b.address} joined the cluster; nothing is trained there" in log.read_text(), process, log)
    c = joined(world.add("c"), a)
    wait_for(lambda: f"node {c.address} joined the cluster\n" in log.read_text(), process, log)
    assert process.wait(600) == 0, log.read_text()
    said = log.read_text()
    assert "mount it there" in said
    assert "FAILED" not in said
    assert set(at_work(world.shared / "out").values()) == {"a", "c"}
    assert len(list((world.shared / "out" / "models").glob("student*.pt"))) == 8


def wait_for(there: Callable[[], bool], process: subprocess.Popen[str], log: Path) -> None:
    end = time.monotonic() + 300
    while not there():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.2)
