"""A sweep on a Ray cluster of several hosts, which share a folder and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.hosts import ROOT, SHARED, Host, Hosts, hosts, refused

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
    small = "--mode quick --baselines Direct TraditionalKD --student-epochs 2"
    usual = [*small.split(), "-o", f"{SHARED}/out"]
    return [sys.executable, str(ROOT / "run_sweep.py"), *usual, "--address", f"{to.address}:{PORT}", *more]


def at_work(world: Hosts) -> dict[str, str]:
    """Which host has trained each network, by the records of its progress."""
    found = {}
    for path in (world.shared / "out" / "progress").glob("[st]*.jsonl"):
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
    assert set(at_work(world).values()) == {"a", "c"}
    assert list((world.base / "c" / "cache").rglob("Digits*.pt")), "decoded there, too"
    assert c.address in done.stdout


@pytest.mark.slow
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
    assert set(at_work(world).values()) == {"a", "c"}
    assert len(list((world.shared / "out" / "models").glob("student*.pt"))) == 8


def wait_for(there: Callable[[], bool], process: subprocess.Popen[str], log: Path) -> None:
    end = time.monotonic() + 300
    while not there():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.2)
