"""What `scale.py` measures, a function per part: number of models, places, an empty folder -> figures."""

from __future__ import annotations

import json
import os
import resource
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import resume
from plan_cost import plan
from scale_driver import drive, searcher_of
from scale_files import finish, leave_rest, make_config

from hpmkd.audit.findings import audit, known_headers
from hpmkd.audit.results import collect_saved
from hpmkd.audit.sweep_dir import Saved
from hpmkd.mirror.contents import to_copy
from hpmkd.mirror.known import Known
from hpmkd.mirror.remote import Remote
from hpmkd.mirror.upload import Upload
from hpmkd.plan.schedule import Places
from hpmkd.store.output_dir import OutputDir
from hpmkd.store.sidecar import file_hash
from hpmkd.sweep.searcher import JobQueue

_MOST_OBJECTS = 20_000


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Processor seconds of this process, and what the work gave."""
    start = time.process_time()
    made = work()
    return time.process_time() - start, made


def memory() -> float:
    """The most that this process had, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def plan_it(models: int, places: int, folder: Path) -> dict[str, float]:
    """Config to jobs, and their fingerprints."""
    config, before = make_config(models), memory()
    seconds, jobs = timed(lambda: plan(config))
    more, _ = timed(lambda: [job.fingerprint for job in jobs])
    return {"count": len(jobs), "seconds": seconds + more, "megabytes": memory() - before}


def start(models: int, places: int, folder: Path) -> dict[str, float]:
    """A finished output: every file checked, and the table of the results."""
    config, output = make_config(models), OutputDir(folder)
    jobs = plan(config)
    finish(jobs, output)
    checked, findings = timed(lambda: audit(jobs, output))
    assert all(one.good for one in findings.values())
    told, found = timed(lambda: collect_saved(Saved(output, config, jobs), known_headers(findings)))
    assert len(found[0]) == len(jobs)
    parts = {"check_seconds": checked, "table_seconds": told, "megabytes": memory()}
    return {"count": len(jobs), "seconds": checked + told, **parts}


def drive_it(models: int, places: int, folder: Path) -> dict[str, float]:
    """The driver's own work on trivial trials."""
    jobs = plan(make_config(models))
    return {"count": len(jobs), **drive(jobs, places, folder), "megabytes": memory()}


def wait(models: int, places: int, folder: Path) -> dict[str, float]:
    """One teacher, and so many students that wait for it: Tune asks again at each of its steps."""
    jobs, asks = resume.plan(resume.make_config(models + 1)), 1000
    searcher = searcher_of(JobQueue(jobs, set(), check=lambda job: True, places=Places.alike(1000)))
    first, teacher = timed(lambda: searcher.suggest("first"))
    more, given = timed(lambda: [searcher.suggest("next") for _ in range(asks)])
    assert isinstance(teacher, dict)
    assert given == [None] * asks
    return {"count": len(jobs), "seconds": first, "ms_per_ask": 1000 * more / asks}


def state(models: int, places: int, folder: Path) -> dict[str, float]:
    """Tune's state of so many trials, as `TuneController.save_to_dir` writes it, and its hash for the signature."""
    from ray.tune.utils.serialization import TuneFunctionEncoder

    # As many bytes per trial as `sweep_cost.py` finds.
    trials = [("{" + '"a": "b",\n' * 420 + f"{number}" + "}", '"c": 1,\n' * 420) for number in range(models)]
    path = folder / "experiment_state-0.json"

    def save() -> None:
        with path.open("w") as file:
            json.dump({"trial_data": trials}, file, cls=TuneFunctionEncoder)
        file_hash(path)

    seconds, _ = timed(save)
    return {"count": models, "seconds": seconds, "megabytes_written": path.stat().st_size / 1e6}


def mirror(models: int, places: int, folder: Path) -> dict[str, float]:
    """What the mirror does again and again: the look for what is new; and a listing of all files."""
    output, jobs = OutputDir(folder), plan(make_config(models))
    finish(jobs, output)
    leave_rest(jobs, output)
    looked, groups = timed(lambda: to_copy(output))
    known, claim = Known(output.mirror_file), SimpleNamespace(lost=None)
    known.versions = {one.name: one.version for group in groups for one in group}
    upload = Upload(output, Remote(str(folder)), known, claim)  # type: ignore[arg-type]
    again, _ = timed(lambda: upload.copy(growing=False, over=threading.Event()))
    listed, names = timed(lambda: Remote(str(folder)).names())
    parts = {"look_seconds": looked, "nothing_new_seconds": again, "list_seconds": listed, "files": len(names)}
    return {"count": len(jobs), "seconds": again, **parts, "copied": len(known.versions)}


def s3(models: int, places: int, folder: Path) -> dict[str, float]:
    """A listing of so many objects on a server of this machine, whose own time is in it; and requests per file."""
    from support.s3 import BUCKET, S3Server  # in tests/, and moto, which only this part needs

    os.environ |= {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_EC2_METADATA_DISABLED": "true"}
    objects = min(models, _MOST_OBJECTS)
    server = S3Server()
    server.start()
    try:
        for number in range(objects):
            server.client.put_object(Bucket=BUCKET, Key=f"run7/models/student_{number}.pt", Body=b"x")
        remote, before = Remote(server.uri()), server.asked.total()
        seconds, names = timed(remote.names)
        pages, before = server.asked.total() - before, server.asked.total()
        remote.put_bytes(b"x" * 1000, "models/one.pt")
        asked = server.asked.total() - before
    finally:
        server.stop()
    assert len(names) == objects
    return {"count": objects, "seconds": seconds, "list_requests": pages, "requests_per_file": asked}
