"""The live report: what is served while a sweep runs, without a browser and, where there is one, with it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from support import browser
from support.frames import epoch, make_output, put_model
from support.sweeps import everything

from hpmkd.analysis.experiments.registry import EXPERIMENTS
from hpmkd.analysis.report.live_page import SECTIONS, LivePage
from hpmkd.analysis.report.server import PageServer, open_server
from hpmkd.cli.main import main
from hpmkd.plan.job import Job
from hpmkd.store.lock import locked
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.progress_log import Recorder

CHOOSE = {"baselines": ["Direct", "TraditionalKD"], "runs": 3}
RUNNING = "student_Digits_Direct_run1"


class Sweep:
    """An output whose models appear when the test says so."""

    def __init__(self, root: Path, cache_dir: Path, accuracy: Callable[[Job], float | None]) -> None:
        self.root, self.identity = root, dict[str, str]()
        self.output, _, self.jobs = make_output(root, cache_dir, accuracy, **CHOOSE)
        self.recorder = Recorder(self.output, {key: job.fingerprint for key, job in self.jobs.items()})

    def make(self, key: str, percent: float) -> None:
        self.identity[key] = put_model(self.output, self.jobs[key], percent, self.identity)

    def train(self, key: str, epochs: int = 2) -> None:
        self.recorder.started(key)
        for number in range(1, epochs + 1):
            self.recorder.record(epoch(number, 2, job=key))


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    """Planned; nothing is made yet, and no images are decoded, whatever other tests have decoded."""
    return Sweep(tmp_path / "a & <b>", tmp_path / "cache", lambda job: None)


@contextlib.contextmanager
def serving(root: Path) -> Iterator[PageServer]:
    with open_server(root) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def at_once(page: LivePage, monkeypatch: pytest.MonkeyPatch) -> None:
    """It looks whenever it is asked."""
    monkeypatch.setattr("hpmkd.analysis.report.live_page.EVERY_SECONDS", 0.0)
    monkeypatch.setattr(page, "_now", lambda: 0.0)


@pytest.fixture
def server(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> Iterator[PageServer]:
    with serving(sweep.root) as server:
        at_once(server.page, monkeypatch)
        yield server


def get(server: PageServer, path: str, method: str = "GET", host: str = "") -> tuple[int, Mapping[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=60)
    connection.request(method, path, headers={"Host": host} if host else {})
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    return answer.status, dict(answer.getheaders()), data


def state(server: PageServer) -> dict[str, Any]:
    return dict(json.loads(get(server, "/parts")[2]))


def part(server: PageServer, name: str) -> str:
    return str(json.loads(get(server, f"/part/{name}")[2])["html"])


def test_sections_of_experiments_come_and_go(tmp_path: Path, cache_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["HPM-KD", "HPM-KD-noChain"]
    output, _, jobs = make_output(tmp_path, cache_dir, lambda job: 90.0 + len(job.key), baselines=names, runs=2)
    page = LivePage(tmp_path)
    at_once(page, monkeypatch)
    page.refresh()
    assert "Ablation of HPM-KD" in page.parts["ablation"].html
    assert page.parts["interactions"].html == ""
    assert page.file("tables/ablation.csv")
    for run in (1, 2):
        output.model_file(jobs[f"student_Digits_HPM-KD-noChain_run{run}"]).unlink()
    page.refresh()
    assert page.parts["ablation"].html == ""


def test_it_follows_a_sweep_from_before_its_first_model_to_its_end(sweep: Sweep, server: PageServer) -> None:
    before = everything(sweep.root)
    page = get(server, "/")[2].decode()
    assert "a &amp; &lt;b&gt;" in page
    assert "0 of 7 models done" in page
    first = state(server)
    assert list(first["parts"]) == ["progress", *SECTIONS]
    found = {name: part(server, name) for name in SECTIONS if name not in EXPERIMENTS}
    assert not found.pop("data"), "its images are in no cache yet"
    assert all(found.values()), "every section of the page was found"
    assert "To continue: hpmkd run --restore" in part(server, "about")
    assert (first["running"], first["title"]) == (False, "(0/7) a & <b>")
    assert "Nothing can be compared yet" in part(server, "conclusions")
    assert everything(sweep.root) == before, "nothing is written"
    with locked(sweep.output):
        sweep.make("teacher_Digits", 95.0)
        sweep.train(RUNNING)
        second = state(server)
        assert second["running"]
        progress = part(server, "progress")
        assert "1 of 7 models done, about 0:00:" in progress
        assert re.search(
            rf"<td>{RUNNING}</td><td class=\"n\">2/2</td>.*<polyline points=\"50.0,23.0 100.0,1.0\"", progress, re.S
        )
        assert '<td class="n">52.00</td><td class="n">0.5000</td>' in progress
        assert "teacher_Digits" in part(server, "lineage")
        assert "To continue" not in part(server, "about"), "it runs"
    for number, key in enumerate(key for key in sweep.jobs if key != "teacher_Digits"):
        sweep.make(key, 80.0 + number % 3 + number // 3)
    third = state(server)
    assert (third["running"], third["title"]) == (False, "(7/7) a & <b>")
    changed = {name for name in third["parts"] if third["parts"][name] != second["parts"][name]}
    assert {"progress", "conclusions", "accuracy", "differences"} <= changed
    assert "config" not in changed, "only what has changed is made anew"
    assert state(server)["parts"] == third["parts"], "nothing has changed since"
    assert "TraditionalKD" in part(server, "accuracy")


def test_it_follows_the_end_of_a_sweep_that_changes_no_model(sweep: Sweep, server: PageServer) -> None:
    with locked(sweep.output):
        sweep.make("teacher_Digits", 95.0)
        sweep.train(RUNNING)
        state(server)
        assert "1 in training" in part(server, "about")
        assert "To continue" not in part(server, "about")
    state(server)
    assert "no sweep is running" in part(server, "progress")
    assert "in training" not in part(server, "about")
    assert "To continue: hpmkd run --restore" in part(server, "about")


@pytest.mark.parametrize("name", ["latency.json", "speedup.json", "memorised/student_Digits_Direct_run1.npz"])
def test_it_follows_what_is_measured_after_the_training(
    sweep: Sweep, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    page = LivePage(sweep.root)
    at_once(page, monkeypatch)
    page.refresh()
    drawn = page._report
    page.refresh()
    assert page._report is drawn, "nothing has changed"
    (sweep.root / name).parent.mkdir(exist_ok=True)
    (sweep.root / name).write_bytes(b"new")
    page.refresh()
    assert page._report is not drawn


def test_every_link_of_the_page_is_served(sweep: Sweep, server: PageServer, every_figure: None) -> None:
    sweep.make("teacher_Digits", 95.0)
    for run in (1, 2, 3):
        sweep.make(f"student_Digits_Direct_run{run}", 80.0 + run)
        sweep.train(f"student_Digits_Direct_run{run}")
    state(server)
    page = "".join(part(server, name) for name in SECTIONS)
    links = set(re.findall(r'href="([^"#]+)"', page))
    assert {"results.parquet", "figures/accuracy.png", "tables/curves.csv"} <= links
    for link in links:
        status, _, data = get(server, f"/{link}")
        assert (status, len(data) > 0) == (200, True), link
    assert get(server, "/figures/accuracy.png")[2].startswith(b"\x89PNG")
    assert not (sweep.root / "figures").exists()


def test_what_is_not_served(sweep: Sweep, server: PageServer) -> None:
    state(server)
    for path in (
        "/sweep.yaml",
        "/../sweep.yaml",
        "/models/",
        "/part/nothing",
        "/figures/../sweep.yaml",
        "//etc/passwd",
    ):
        assert get(server, path)[0] == 404, path
    assert get(server, "/", host="evil.example")[0] == 403, "a page of elsewhere whose name points to this machine"
    assert get(server, "/", host=f"localhost:{server.server_port}")[0] == 200
    assert get(server, "/", method="POST")[0] == 501
    status, about, data = get(server, "/", method="HEAD")
    assert (status, data) == (200, b"")
    policy = about["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    (nonce,) = re.findall(r"'nonce-([^']+)'", policy)
    assert len(nonce) > 16
    assert server.server_address[0] == "127.0.0.1"


def test_the_page_needs_nothing_from_elsewhere(sweep: Sweep, server: PageServer, every_figure: None) -> None:
    page = get(server, "/")[2].decode()
    assert set(re.findall(r"(?:src|href)=\S+|url\(", page)) == {'href="data:,">'}
    assert page.count("<script") == 1


def test_damaged_and_failed_models_end_nothing(sweep: Sweep, server: PageServer) -> None:
    sweep.make("teacher_Digits", 95.0)
    sweep.recorder.failed(RUNNING, "RuntimeError: <boom>")
    sweep.make("student_Digits_Direct_run2", 80.0)
    with (sweep.output.models / "student_Digits_Direct_run2.pt").open("ab") as file:
        file.write(b"more")
    state(server)
    assert "1 of 7 models done, 1 failed, 1 damaged" in part(server, "progress")
    assert "&lt;boom&gt;" in part(server, "failures")


def test_a_report_that_cannot_be_made_is_said_and_tried_again(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    page = LivePage(sweep.root)
    at_once(page, monkeypatch)
    page.refresh()
    good = page.parts["conclusions"]
    with monkeypatch.context() as patch:
        patch.setattr("hpmkd.analysis.report.live_page.gather", lambda *given: 1 / 0)
        sweep.make("teacher_Digits", 95.0)
        page.refresh()
        page.refresh()
        assert "could not be made anew: ZeroDivisionError" in page.parts["progress"].html
        assert page.parts["conclusions"] is good
    page.refresh()
    page.refresh()
    assert "could not be made" not in page.parts["progress"].html
    assert "teacher_Digits" in page.parts["lineage"].html


def test_only_changed_files_are_read_again(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    from hpmkd.store.result_file import check

    read: list[str] = []
    monkeypatch.setattr("hpmkd.audit.findings.check", lambda path: (read.append(path.stem), check(path))[1])
    page = LivePage(sweep.root)
    at_once(page, monkeypatch)
    sweep.make("teacher_Digits", 95.0)
    page.refresh()
    assert read == ["teacher_Digits"]
    sweep.make(RUNNING, 80.0)
    page.refresh()
    assert read == ["teacher_Digits", RUNNING]


def test_it_looks_no_more_often_than_is_good_for_the_sweep(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    now, looks = [0.0], [0]
    page = LivePage(sweep.root, lambda: now[0])

    def look() -> None:
        looks[0] += 1
        now[0] += 3  # a slow disk

    monkeypatch.setattr(page, "_look", look)
    for second in range(100):
        now[0] = max(now[0], float(second))
        page.state()
    assert 5 <= looks[0] <= 7, "3 s of looking in 18"


def test_a_taken_port_and_wrong_flags(sweep: Sweep, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["report", str(sweep.root), "--watch", "--port", str(port)]) == 3
    error = capsys.readouterr().err
    assert f"127.0.0.1:{port}: the report cannot be served there" in error
    assert "name another --port" in error
    assert main(["report", str(sweep.root), "--port", "8000"]) == 2
    assert main(["report", str(sweep.root), "--watch", "--port", "70000"]) == 2
    assert main(["report", str(sweep.root / "nowhere"), "--watch"]) == 2


@contextlib.contextmanager
def command(root: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`hpmkd report DIR --watch --json` in a process of its own, and the address that it says."""
    words = [sys.executable, "-m", "hpmkd", "report", str(root), "--watch", "--json"]
    env, pipe = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, subprocess.PIPE
    process = subprocess.Popen(words, stdout=pipe, stderr=pipe, text=True, start_new_session=True, env=env)
    try:
        assert process.stdout is not None
        yield process, json.loads(process.stdout.readline())["url"]
    finally:
        process.kill()
        process.communicate()


def test_ctrl_c_ends_it_with_one_line(sweep: Sweep) -> None:
    before = everything(sweep.root)
    with command(sweep.root) as (process, url):
        connection = http.client.HTTPConnection(url.removeprefix("http://").rstrip("/"), timeout=60)
        for path in ("/", "/parts"):
            connection.request("GET", path)
            assert connection.getresponse().read()
        process.send_signal(signal.SIGINT)  # with a connection that is still open
        out, error = process.communicate(timeout=30)
    assert (process.returncode, out, error) == (130, "", "stopped by Ctrl-C\n")
    assert everything(sweep.root) == before


needs_browser = pytest.mark.skipif(browser.find() is None, reason=f"none of {', '.join(browser.NAMES)} is installed")


@pytest.fixture
def chromium(tmp_path: Path, every_figure: None) -> Iterator[browser.Browser]:
    made = browser.Browser(browser.find() or "", tmp_path / "profile")
    yield made
    made.close()


@pytest.mark.slow
@needs_browser
def test_in_a_real_browser(sweep: Sweep, server: PageServer, chromium: browser.Browser) -> None:
    """It follows by itself, and leaves the reader's place, opened details and marked text alone."""

    def text(name: str) -> str:
        return str(chromium.run(f"document.getElementById('{name}').innerText"))

    with locked(sweep.output):
        chromium.open(server.url)
        chromium.wait(lambda: "Nothing can be compared yet" in text("conclusions"))
        assert "0 of 7 models done" in text("progress")
        chromium.run("document.getElementById('all-models').open = true; window.same = true")
        sweep.make("teacher_Digits", 95.0)
        sweep.train(RUNNING)
        chromium.wait(lambda: "1 of 7 models done, about" in text("progress"))
        assert chromium.run("document.querySelectorAll('#running .spark polyline').length") == 1
        assert chromium.run("document.getElementById('all-models').open"), "what was opened stays open"
        chromium.wait(lambda: chromium.run("document.title") == "(1/7) a & <b>")
        chromium.run("document.getElementById('config').scrollIntoView()")
        tops = "[...document.querySelectorAll('section')].map((one) => [one.getBoundingClientRect().top, one.id])"
        first = chromium.run(f"{tops}.find((one) => one[0] >= -1)[1]")  # the first in the window; heights are fractions
        assert first not in ("progress", "about", "conclusions")
        place = f"document.getElementById('{first}').getBoundingClientRect().top"
        before = chromium.run(place)
        assert chromium.run("scrollY") > 100
        for number, key in enumerate(key for key in sweep.jobs if key != "teacher_Digits"):
            sweep.make(key, 80.0 + number % 3 + number // 3)
        height = chromium.run("document.body.scrollHeight")
        chromium.wait(lambda: "TraditionalKD" in text("accuracy") and "is shown" in text("conclusions"))
        assert chromium.run("document.body.scrollHeight") > height + 300, "the parts above have grown"
        assert abs(chromium.run(place) - before) < 3, "what is read stays where it is"
        assert chromium.run("document.querySelectorAll('#figure-accuracy svg').length") == 1
        chromium.run("getSelection().selectAllChildren(document.querySelector('#progress .lead'))")
        sweep.recorder.failed("x", "y")
    chromium.wait(lambda: chromium.run("document.title").startswith("(7/7)"))
    time.sleep(2.5)
    assert "a sweep is running" in text("progress"), "what is marked is not taken away"
    chromium.run("getSelection().removeAllRanges()")
    chromium.wait(lambda: "no sweep is running" in text("progress"))
    assert chromium.run("window.same"), "the page was never loaded anew"
    assert chromium.errors == []


@needs_browser
def test_a_browser_is_told_that_the_server_has_ended(sweep: Sweep, chromium: browser.Browser) -> None:
    hidden = "document.getElementById('connection').hidden"
    with command(sweep.root) as (_, url):
        chromium.open(url)
        assert chromium.run(hidden)
    chromium.wait(lambda: not chromium.run(hidden))


@needs_browser
def test_the_written_page_is_whole_without_a_server(tmp_path: Path, cache_dir: Path, chromium: browser.Browser) -> None:
    def accuracy(job: Job) -> float:
        return 90.0 + (job.run or 0) + (0.1 * (-1) ** (job.run or 0) if job.baseline == "TraditionalKD" else 0)

    make_output(tmp_path, cache_dir, accuracy, **CHOOSE)
    assert main(["report", str(tmp_path)]) == 0
    chromium.open((tmp_path / "report.html").as_uri())
    assert chromium.run("document.querySelectorAll('figure svg').length") >= 5
    assert chromium.run("document.getElementById('not-shown').open") is False
    assert chromium.run("document.scrollingElement.scrollWidth <= innerWidth"), "nothing is wider than the window"
    assert chromium.errors == []
    assert OutputDir(tmp_path).models.is_dir()
